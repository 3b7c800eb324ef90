# SPDX-License-Identifier: Apache-2.0
"""The versions of a layer in strips: which there are, what they claim, and that they compute the layer."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp
from xdsl.dialects.memref import GetGlobalOp, GlobalOp
from xdsl.interpreter import Interpreter
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter
from xdsl.traits import SymbolTable

from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.analysis.memory.strip_versions import strip_versions
from sparsec.backends.c.project import runtime_files
from sparsec.backends.cortex_m.convert_qnn_to_kernels import ConvertQnnToKernelsPass
from sparsec.interpreters.run import FUNCTIONS
from sparsec.ir.constant import array_of
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.rt.strips import geometry_of, rowwise
from sparsec.ir.shapes import shape_of
from sparsec.passes.bufferize import BufferizePass
from sparsec.passes.plan_memory import PlanMemoryPass
from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Window
from sparsec.targets import scratch
from sparsec.targets.cmsis_nn import REVISIONS, Release
from sparsec.targets.cpu import Cpu, VectorUnit, cpu_named
from sparsec.targets.runtime import runtime_dir
from tests.backends.lowering import parse

M4, M55 = cpu_named("cortex-m4"), cpu_named("cortex-m55")

VALID, SAME = Window(), Window(padding=(1, 1, 1, 1))
SPARSE = ", #sparse.encoding<delta8>"


def layer(
    image: tuple[int, int, int],
    outputs: int,
    kernel: tuple[int, int],
    window: Window = VALID,
    kind: str = "conv2d",
    encoding: str = "",
    by_delta8: bool = False,
) -> ModuleOp:
    """A module of one layer, without zeros among its weights unless they have an encoding."""
    rows, columns = window.output_size(image[:2], kernel)
    shape = (1, *kernel, outputs) if kind == "depthwise_conv2d" else (outputs, *kernel, image[2])
    rng = np.random.default_rng(0)
    values = rng.integers(1, 90, shape) * rng.choice([-1, 1], shape)
    if encoding:
        values *= rng.random(shape) < 0.5
    weights = values.astype(np.int8).tobytes().hex().upper()
    x = f"tensor<1x{image[0]}x{image[1]}x{image[2]}xi8>"
    y = f"tensor<1x{rows}x{columns}x{outputs}xi8>"
    w = f"tensor<{'x'.join(map(str, shape))}xi8{encoding}>"
    b = f"tensor<{outputs}xi32>"
    # On Helium the preferred one has no strips.
    chosen = '{sparsec.kernel = "sparsec_convolve_delta8_s8"}'
    kernels = f" {chosen}" if by_delta8 else ""
    lists = [f"{name} = {list(value)}" for name, value in vars(window).items()]
    return parse(f"""
        func.func @main(%x : {x}) -> {y} {{
          %w = qnn.constant dense<"0x{weights}"> : {w}
          %b = qnn.constant dense<7> : {b}
          %m = qnn.constant dense<1518500250> : {b}
          %s = qnn.constant dense<-7> : {b}
          %y = qnn.{kind} %x, %w, %b requant(%m, %s) <input_zp = 3> window <{", ".join(lists)}>{kernels} : {x}, {w}, {b}, {b} -> {y}
          func.return %y : {y}
        }}""")


def lowered(module: ModuleOp, target: str = "cortex-m4") -> KernelOp:
    """The kernel of a module of one layer, before memory is planned."""
    for module_pass in (
        ConvertQnnToKernelsPass(target),
        BufferizePass(),
    ):
        module_pass.apply(Context(), module)
    module.verify()
    (kernel,) = (op for op in module.walk() if isinstance(op, KernelOp))
    return kernel


def test_rows_of_a_window() -> None:
    op = lowered(layer((8, 6, 4), 8, (3, 3), SAME))
    versions = strip_versions(op, M4)
    assert [version.strip for version in versions] == [1, 2, 4]
    # Output rows have 48 bytes, input rows 24, and the last two of the image are read by the last strip.
    assert versions[0].overlap == Overlap(8 * 48 - 6 * 24, 2 * 24)
    assert versions[2].overlap == Overlap(8 * 48 - 3 * 24, 5 * 24)
    assert {version.scratch for version in versions} == {4 * 36}


def test_pixels_of_a_1x1_convolution() -> None:
    op = lowered(layer((5, 3, 16), 16, (1, 1)))
    versions = strip_versions(op, M55)
    assert [version.strip for version in versions] == [2, 4, 8]
    assert [version.overlap for version in versions] == [
        Overlap(16 * strip, 16 * strip) for strip in (2, 4, 8)
    ]


@pytest.mark.parametrize("cpu", [M4, M55], ids=lambda cpu: cpu.name)
@pytest.mark.parametrize("kind", ["conv2d", "depthwise_conv2d"])
def test_larger_strips_cost_less_and_overlap_less(cpu: Cpu, kind: str) -> None:
    versions = strip_versions(lowered(layer((16, 8, 8), 8, (3, 3), SAME, kind), cpu.name), cpu)
    assert len(versions) == 4
    cycles = [version.cost.cycles for version in versions]
    assert cycles == sorted(set(cycles), reverse=True)
    assert cycles[-1] > versions[0].plain.cycles > 0
    for smaller, larger in pairwise(versions):
        assert smaller.overlap.below < larger.overlap.below
        assert smaller.overlap.above < larger.overlap.above


def test_sparse_weights() -> None:
    op = lowered(layer((6, 6, 16), 16, (1, 1), encoding=SPARSE))
    versions = strip_versions(op, M4)
    assert [version.strip for version in versions] == [2, 4, 8, 16, 32]
    # The kernel takes eight pixels at once.
    assert versions[2].cost.cycles < 1.15 * versions[2].plain.cycles < versions[0].cost.cycles
    # A row of 3 pixels is odd, so that the pixels of two rows are one word.
    assert strip_versions(lowered(layer((6, 3, 8), 8, (3, 3), SAME, encoding=SPARSE)), M4) == []
    assert strip_versions(lowered(layer((6, 4, 8), 8, (3, 3), SAME, encoding=SPARSE)), M4)


def test_a_depthwise_strip_that_cmsis_nn_would_do_by_other_code() -> None:
    window = Window(padding=(2, 1, 0, 1))
    deep = layer((8, 6, 4), 4, (3, 3), window, "depthwise_conv2d")
    assert strip_versions(lowered(deep.clone()), M4) == []
    assert strip_versions(lowered(deep, "cortex-m55"), M55)


def test_nothing_to_do_in_strips() -> None:
    assert strip_versions(lowered(layer((1, 9, 8), 8, (1, 3))), M4) == []
    linear = parse("""
        func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> {
          %t = qnn.constant dense<3> : tensor<256xi8>
          %y = qnn.lookup %x, %t : tensor<1x4xi8>, tensor<256xi8>
          func.return %y : tensor<1x4xi8>
        }""")
    assert strip_versions(lowered(linear), M4) == []


LAYERS: tuple[dict[str, Any], ...] = (
    {"image": (7, 5, 6), "outputs": 7, "kernel": (3, 3), "window": SAME},
    {"image": (7, 7, 6), "outputs": 9, "kernel": (3, 2), "window": Window((2, 1), (2, 1, 2, 1), (1, 2))},
    {"image": (4, 4, 3), "outputs": 3, "kernel": (3, 3), "window": Window((1, 1), (4, 1, 5, 1))},
    {"image": (5, 3, 12), "outputs": 8, "kernel": (1, 1)},
    {"image": (8, 7, 6), "outputs": 6, "kernel": (3, 3), "window": Window((2, 2), (1, 1, 0, 1)), "kind": "depthwise_conv2d"},
    {"image": (5, 3, 12), "outputs": 8, "kernel": (1, 1), "encoding": SPARSE},
    {"image": (6, 5, 5), "outputs": 8, "kernel": (3, 3), "window": SAME, "encoding": SPARSE},
)  # fmt: skip


@pytest.mark.parametrize("cpu", [M4, M55], ids=lambda cpu: cpu.name)
@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_a_version_means_the_layer_as_far_over_its_input_as_it_says(
    options: dict[str, Any], cpu: Cpu
) -> None:
    by_delta8 = "encoding" in options and cpu is M55
    op = lowered(layer(**options, by_delta8=by_delta8), cpu.name)
    geometry = geometry_of(op)
    rng = np.random.default_rng(1)
    input = rowwise(op).input.type
    x = rng.integers(-128, 128, shape_of(input)).astype(np.int8)
    expected = output_at(op, x, byte_count(input))
    versions = strip_versions(op, cpu)
    assert versions or cpu is M4
    for version in versions:
        strips = version.build(op)
        strips.verify()
        for distance in (-version.overlap.below, version.overlap.above):
            np.testing.assert_array_equal(output_at(strips, x, distance), expected)
        # A strip of padding alone reads nothing that could be wrong.
        if any(strip.reads[0] == strip.reads[1] for strip in geometry.strips(version.strip)):
            continue
        for distance in (1 - version.overlap.below, version.overlap.above - 1):
            assert not np.array_equal(output_at(strips, x, distance), expected)


def output_at(op: KernelOp, x: NDArray[np.int8], distance: int) -> NDArray[np.int8]:
    """What the operation means whose output begins `distance` bytes behind its input `x`."""
    images = rowwise(op)
    memory = np.zeros(abs(distance) + x.size + byte_count(images.output.type), np.int8)

    def place(image: SSAValue, offset: int) -> NDArray[np.int8]:
        shape = shape_of(image.type)
        return memory[offset : offset + byte_count(image.type)].reshape(shape)

    input = place(images.input, max(0, -distance))
    output = place(images.output, max(0, distance))
    input[:] = x
    arguments: list[Any] = []
    for operand in op.operands:
        if operand is images.input:
            arguments.append(input)
        elif operand is images.output:
            arguments.append(output)
        elif isinstance(operand.owner, GetGlobalOp):
            arguments.append(array_behind(operand.owner))
        else:
            arguments.append(np.zeros(shape_of(operand.type), np.int8))
    interpreter = Interpreter(ModuleOp([]))
    for functions in FUNCTIONS:
        interpreter.register_implementations(functions())
    interpreter.run_op(op, tuple(arguments))
    return output.copy()


def array_behind(get: GetGlobalOp) -> NDArray[Any]:
    symbol = SymbolTable.lookup_symbol(get, get.name_)
    assert isinstance(symbol, GlobalOp)
    assert isinstance(symbol.initial_value, DenseIntOrFPElementsAttr)
    return array_of(symbol.initial_value)


def test_a_project_has_the_kernel_that_does_the_strips() -> None:
    module = layer((5, 3, 12), 8, (1, 1), encoding=SPARSE)
    op = lowered(module)
    Rewriter.replace_op(op, strip_versions(op, M4)[0].build(op))
    PlanMemoryPass().apply(Context(), module)
    planned = planned_function(module)
    assert planned is not None
    files = {file for file in runtime_files(planned, runtime_dir()) if file.endswith(".c")}
    assert files == {"sparsec_convolve_packed_strips_s8.c", "sparsec_convolve_packed_s8.c"}


sizes = st.integers(1, 9)


@settings(max_examples=300)
@given(
    unit=st.sampled_from(["scalar", "dsp", "mve"]),
    image=st.tuples(st.integers(2, 9), sizes, st.sampled_from([1, 3, 4, 130])),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)) | st.sampled_from([(1, 1), (3, 3)]),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    top=st.integers(0, 1),
    rows=st.integers(1, 4),
    multiplier=st.sampled_from([1, 4]),
    release=st.sampled_from(list(REVISIONS)),
)
def test_the_scratch_memory_of_the_layer_is_that_of_its_strips(
    unit: VectorUnit,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    top: int,
    rows: int,
    multiplier: int,
    release: Release,
) -> None:
    """CMSIS-NN's functions, which tests/backends/test_scratch.py compares with ours, see rows and padding of a strip."""
    whole, channels = Window(strides, (top, 1, 0, 0)), image[2]
    inside = Window(strides, (0, 1, 0, 0))
    strip = (1, rows, *image[1:])
    deep, wide = (1, *kernel, channels * multiplier), (5, *kernel, channels)
    if kernel[0] > 1 or not scratch.becomes_convolution(unit, channels, deep[3], release):
        assert scratch.depthwise_convolve(unit, whole, (1, *image), deep, release) == (
            scratch.depthwise_convolve(unit, inside, strip, deep, release)
        )
    assert scratch.avg_pool(unit, (1, *image)) == scratch.avg_pool(unit, strip)
    # Strips are done by `arm_convolve_s8`, for which the wrapper's function is the right one with more rows than one.
    assert scratch.convolve(unit, whole, (1, *image), wide, release) == (
        scratch.convolve(unit, inside, (1, max(2, rows), *image[1:]), wide, release)
    )


def test_rows_of_one_channel_are_not_done_alike_from_v7_on() -> None:
    """A strip of one row would be done by CMSIS-NN's function for rows, which the layer is not."""
    module = layer((8, 9, 1), 4, (1, 3), VALID, "depthwise_conv2d")
    op = lowered(module, M55.name)
    assert strip_versions(op, M55)
    assert strip_versions(op, replace(M55, cmsis_nn="v6"))
    assert strip_versions(op, replace(M55, cmsis_nn="v7")) == []


def test_no_strips_are_predicted_to_cost_less_than_the_layer() -> None:
    """One channel, of which the kernel takes the rows one by one: the model would say so."""
    window = Window((2, 2), (4, 1, 5, 1))
    versions = strip_versions(lowered(layer((49, 10, 1), 64, (10, 4), window, encoding=SPARSE)), M4)
    cycles = [version.cost.cycles for version in versions]
    assert min(cycles) == versions[0].plain.cycles
    assert cycles[0] > cycles[1] > cycles[2] > cycles[3] < cycles[4]
