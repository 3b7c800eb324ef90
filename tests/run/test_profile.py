# SPDX-License-Identifier: Apache-2.0
"""Profiles: hand-counted programs on every core, exact sums, and what goes wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparsec.run.errors import RunError, StatusError, ToolchainError
from sparsec.run.machines import MACHINES
from sparsec.run.profile.profile import Cost, Profile, profile_project
from sparsec.run.profile.trace import Edge, read_trace
from sparsec.targets.timing import TIMINGS

WriteProject = Callable[..., Path]

CALLS = """
#define CODE(name) \\
    __attribute__((naked, noinline, used)) int name(int8_t *arena)
CODE(first);
CODE(second);
CODE(first) { __asm__ volatile("%s"); }
CODE(second) { __asm__ volatile(".syntax unified\\n movs r0, #0\\n bx lr"); }
CODE(tiny_invoke) { __asm__ volatile("push {r4, lr}\\n bl first\\n bl second\\n pop {r4, pc}"); }
"""
LOOP = CALLS % r".syntax unified\n movs r1, #10\n 1: subs r1, #1\n bne 1b\n bx lr"
HARDWARE_LOOP = CALLS % (
    r"push {r4, lr}\n movs r1, #10\n dls lr, r1\n 1: adds r2, #1\n le lr, 1b\n pop {r4, pc}"
)
LAYERS = [{"name": "net/one", "kernel": "first"}, {"name": "net/two", "kernel": "second"}]

# The call of the entry, PUSH, BL and its branch; MOVS, 10 SUBS and BNE, 9 branches, BX and its branch; BL and its
# branch, MOVS, BX and its branch, POP.
M4_CYCLES = (3 + 3 + 1 + 2) + (1 + 20 + 9 * 2 + 1 + 3) + (1 + 2 + 1 + 1 + 3 + 3)
M0PLUS_CYCLES = (1 + 3 + 1 + 1) + (1 + 20 + 9 * 1 + 1 + 1) + (1 + 1 + 1 + 1 + 1 + 3)
# Two instructions at a time, and 8 branches predicted wrongly, most as they are met for the first time.
M7_CYCLES = (2 + 1) + (2 + 9 + 1) + (1 + 1 + 2) + 8 * 7
# LE costs nothing.
M55_CYCLES = (3 + 2 + 1 + 2) + (2 + 1 + 1 + 10 + 2 + 3) + (1 + 2 + 1 + 1 + 3 + 2)


def profile(project: Path, cpu: str, cmsis_nn: Path) -> Profile:
    """The profile of the first of two inputs, which are one byte."""
    x = np.array([[3], [4]], np.int8)
    result, found = profile_project(project, cpu, [x], cmsis_nn=cmsis_nn)
    assert result.instructions is not None and result.instructions[0] == found.total.instructions
    for parts in (found.layers, found.functions):
        assert sum((part.cost for part in parts), Cost(0, 0)) == found.total
    return found


def with_layers(project: Path, layers: list[dict[str, str]]) -> Path:
    report = json.loads((project / "report.json").read_text())
    (project / "report.json").write_text(json.dumps({**report, "layers": layers}))
    return project


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("cpu", "cycles"),
    [
        ("cortex-m0plus", M0PLUS_CYCLES),
        ("cortex-m3", M4_CYCLES),
        ("cortex-m4", M4_CYCLES),
        ("cortex-m33", M4_CYCLES),
        ("cortex-m7", M7_CYCLES),
    ],
)
def test_hand_counted(cpu: str, cycles: int, write_project: WriteProject, cmsis_nn: Path) -> None:
    project = write_project(LOOP, inputs=[(0, 1)], outputs=[(1, 1)])
    found = profile(with_layers(project, LAYERS), cpu, cmsis_nn)
    assert found.total == Cost(28, cycles)
    assert [(layer.name, layer.kernel, layer.cost.instructions) for layer in found.layers] == [
        ("net/one", "first", 24),
        ("net/two", "second", 4),
    ]
    functions = {function.name: function.cost.instructions for function in found.functions}
    assert functions == {"tiny_invoke": 4, "first": 22, "second": 2}


@pytest.mark.qemu
def test_hand_counted_hardware_loop(write_project: WriteProject, cmsis_nn: Path) -> None:
    project = write_project(HARDWARE_LOOP, inputs=[(0, 1)], outputs=[(1, 1)])
    found = profile(project, "cortex-m55", cmsis_nn)
    assert found.total == Cost(30, M55_CYCLES)
    assert [(layer.name, layer.kernel) for layer in found.layers] == [("", "first"), ("", "second")]


SOFTMAX = """
#include "arm_nnfunctions.h"
int tiny_invoke(int8_t *arena)
{
    for (int i = 0; i < arena[0]; i++)
    {
        arm_softmax_s8(arena + 1, 1, 15, 1242899200, 24, -124, arena + 16);
    }
    return 0;
}
"""


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m7", "cortex-m55"])
def test_a_kernel_of_cmsis_nn(cpu: str, write_project: WriteProject, cmsis_nn: Path) -> None:
    """The profile is that of the first input: three calls."""
    project = write_project(SOFTMAX, inputs=[(0, 1)], outputs=[(16, 15)])
    found = profile(project, cpu, cmsis_nn)
    assert [layer.kernel for layer in found.layers] == ["arm_softmax_s8"] * 3
    assert found.functions[0].name == "arm_nn_softmax_common_s8"
    # Two instructions a cycle at best; divisions and vector operations take several.
    assert found.total.instructions / 2 < found.total.cycles < 3 * found.total.instructions


@pytest.mark.qemu
def test_other_calls_count_to_the_layer_that_follows(
    write_project: WriteProject, cmsis_nn: Path
) -> None:
    project = write_project(LOOP, inputs=[(0, 1)], outputs=[(1, 1)])
    (layer,) = profile(with_layers(project, LAYERS[1:]), "cortex-m4", cmsis_nn).layers
    assert (layer.name, layer.kernel, layer.cost.instructions) == ("net/two", "second", 28)


@pytest.mark.qemu
def test_calls_that_are_not_those_of_the_report_have_no_name(
    write_project: WriteProject, cmsis_nn: Path
) -> None:
    project = write_project(LOOP, inputs=[(0, 1)], outputs=[(1, 1)])
    found = profile(with_layers(project, LAYERS[::-1]), "cortex-m4", cmsis_nn)
    assert [(layer.name, layer.kernel) for layer in found.layers] == [("", "first"), ("", "second")]


@pytest.mark.qemu
def test_an_entry_that_calls_nothing(write_project: WriteProject, cmsis_nn: Path) -> None:
    project = write_project(
        "int tiny_invoke(int8_t *arena) { arena[1] = 7; return 0; }",
        inputs=[(0, 1)],
        outputs=[(1, 1)],
    )
    (layer,) = profile(project, "cortex-m4", cmsis_nn).layers
    assert (layer.name, layer.kernel) == ("", "tiny_invoke")


def test_every_core_of_qemu_has_a_row() -> None:
    assert set(MACHINES) - {"cortex-m85"} == set(TIMINGS)


def test_not_on_the_host(write_project: WriteProject, cmsis_nn: Path) -> None:
    project = write_project(LOOP, inputs=[(0, 1)], outputs=[(1, 1)])
    with pytest.raises(ToolchainError, match="no machine for host"):
        profile(project, "host", cmsis_nn)


@pytest.mark.qemu
def test_without_gcc(
    write_project: WriteProject, cmsis_nn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(LOOP, inputs=[(0, 1)], outputs=[(1, 1)])
    which = shutil.which

    def all_but_gcc(name: str) -> str | None:
        return None if name == "gcc" else which(name)

    monkeypatch.setattr(shutil, "which", all_but_gcc)
    with pytest.raises(ToolchainError, match="^gcc is not installed"):
        profile(project, "cortex-m4", cmsis_nn)


@pytest.mark.qemu
def test_qemu_without_plugins(
    write_project: WriteProject, cmsis_nn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(LOOP, inputs=[(0, 1)], outputs=[(1, 1)])
    qemu = tmp_path / "qemu-system-arm"
    qemu.write_text(
        '#!/bin/sh\ncase "$*" in *-plugin*) echo "$0: -plugin: invalid option" >&2; exit 1;; esac\n'
        f'exec {shutil.which("qemu-system-arm")} "$@"\n'
    )
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ToolchainError, match=r"^this qemu-system-arm loads no plugins.*[^\n]$"):
        profile(project, "cortex-m4", cmsis_nn)


def test_reading_a_trace() -> None:
    found = read_trace("block 400 2 406\nblock 406 1 408\ncall 0 406\nedge 0 0 1 7 2\ncomplete\n")
    assert [block.end for block in found.blocks] == [0x406, 0x408]
    assert found.edges == [Edge(region=0, source=0, to=1, executions=7, mispredicted=2)]
    assert found.callees == {0: 0x406}


def test_an_incomplete_trace() -> None:
    with pytest.raises(RunError, match="did not return"):
        read_trace("block 400 2 406\nedge 0 0 0 7 2\n")


@pytest.mark.qemu
def test_the_layer_that_failed_is_named(write_project: WriteProject, cmsis_nn: Path) -> None:
    body = """
#ifndef SPARSEC_BEFORE_LAYER
    #define SPARSEC_BEFORE_LAYER(index) ((void)0)
#endif
int tiny_invoke(int8_t *arena)
{
    SPARSEC_BEFORE_LAYER(0);
    arena[1] = 2;
    SPARSEC_BEFORE_LAYER(1);
    return -1;
}"""
    project = with_layers(write_project(body, inputs=[(0, 1)], outputs=[(0, 1)]), LAYERS)
    with pytest.raises(StatusError, match=r"layer 'net/two' \(second\) returned status -1 "):
        profile(project, "cortex-m4", cmsis_nn)
