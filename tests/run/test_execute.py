# SPDX-License-Identifier: Apache-2.0
"""The harness itself: right bytes, exact counts, and every way a model can go wrong is told apart."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsec.run.errors import BuildError, RunError, StatusError
from sparsec.run.execute import run_project
from sparsec.run.machines import machine_for

WriteProject = Callable[..., Path]

QEMU_CPUS = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
EVERYWHERE = [
    pytest.param("host", False, id="host"),
    pytest.param("host", True, id="host-sanitized"),
    *(pytest.param(cpu, False, id=cpu, marks=pytest.mark.qemu) for cpu in QEMU_CPUS),
]

# Input 45 bytes, output 45 bytes: the products of the input and a constant table.
MULTIPLY = """
#include "arm_nnfunctions.h"
static int8_t factors[45] = {1};
int tiny_invoke(int8_t *arena)
{
    for (int i = 0; i < 45; i++)
    {
        factors[i] = (int8_t)(i * 37 % 100 - 50);
    }
    return arm_elementwise_mul_s8(arena, factors, 3, -4, arena + 48, -7, 1518500250, -5, -128, 127, 45);
}
"""


def multiply(x: NDArray[np.int8]) -> NDArray[np.int8]:
    """What MULTIPLY computes, by gemmlowp's double rounding in whole numbers."""
    products = (x.astype(np.int64) + 3) * (np.arange(45) * 37 % 100 - 54)
    high = (products * 1518500250 + (1 << 30)) >> 31
    low = (high + 16 - (high < 0)) >> 5
    return np.clip(low - 7, -128, 127).astype(np.int8)


@pytest.mark.parametrize(("cpu", "sanitize"), EVERYWHERE)
def test_a_kernel_of_cmsis_nn(
    cpu: str, sanitize: bool, write_project: WriteProject, cmsis_nn: Path
) -> None:
    project = write_project(MULTIPLY, arena=93, inputs=[(0, 45)], outputs=[(48, 45)])
    x = np.random.default_rng(1).integers(-128, 128, (256, 45)).astype(np.int8)
    result = run_project(project, cpu, [x], cmsis_nn=cmsis_nn, sanitize=sanitize)
    assert np.array_equal(result.outputs[0], multiply(x))
    assert len(np.unique(result.outputs[0])) > 50
    if cpu == "host":
        assert result.instructions is None
    else:
        assert result.instructions is not None
        assert result.instructions.dtype == np.uint64 and result.instructions.shape == (256,)
    assert result.model.data >= 45 and 45 < result.model.flash < result.total.flash


SEVERAL_BUFFERS = """
int tiny_invoke(int8_t *arena)
{
    for (int i = 0; i < 3; i++)
    {
        arena[20 + i] = (int8_t)(arena[i] - arena[8 + i]);
    }
    arena[40] = arena[0];
    arena[41] = arena[50];
    return 0;
}
"""


@pytest.mark.parametrize(("cpu", "sanitize"), EVERYWHERE)
def test_several_inputs_and_outputs(
    cpu: str, sanitize: bool, write_project: WriteProject, cmsis_nn: Path
) -> None:
    project = write_project(SEVERAL_BUFFERS, inputs=[(0, 3), (8, 3)], outputs=[(40, 2), (20, 3)])
    a = np.array([[9, 8, 7], [1, 2, 3], [-4, -5, -6]], dtype=np.int8)
    b = np.array([[1, 2, 3], [0, 0, 0], [1, 1, 1]], dtype=np.int8)
    result = run_project(project, cpu, [a, b], cmsis_nn=cmsis_nn, sanitize=sanitize)
    # The byte no one wrote shows the two poisons in turn.
    poison = np.array([0xA5, 0x5A, 0xA5], dtype=np.uint8).view(np.int8)
    assert np.array_equal(result.outputs[0], np.stack([a[:, 0], poison], axis=1))
    assert np.array_equal(result.outputs[1], a - b)


def counted_loop(shift: int, idle: int = 0) -> str:
    """Reads the number of passes n as byte 0 + byte 1 * 2^shift and executes 4 + (2 + idle) n + 2 instructions."""
    return f"""
__attribute__((naked)) int tiny_invoke(int8_t *arena)
{{
    (void)arena;
    __asm__ volatile(".syntax unified\\n"
                     "ldrb r1, [r0]\\n"
                     "ldrb r0, [r0, #1]\\n"
                     "lsls r0, r0, #{shift}\\n"
                     "orrs r0, r0, r1\\n"
                     "1:\\n"
                     ".rept {idle}\\n"
                     "nop\\n"
                     ".endr\\n"
                     "subs r0, r0, #1\\n"
                     "bne 1b\\n"
                     "movs r0, #0\\n"
                     "bx lr\\n");
}}
"""


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", QEMU_CPUS)
def test_counts_are_exact(cpu: str, write_project: WriteProject, cmsis_nn: Path) -> None:
    project = write_project(counted_loop(24), inputs=[(0, 2)], outputs=[(0, 1)])
    passes = [*range(1, 128), 5 * 2**24 + 3]
    x = np.array([[n % 2**24, n >> 24] for n in passes], dtype=np.int8)
    result = run_project(project, cpu, [x], cmsis_nn=cmsis_nn)
    assert result.instructions is not None
    assert result.instructions.tolist() == [4 + 2 * n + 2 for n in passes]


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m33", "cortex-m55"])
def test_counts_outlive_a_32_bit_timer(
    cpu: str, write_project: WriteProject, cmsis_nn: Path
) -> None:
    # QEMU takes its time for passes, hardly for what stands in them.
    project = write_project(counted_loop(16, idle=500), inputs=[(0, 2)], outputs=[(0, 1)])
    result = run_project(project, cpu, [np.array([[1, 52]], dtype=np.int8)], cmsis_nn=cmsis_nn)
    assert result.instructions is not None
    count = 4 + 502 * (52 * 2**16 + 1) + 2
    assert result.instructions.tolist() == [count]
    machine = machine_for(cpu)
    assert machine.timer_hz * count * 128e-9 > 2**32


@pytest.mark.qemu
def test_without_counting(write_project: WriteProject, cmsis_nn: Path) -> None:
    project = write_project(SEVERAL_BUFFERS, inputs=[(0, 3), (8, 3)], outputs=[(20, 3)])
    x = np.ones((2, 3), dtype=np.int8)
    result = run_project(project, "cortex-m55", [x, x], cmsis_nn=cmsis_nn, counting=False)
    assert result.instructions is None
    assert not result.outputs[0].any()


@pytest.mark.parametrize(("cpu", "sanitize"), EVERYWHERE)
@pytest.mark.parametrize("offset", [-1, 64, 127])
def test_a_write_outside_the_arena(
    offset: int, cpu: str, sanitize: bool, write_project: WriteProject, cmsis_nn: Path
) -> None:
    body = f"int tiny_invoke(int8_t *arena) {{ arena[{offset}] = arena[0]; return 0; }}"
    project = write_project(body, inputs=[(0, 1)], outputs=[(0, 1)])
    x = np.array([[1], [2]], dtype=np.int8)
    expected = (
        "use-after-poison"
        if sanitize
        else f"outside its arena\ninference 0: .* at offset {offset}$"
    )
    with pytest.raises(RunError, match=expected):
        run_project(project, cpu, [x], cmsis_nn=cmsis_nn, sanitize=sanitize)


@pytest.mark.parametrize(("cpu", "sanitize"), EVERYWHERE)
def test_a_status_is_reported(
    cpu: str, sanitize: bool, write_project: WriteProject, cmsis_nn: Path
) -> None:
    body = "int tiny_invoke(int8_t *arena) { return arena[0] == 7 ? -1234 : 0; }"
    project = write_project(body, inputs=[(0, 1)], outputs=[(0, 1)])
    x = np.array([[1], [2], [7]], dtype=np.int8)
    with pytest.raises(
        RunError, match="reported an error\ninference 2: the model returned status -1234$"
    ):
        run_project(project, cpu, [x], cmsis_nn=cmsis_nn, sanitize=sanitize)


@pytest.mark.parametrize(("cpu", "sanitize"), EVERYWHERE)
def test_the_layer_that_failed_is_named(
    cpu: str, sanitize: bool, write_project: WriteProject, cmsis_nn: Path
) -> None:
    """Generated C has hooks round its calls, which cost nothing where nobody asks."""
    body = """
#ifndef SPARSEC_BEFORE_LAYER
    #define SPARSEC_BEFORE_LAYER(index) ((void)0)
#endif
int tiny_invoke(int8_t *arena)
{
    SPARSEC_BEFORE_LAYER(0);
    arena[1] = 2;
    SPARSEC_BEFORE_LAYER(1);
    if (arena[0] < 0) return arena[0];
    SPARSEC_BEFORE_LAYER(2);
    return 0;
}"""
    project = write_project(body, inputs=[(0, 1)], outputs=[(0, 1)])
    report = json.loads((project / "report.json").read_text())
    names = {"pad": "sparsec_pad_s8", "conv": "arm_convolve_s8", "fc": "arm_fully_connected_s8"}
    report["layers"] = [{"name": name, "kernel": kernel} for name, kernel in names.items()]
    (project / "report.json").write_text(json.dumps(report))
    for status, said in (
        (-1, "-1 (ARM_CMSIS_NN_ARG_ERROR)"),
        (-3, "-3 (ARM_CMSIS_NN_FAILURE)"),
        (-9, "-9"),
    ):
        x = np.array([[1], [status], [7]], dtype=np.int8)
        with pytest.raises(StatusError) as raised:
            run_project(project, cpu, [x], cmsis_nn=cmsis_nn, sanitize=sanitize)
        assert str(raised.value) == (
            f"a kernel reported an error\ninference 1: layer 'conv' (arm_convolve_s8) returned status {said}"
        )
    assert run_project(project, cpu, [abs(x)], cmsis_nn=cmsis_nn).outputs[0].shape == (3, 1)


def test_a_read_outside_the_arena_is_seen_by_the_sanitizer(
    write_project: WriteProject, cmsis_nn: Path
) -> None:
    body = "int tiny_invoke(int8_t *arena) { arena[0] = arena[61]; return 0; }"
    project = write_project(body, arena=61, inputs=[(0, 1)], outputs=[(0, 1)])
    with pytest.raises(RunError, match="use-after-poison"):
        run_project(
            project, "host", [np.zeros((1, 1), dtype=np.int8)], cmsis_nn=cmsis_nn, sanitize=True
        )


def test_undefined_behaviour_is_seen_by_the_sanitizer(
    write_project: WriteProject, cmsis_nn: Path
) -> None:
    body = "int tiny_invoke(int8_t *arena) { int sum = 0x7FFFFFFF; sum += arena[0]; return sum > 0 ? 0 : 1; }"
    project = write_project(body, inputs=[(0, 1)], outputs=[(0, 1)])
    with pytest.raises(RunError, match="signed integer overflow"):
        run_project(
            project, "host", [np.ones((1, 1), dtype=np.int8)], cmsis_nn=cmsis_nn, sanitize=True
        )


DEEP_RECURSION = """
static __attribute__((noinline, unused)) int deep(volatile int8_t *last, int depth)
{
    volatile int8_t frame[200];
    frame[3] = last[3];
    return depth == 0 ? 0 : deep(frame, depth - 1) + frame[3];
}
"""


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", QEMU_CPUS)
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("return *(volatile int *)0xF0000000 + arena[0];", id="bad address"),
        pytest.param("return deep(arena, 1000);", id="stack overflow"),
    ],
)
def test_a_fault_is_reported(
    statement: str, cpu: str, write_project: WriteProject, cmsis_nn: Path
) -> None:
    body = f"{DEEP_RECURSION} int tiny_invoke(int8_t *arena) {{ {statement} }}"
    project = write_project(body, inputs=[(0, 1)], outputs=[(0, 1)])
    with pytest.raises(RunError, match="processor faulted"):
        run_project(
            project, cpu, [np.zeros((1, 1), dtype=np.int8)], cmsis_nn=cmsis_nn, time_limit=20
        )


@pytest.mark.qemu
def test_cortex_m0plus_cannot_access_unaligned_words(
    write_project: WriteProject, cmsis_nn: Path
) -> None:
    body = "int tiny_invoke(int8_t *arena) { return *(volatile int16_t *)(arena + 1) == 3; }"
    project = write_project(body, inputs=[(0, 1)], outputs=[(0, 1)])
    x = np.zeros((1, 1), dtype=np.int8)
    run_project(project, "cortex-m3", [x], cmsis_nn=cmsis_nn)
    with pytest.raises(RunError, match="processor faulted"):
        run_project(project, "cortex-m0plus", [x], cmsis_nn=cmsis_nn)


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_a_run_that_hangs_is_ended(cpu: str, write_project: WriteProject, cmsis_nn: Path) -> None:
    body = "int tiny_invoke(int8_t *arena) { for (;;) { *(volatile int8_t *)arena = 1; } }"
    project = write_project(body, inputs=[(0, 1)], outputs=[(0, 1)])
    progress: list[str] = []
    with pytest.raises(RunError, match="ended after 0.5 s"):
        run_project(
            project,
            cpu,
            [np.zeros((1, 1), dtype=np.int8)],
            cmsis_nn=cmsis_nn,
            time_limit=0.5,
            progress=progress.append,
        )
    assert progress[-1] == f"running tiny on {cpu}: 0/1"


IDENTITY = "int tiny_invoke(int8_t *arena) { (void)arena; return 0; }"


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", QEMU_CPUS)
def test_the_small_layout(cpu: str, write_project: WriteProject, cmsis_nn: Path) -> None:
    x = np.zeros((1, 1), dtype=np.int8)
    fits = write_project(IDENTITY, arena=200 * 1024, inputs=[(0, 1)], outputs=[(0, 1)])
    assert run_project(fits, cpu, [x], cmsis_nn=cmsis_nn, layout="small").total.ram > 200 * 1024
    too_big = write_project(IDENTITY, arena=300 * 1024, inputs=[(0, 1)], outputs=[(0, 1)])
    run_project(too_big, cpu, [x], cmsis_nn=cmsis_nn)
    with pytest.raises(
        BuildError,
        match=r"'small' layout \(1024 KB flash, 256 KB RAM\): [\d,]+ bytes of RAM too many",
    ):
        run_project(too_big, cpu, [x], cmsis_nn=cmsis_nn, layout="small")
    constants = (
        "const int8_t big[1100000] = {1};"
        "int tiny_invoke(int8_t *arena) { arena[0] = big[(uint8_t)arena[0] * 100]; return 0; }"
    )
    with pytest.raises(BuildError, match="bytes of FLASH too many"):
        project = write_project(constants, inputs=[(0, 1)], outputs=[(0, 1)])
        run_project(project, cpu, [x], cmsis_nn=cmsis_nn, layout="small")


@pytest.mark.qemu
def test_helium_has_room_for_megabytes_of_constants(
    write_project: WriteProject, cmsis_nn: Path
) -> None:
    """More than its SRAM takes, and read up to the last byte."""
    constants = (
        "static const int8_t big[2400000] = {[0] = 1, [2399999] = 77};"
        "int tiny_invoke(int8_t *arena)"
        "{ arena[1] = (int8_t)(big[0] + big[2399999 - arena[0]]); return 0; }"
    )
    project = write_project(constants, inputs=[(0, 1)], outputs=[(1, 1)])
    x = np.zeros((1, 1), dtype=np.int8)
    result = run_project(project, "cortex-m55", [x], cmsis_nn=cmsis_nn)
    assert result.outputs[0].tolist() == [[78]]
    assert result.model.flash > 2_400_000


def test_inputs_of_another_shape(write_project: WriteProject, cmsis_nn: Path) -> None:
    project = write_project(IDENTITY, inputs=[(0, 3), (3, 1)], outputs=[(0, 1)])
    good, short = np.zeros((2, 3), dtype=np.int8), np.zeros((1, 1), dtype=np.int8)
    with pytest.raises(ValueError, match="has 2 inputs, 1 were given"):
        run_project(project, "host", [good], cmsis_nn=cmsis_nn)
    with pytest.raises(ValueError, match=r"'in1' must be int8 \[N, 1\], not int8 \[2, 3\]"):
        run_project(project, "host", [good, good], cmsis_nn=cmsis_nn)
    with pytest.raises(ValueError, match="differ in their number"):
        run_project(project, "host", [good, short], cmsis_nn=cmsis_nn)


def test_cores_that_cannot_run(write_project: WriteProject, cmsis_nn: Path) -> None:
    project = write_project(IDENTITY, inputs=[(0, 1)], outputs=[(0, 1)])
    x = np.zeros((1, 1), dtype=np.int8)
    with pytest.raises(ValueError, match="unknown target 'z80'"):
        run_project(project, "z80", [x], cmsis_nn=cmsis_nn)
