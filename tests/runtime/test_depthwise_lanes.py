# SPDX-License-Identifier: Apache-2.0
"""sparsec_depthwise_convolve_lanes_s8 gives the bytes of CMSIS-NN and of the oracle on the same weights."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.layouts.depthwise_lanes import pack_depthwise_lanes, scratch_bytes
from sparsec.quantization.window import Window
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    Guarded,
    Int8,
    Int32,
    KernelLibrary,
    context,
    fold_input_offset,
)
from tests.runtime.kernel_project import KernelProject, dims, struct
from tests.runtime.test_depthwise_sparse import Depthwise, dense_output, oracle
from tests.runtime.test_depthwise_sparse import random_layer as random_depthwise

FUNCTION = "sparsec_depthwise_convolve_lanes_s8"
RELU: dict[str, Any] = {"output_offset": -128}


@dataclass(frozen=True)
class DepthwiseLanes(Depthwise):
    """One layer and its input."""

    @property
    def stream(self) -> Int32:
        bias = fold_input_offset(self.bias, np.moveaxis(self.weights, -1, 0), self.input_offset)
        return pack_depthwise_lanes(self.weights, bias, self.multipliers, self.shifts)

    @property
    def scratch_bytes(self) -> int:
        return scratch_bytes(self.window, self.kernel, self.output[1])


def random_layer(
    rng: np.random.Generator,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    window: Window,
    **other: Any,
) -> DepthwiseLanes:
    """A layer without zeros, whose outputs spread over the int8 range, and over twice that where half is cut off."""
    layer = random_depthwise(rng, image, kernel, 0.0, window, **other)
    wide = DepthwiseLanes(**vars(layer))
    return replace(wide, shifts=wide.shifts + np.int32(layer.output_offset == -128))


def same(kernel: int, stride: int = 1) -> Window:
    half = kernel // 2
    return Window((stride, stride), (half, half, half, half))


SHAPES: list[tuple[tuple[int, int, int], tuple[int, int], Window]] = [
    ((25, 5, 64), (3, 3), same(3)),
    ((3, 3, 40), (3, 3), same(3)),
    ((13, 12, 16), (3, 3), Window((2, 2), (0, 0, 1, 1))),
    ((12, 13, 24), (3, 3), Window((2, 2), (1, 1, 0, 0))),
    ((9, 5, 5), (3, 3), Window()),
    ((5, 6, 12), (3, 3), Window((1, 1), (2, 2, 2, 2))),
    ((9, 8, 20), (3, 3), Window((3, 3), (1, 1, 1, 1))),
    ((9, 8, 20), (3, 3), Window((1, 2), (1, 1, 1, 1))),
    ((11, 9, 8), (3, 3), Window((5, 1), (0, 0, 0, 0))),
    ((7, 8, 17), (5, 5), same(5)),
    ((12, 9, 9), (5, 5), same(5, 2)),
    ((6, 7, 10), (2, 2), Window((2, 2))),
    ((1, 12, 6), (1, 5), Window((1, 1), (0, 2, 0, 2))),
    ((10, 3, 7), (4, 1), Window((2, 1), (3, 0, 3, 0))),
    ((4, 4, 18), (1, 1), Window()),
    ((2, 2, 3), (7, 7), same(7)),
    ((1, 1, 9), (3, 3), same(3)),
    ((1, 1, 9), (3, 3), same(3, 2)),
]


def output_of(runtime: KernelLibrary, layer: DepthwiseLanes) -> Int8:
    input_dims, filter_dims, output_dims = layer.dims()
    params, size = layer.params(), layer.scratch_bytes
    shapes = (params, filter_dims, output_dims)
    assert runtime.call(f"{FUNCTION}_get_buffer_size", *shapes) == size
    output = Guarded(layer.output_bytes)
    runtime.call(
        FUNCTION, context(Guarded(size)), params, input_dims, layer.input, filter_dims,
        layer.stream, output_dims, output,
    )  # fmt: skip
    return output.bytes


def assert_equal(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: DepthwiseLanes) -> Int8:
    expected = oracle(layer)
    np.testing.assert_array_equal(output_of(runtime, layer), expected)
    # arm_depthwise_conv_3x3_s8 reads the middle of a window without asking whether it is padding.
    if max(layer.window.padding[2:]) < 2 or layer.kernel != (3, 3):
        np.testing.assert_array_equal(dense_output(cmsis_nn, layer), expected)
    return expected


@pytest.mark.parametrize("other", [{}, RELU], ids=["linear", "relu"])
@pytest.mark.parametrize(("image", "kernel", "window"), SHAPES, ids=str)
def test_shapes(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    window: Window,
    other: dict[str, Any],
) -> None:
    layer = random_layer(np.random.default_rng(7), image, kernel, window, **other)
    expected = assert_equal(runtime, cmsis_nn, layer)
    if expected.size > 64:
        assert len(np.unique(expected)) > 10, "the outputs are nearly constant"


@st.composite
def layers(draw: st.DrawFn) -> DepthwiseLanes:
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    before, behind = (draw(st.tuples(*(st.integers(0, size - 1) for size in kernel))) for _ in "ab")
    height, width = (
        max(draw(st.integers(1, 11)), kernel[i] - before[i] - behind[i], 1) for i in range(2)
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels = draw(st.integers(1, 20))
    window = Window(strides, (*before, *behind))
    layer = random_layer(rng, (height, width, channels), kernel, window)
    low, offset = draw(st.sampled_from([(-128, -128), (-128, -2), (-2, -2), (0, -7), (40, 127)]))
    return replace(
        layer,
        shifts=draw(
            st.sampled_from([layer.shifts, rng.integers(-16, 3, channels).astype(np.int32)])
        ),
        input_offset=draw(st.integers(-127, 128)),
        output_offset=offset,
        clamp=(low, draw(st.sampled_from([127, 127, 90, low]))),
    )


@settings(deadline=None, max_examples=100)
@given(layer=layers())
def test_any_layer(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: DepthwiseLanes) -> None:
    assert_equal(runtime, cmsis_nn, layer)


def extreme_layer(bias: int, shift: int, **other: Any) -> DepthwiseLanes:
    """3x3 windows of extreme weights, and inputs of their signs and of the opposite ones."""
    rng = np.random.default_rng(1)
    weights = rng.choice([-128, 127], (3, 3, 10)).astype(np.int8)
    worst = np.where(weights > 0, 127, -128).astype(np.int8)
    numbers = np.array([2**30, 2**31 - 1, 1_500_000_001, 2**30 + 1, 0], np.int32)
    layer = DepthwiseLanes(
        input=np.concatenate([worst, ~worst, worst], axis=1),
        weights=weights,
        bias=np.full(10, bias, np.int32),
        multipliers=np.tile(numbers, 2),
        shifts=np.full(10, shift, np.int32),
        input_offset=0,
    )
    return replace(layer, **other)


def extremes() -> list[DepthwiseLanes]:
    offsets: tuple[dict[str, int], ...] = (
        {"output_offset": -128, "input_offset": 128},
        {"output_offset": -2},
        {"output_offset": 127, "input_offset": -127},
    )
    shifts = (5, 2, 0, *range(-1, -15, -3), -22, -31)
    result = [extreme_layer(0, shift, **offset) for shift in shifts for offset in offsets]
    for bias in (2**23, -(2**28), 2**30 - 2**18):
        result += [extreme_layer(bias, shift, **RELU) for shift in (-5, -11, -22)]
    return result


@pytest.mark.parametrize("layer", extremes())
def test_extremes(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: DepthwiseLanes) -> None:
    assert_equal(runtime, cmsis_nn, layer)


def device_layers() -> list[DepthwiseLanes]:
    """Every shape, every number of channels of a group, both ends of a row, every way to end a sum."""
    rng = np.random.default_rng(11)
    result = [random_layer(rng, *shape, **other) for shape in SHAPES for other in ({}, RELU)]
    for channels in range(1, 18):
        window = same(3, 1 + channels % 2)
        other = RELU if channels % 3 else {}
        image = (3, 4 + channels % 2, channels)
        result.append(random_layer(rng, image, (3, 3), window, **other))
    mixed = random_layer(rng, (7, 9, 23), (3, 3), same(3), **RELU)
    shifts = rng.choice([-30, -14, -12, -9, -7, -5, 0, 1], 23).astype(np.int32)
    shifts[8:16] = -9
    result += [
        replace(mixed, shifts=shifts, window=same(3, stride), output_offset=offset)
        for stride in (1, 2)
        for offset in (-128, -2)
    ]
    base = random_layer(rng, (5, 8, 8), (3, 3), same(3), **RELU)
    result += [replace(base, clamp=clamp) for clamp in ((-10, 90), (-128, 5), (0, 127), (7, 7))]
    result += [replace(base, input_offset=offset) for offset in (-127, 0, 128)]
    return result + extremes()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Int8]:
    """Calls of the kernel, and what they must give. The last output is written first, so that nothing behind one is written
    again."""
    result = KernelProject()
    expected: list[Int8] = []
    for layer in device_layers():
        window = layer.window
        tiles = (f"{{{w}, {h}}}" for h, w, *_ in (window.strides, window.padding, window.dilations))
        clamp = f"{{{layer.clamp[0]}, {layer.clamp[1]}}}"
        numbers = (layer.input_offset, layer.output_offset, 1)
        result.call(
            FUNCTION,
            [
                "&scratch",
                struct("cmsis_nn_dw_conv_params", *numbers, *tiles, clamp),
                dims(1, *layer.input.shape),
                result.array(layer.input),
                dims(1, *layer.weights.shape),
                result.array(layer.stream),
                dims(1, *layer.output, layer.channels),
            ],
            layer.output_bytes,
        )
        expected.append(oracle(layer))
    result.statements.reverse()
    folder = tmp_path_factory.mktemp("depthwise_lanes")
    return result.write(folder, f"{FUNCTION}*"), np.concatenate(expected)


def assert_on(cpu: str, project: tuple[Path, Int8], cmsis_nn_dir: Path, sanitize: bool) -> None:
    unused = np.zeros((1, 1), np.int8)
    result = run_project(project[0], cpu, [unused], cmsis_nn=cmsis_nn_dir, sanitize=sanitize)
    np.testing.assert_array_equal(result.outputs[0][0], project[1])


def test_host_with_address_sanitizer(project: tuple[Path, Int8], cmsis_nn_dir: Path) -> None:
    assert_on("host", project, cmsis_nn_dir, sanitize=True)


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_core(project: tuple[Path, Int8], cmsis_nn_dir: Path, cpu: str) -> None:
    assert_on(cpu, project, cmsis_nn_dir, sanitize=False)
