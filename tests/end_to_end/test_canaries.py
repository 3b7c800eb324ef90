# SPDX-License-Identifier: Apache-2.0
"""Nothing depends on a dead byte and no call writes outside its buffers: on this machine and on QEMU."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import IndexType, IntegerAttr, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.analysis.memory.memory_plan import PlannedFunction, planned_function
from sparsec.backends.c import project
from sparsec.backends.cortex_m.project import emit_project
from sparsec.ir import qnn
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams, Requant
from sparsec.quantization.window import Window
from sparsec.run import cmsis_nn
from sparsec.run.errors import RunError
from sparsec.run.execute import run_project
from sparsec.tools.emission import write_files
from tests.end_to_end.building import Builder
from tests.end_to_end.canaries import (
    Buffer,
    Call,
    Plan,
    Span,
    Write,
    dead_bytes,
    kept_bytes,
    plan_of,
    with_canaries,
)
from tests.end_to_end.road import (
    Array,
    Compiled,
    compile_module,
    compile_to,
    differing_bytes,
    expect_exact,
    extreme_and_random,
    interpret,
)
from tests.frontends.tflite.support import NETWORKS, network

EVERYWHERE = ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)]

TWO_CALLS = Plan(
    (("arena", 16), ("fast", 4)),
    (
        Buffer(0, offset=0, size=4, first=-1, last=0),  # the input
        Buffer(0, offset=8, size=4, first=0, last=1),
        Buffer(1, offset=1, size=2, first=0, last=0),  # scratch memory
        Buffer(0, offset=6, size=4, first=1, last=2),  # the result, over what dies
    ),
    (Call("a", (Write(1, 0, 4), Write(2, 0, 2))), Call("b", (Write(3, 0, 4),))),
)


def test_what_is_dead() -> None:
    assert dead_bytes(TWO_CALLS, 0) == [Span(0, 4, 16), Span(1, 0, 4)]
    assert dead_bytes(TWO_CALLS, 1) == [Span(0, 0, 8), Span(0, 12, 16), Span(1, 0, 4)]


def test_what_a_call_must_keep() -> None:
    assert kept_bytes(TWO_CALLS, 0) == [
        Span(0, 0, 8),
        Span(0, 12, 16),
        Span(1, 0, 1),
        Span(1, 3, 4),
    ]
    assert kept_bytes(TWO_CALLS, 1, guard=3) == [Span(0, -3, 6), Span(0, 10, 19), Span(1, -3, 7)]


def test_a_call_must_keep_what_is_needed_behind_it() -> None:
    """Even where the plan puts its output there, but not the rest of a buffer that it writes a part of."""
    _, middle, *rest = TWO_CALLS.buffers
    longer = replace(middle, last=2)
    plan = replace(TWO_CALLS, buffers=(TWO_CALLS.buffers[0], longer, *rest))
    assert kept_bytes(plan, 1) == [Span(0, 0, 6), Span(0, 8, 16), Span(1, 0, 4)]
    part = replace(plan, calls=(plan.calls[0], Call("b", (Write(1, 1, 2),))))
    assert kept_bytes(part, 1) == [Span(0, 0, 9), Span(0, 10, 16), Span(1, 0, 4)]


def test_a_plan_cannot_allow_to_write_outside_of_a_memory() -> None:
    for offset in (-2, 14):
        moved = replace(TWO_CALLS.buffers[1], offset=offset)
        plan = replace(TWO_CALLS, buffers=(TWO_CALLS.buffers[0], moved, *TWO_CALLS.buffers[2:]))
        kept = kept_bytes(plan, 0, guard=4)[0 if offset < 0 else 1]
        assert kept in (Span(0, -4, 0), Span(0, 16, 20))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("cpu", "objective"),
    [
        ("host", "latency"),
        pytest.param("cortex-m4", "latency", marks=pytest.mark.qemu),
        pytest.param("cortex-m4", "ram", marks=pytest.mark.qemu),
        pytest.param("cortex-m55", "ram", marks=pytest.mark.qemu),
    ],
)
def test_mlperf_tiny(name: str, cpu: str, objective: str, tmp_path: Path) -> None:
    """The networks of the zoo, and random ones, are watched where they are compared with the interpreter."""
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(network(name))
    compiled = compile_to(path, cpu, f"--objective={objective}")
    inputs = extreme_and_random(compiled.input_shapes, random=1, seed=5)
    expect_exact(compiled, cpu, inputs, canaries=True)


SHAPE = (1, 6, 6, 4)


def convolution(net: Builder, x: SSAValue) -> SSAValue:
    rng = np.random.default_rng(net.layers)
    operands = (
        net.constant(rng.integers(-128, 128, (4, 3, 3, 4), np.int8)),
        net.constant(rng.integers(-500, 500, 4, np.int32)),
        net.constant(rng.integers(2**30, 2**31, 4, np.int32)),
        net.constant(np.full(4, -8, np.int32)),
    )
    window, type = Window(padding=(1, 1, 1, 1)), TensorType(i8, SHAPE)
    return net.layer(qnn.Conv2dOp(x, *operands, Requant(3, -5), window, type))


def residual(cpu: str) -> Compiled:
    """conv2d1, conv2d2 behind it, and the sum of both: calls 0, 1 and 2."""
    net = Builder()
    first = convolution(net, net.input(SHAPE))
    second = convolution(net, first)
    params = AddParams(
        **add_params(0.05, 0.05, 0.08),
        input1_zp=-5,
        input2_zp=-5,
        output_zp=0,
        clamp=(-128, 127),
    )
    compiled = compile_module(
        net.module([net.layer(qnn.AddOp(first, second, params))]), cpu, "--weights=dense"
    )
    assert plan(compiled).buffers[view_of(compiled, 0)].last == 2
    return compiled


def plan(compiled: Compiled) -> Plan:
    planned = planned_function(compiled.compilation.module)
    assert planned is not None
    return plan_of(planned)


def view_of(compiled: Compiled, call: int, write: int = 0) -> int:
    """The number of the buffer that a call writes."""
    return plan(compiled).calls[call].writes[write].buffer


def inputs_of(compiled: Compiled) -> list[Array]:
    return extreme_and_random(compiled.input_shapes, random=2, seed=1)


def run_with(compiled: Compiled, plan: Plan, cpu: str, folder: Path) -> list[Array]:
    """What the network gives when it is watched as if its plan were `plan`."""
    directory = cmsis_nn.locate()
    assert directory is not None
    name = compiled.compilation.name
    shutil.rmtree(folder / name, ignore_errors=True)  # with canaries of another plan
    write_files(with_canaries(compiled.files, name, plan), folder / name)
    inputs = [array.reshape(len(array), -1) for array in inputs_of(compiled)]
    result = run_project(folder / name, cpu, inputs, cmsis_nn=directory, counting=False)
    return [np.asarray(output) for output in result.outputs]


def move(compiled: Compiled, buffer: int, offset: int, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """The network with a buffer elsewhere, in its IR as in its C, whatever the checks of plans say."""
    planned = planned_function(compiled.compilation.module)
    directory = cmsis_nn.locate()
    assert planned is not None and directory is not None
    views = [op for op in planned.function.body.block.ops if isinstance(op, memref.ViewOp)]
    constant = arith.ConstantOp(IntegerAttr(offset, IndexType()))
    planned.function.body.block.insert_op_before(constant, views[buffer])
    views[buffer].operands[1] = constant.result

    def accept(_: PlannedFunction) -> None:
        pass

    monkeypatch.setattr(project, "certify_plan", accept)
    files = emit_project(
        compiled.compilation.module, directory / "Include", compiled.compilation.name
    )
    return replace(compiled, files=files)


@pytest.mark.parametrize(("call", "write"), [(0, 0), (0, 1), (2, 0)])
def test_a_byte_too_many_is_seen(call: int, write: int, tmp_path: Path) -> None:
    """Outputs and scratch memory that are planned one byte too short."""
    compiled = residual("host")
    right = plan(compiled)
    writes, calls = list(right.calls[call].writes), list(right.calls)
    writes[write] = replace(writes[write], end=writes[write].end - 1)
    calls[call] = replace(calls[call], writes=tuple(writes))
    with pytest.raises(RunError, match=f"{calls[call].name} changed a byte that is not its own"):
        run_with(compiled, replace(right, calls=tuple(calls)), "host", tmp_path)


@pytest.mark.parametrize("cpu", EVERYWHERE)
def test_dead_bytes_that_are_read_are_seen(cpu: str, tmp_path: Path) -> None:
    """What the last call reads is said to be needed no more: it is painted, and the result differs."""
    compiled = residual(cpu)
    expected = interpret(compiled.quantized, inputs_of(compiled))
    right = plan(compiled)
    assert differing_bytes(expected, run_with(compiled, right, cpu, tmp_path)) == 0
    number = view_of(compiled, 0)
    buffers = list(right.buffers)
    buffers[number] = replace(buffers[number], last=1)
    wrong = run_with(compiled, replace(right, buffers=tuple(buffers)), cpu, tmp_path)
    assert differing_bytes(expected, wrong) > 0


@pytest.mark.parametrize("cpu", EVERYWHERE)
def test_an_output_on_what_is_needed_later_is_seen(
    cpu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second convolution writes over some of what the first one gives to the sum."""
    compiled = residual(cpu)
    first = plan(compiled).buffers[view_of(compiled, 0)]
    moved = move(compiled, view_of(compiled, 1), first.offset + 4, monkeypatch)
    with pytest.raises(RunError, match=r"conv2d2: cmsis\.\w+ changed a byte that is not its own"):
        run_with(moved, plan(moved), cpu, tmp_path)


@pytest.mark.parametrize("cpu", EVERYWHERE)
def test_bytes_before_and_behind_the_memory_are_seen(cpu: str, tmp_path: Path) -> None:
    """All that is written takes four bytes more than the memory has, in front or at the end."""
    compiled = residual(cpu)
    right = plan(compiled)
    written = [
        (buffer.offset + write.begin, buffer.offset + write.end)
        for call in right.calls
        for write in call.writes
        for buffer in [right.buffers[write.buffer]]
    ]
    low, high = min(begin for begin, _ in written) + 4, max(end for _, end in written) - 4
    for memory, origin, byte in (
        ((f"arena + {low}", right.memories[0][1] - low), low, -4),
        (("arena", high), 0, high),
    ):
        buffers = [replace(buffer, offset=buffer.offset - origin) for buffer in right.buffers]
        wrong = replace(right, memories=(memory,), buffers=tuple(buffers))
        with pytest.raises(RunError, match=f"changed a byte that is not its own: {byte} of memory"):
            run_with(compiled, wrong, cpu, tmp_path)
