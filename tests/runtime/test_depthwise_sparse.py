# SPDX-License-Identifier: Apache-2.0
"""sparsec_depthwise_convolve_delta8_s8 gives the bytes of CMSIS-NN and of the oracle on the same weights."""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.layouts.depthwise_rows import (
    Plane,
    Unpacked,
    pack_depthwise,
    plane_for,
    unpack_depthwise,
)
from sparsec.quantization import int8
from sparsec.quantization.window import Window
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    Activation,
    Dims,
    DwConvParams,
    Guarded,
    Int8,
    Int32,
    KernelLibrary,
    Tile,
    context,
    fold_input_offset,
    per_channel,
)
from tests.runtime.kernel_project import KernelProject, dims, struct

ANYWHERE = Window()
FUNCTION = "sparsec_depthwise_convolve_delta8_s8"


@dataclass(frozen=True)
class Depthwise:
    """One layer and its input: input [H, W, C], weights [kh, kw, O]."""

    input: Int8
    weights: Int8
    bias: Int32
    multipliers: Int32
    shifts: Int32
    window: Window = ANYWHERE
    input_offset: int = 3
    output_offset: int = -2
    clamp: tuple[int, int] = (-128, 127)

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weights.shape[0], self.weights.shape[1]

    @property
    def channels(self) -> int:
        return self.weights.shape[2]

    @property
    def output(self) -> tuple[int, int]:
        height, width, _ = self.input.shape
        return self.window.output_size((height, width), self.kernel)

    @property
    def output_bytes(self) -> int:
        return self.output[0] * self.output[1] * self.channels

    @property
    def plane(self) -> Plane:
        return plane_for(self.window, self.output, self.kernel)

    @property
    def stream(self) -> Int32:
        bias = fold_input_offset(self.bias, np.moveaxis(self.weights, -1, 0), self.input_offset)
        return pack_depthwise(
            self.weights, bias, self.multipliers, self.shifts, self.window, self.plane
        )

    @property
    def unpacked(self) -> Unpacked:
        return unpack_depthwise(self.stream, self.channels, self.window, self.plane)

    def params(self) -> DwConvParams:
        w = self.window
        return DwConvParams(
            self.input_offset,
            self.output_offset,
            self.channels // self.input.shape[2],
            *(Tile(p[1], p[0]) for p in (w.strides, w.padding, w.dilations)),
            Activation(*self.clamp),
        )

    def dims(self) -> tuple[Dims, Dims, Dims]:
        """Of the input, the filter and the output."""
        return (
            Dims(1, *self.input.shape),
            Dims(1, *self.weights.shape),
            Dims(1, *self.output, self.channels),
        )


def sparse_output(runtime: KernelLibrary, layer: Depthwise) -> Int8:
    input_dims, filter_dims, output_dims = layer.dims()
    rows, params, size = layer.stream, layer.params(), layer.plane.bytes
    shapes = (params, input_dims, filter_dims, rows, output_dims)
    assert runtime.call(f"{FUNCTION}_get_buffer_size", *shapes) == size
    output = Guarded(layer.output_bytes)
    runtime.call(
        FUNCTION, context(Guarded(size)), params, input_dims, layer.input,
        filter_dims, rows, output_dims, output,
    )  # fmt: skip
    return output.bytes


def dense_output(cmsis_nn: KernelLibrary, layer: Depthwise) -> Int8:
    input_dims, filter_dims, output_dims = layer.dims()
    output = Guarded(layer.output_bytes)
    status = cmsis_nn.call(
        "arm_depthwise_conv_wrapper_s8",
        context(Guarded(4096)), layer.params(), per_channel(layer.multipliers, layer.shifts),
        input_dims, layer.input, filter_dims, layer.weights,
        Dims(1, 1, 1, layer.channels), layer.bias, output_dims, output,
    )  # fmt: skip
    assert status == 0
    return output.bytes


def oracle(layer: Depthwise) -> Int8:
    window = layer.window
    y = int8.depthwise_convolve(
        layer.input[np.newaxis], layer.weights[np.newaxis], layer.bias,
        input_zp=-layer.input_offset, output_zp=layer.output_offset, multiplier=layer.multipliers,
        shift=layer.shifts, strides=window.strides, padding=window.padding,
        dilations=window.dilations, clamp=layer.clamp,
    )  # fmt: skip
    return y.reshape(-1)


def assert_equal(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Depthwise) -> Int8:
    expected = oracle(layer)
    np.testing.assert_array_equal(sparse_output(runtime, layer), expected)
    np.testing.assert_array_equal(dense_output(cmsis_nn, layer), expected)
    return expected


def random_layer(
    rng: np.random.Generator,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    sparsity: float,
    window: Window = ANYWHERE,
    multiplier: int = 1,
    **other: Any,
) -> Depthwise:
    """A layer with full-range inputs and weights and some empty channels, whose outputs spread over the int8 range."""
    outputs = image[2] * multiplier
    weights = rng.integers(-128, 128, (*kernel, outputs)).astype(np.int8)
    weights[rng.random(weights.shape) < sparsity] = 0
    weights[..., rng.random(outputs) < 0.1] = 0
    nonzeros = max(1.0, float(np.count_nonzero(weights)) / outputs)
    scale = 0.4 / (74.0 * np.sqrt(nonzeros)) * rng.uniform(0.5, 2, outputs)
    fractions, exponents = np.frexp(scale)
    layer = Depthwise(
        input=rng.integers(-128, 128, image).astype(np.int8),
        weights=weights,
        bias=rng.integers(-20_000, 20_000, outputs).astype(np.int32),
        multipliers=np.minimum(fractions * 2.0**31, 2**31 - 1).astype(np.int32),
        shifts=exponents.astype(np.int32),
        window=window,
    )
    return replace(layer, **other)


ONE = (1, 1, 1, 1)
SHAPES: list[tuple[tuple[int, int, int], tuple[int, int], Window, int]] = [
    ((25, 5, 64), (3, 3), Window(padding=ONE), 1),
    ((6, 6, 17), (3, 3), Window(padding=ONE), 1),
    ((13, 12, 8), (3, 3), Window((2, 2), (0, 0, 1, 1)), 1),
    ((12, 12, 5), (5, 5), Window(padding=(2, 2, 2, 2)), 1),
    ((9, 7, 5), (3, 3), Window((2, 1), (1, 0, 1, 1)), 2),
    ((9, 9, 3), (3, 2), Window(dilations=(2, 3), padding=(2, 1, 2, 2)), 3),
    ((1, 40, 6), (1, 5), Window(padding=(0, 2, 0, 2)), 1),
    ((40, 1, 6), (5, 1), Window(padding=(2, 0, 2, 0)), 1),
    ((10, 12, 1), (10, 4), Window((2, 2), (4, 1, 5, 1)), 8),
    ((2, 3, 4), (5, 5), Window(padding=(4, 4, 4, 4)), 1),
    ((5, 5, 4), (5, 5), Window(), 2),
    ((11, 11, 3), (7, 7), Window((3, 3), (3, 3, 3, 3)), 1),
    ((1, 1, 3), (1, 1), Window(), 4),
    ((4, 90, 2), (5, 3), Window(padding=(2, 1, 2, 1)), 1),
    ((3, 300, 2), (3, 3), Window(padding=ONE), 1),
]


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("image", "kernel", "window", "multiplier"), SHAPES, ids=str)
def test_shapes(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    window: Window,
    multiplier: int,
    sparsity: float,
) -> None:
    rng = np.random.default_rng(7)
    expected = assert_equal(
        runtime, cmsis_nn, random_layer(rng, image, kernel, sparsity, window, multiplier)
    )
    if sparsity < 0.9 and expected.size > 64:
        assert len(np.unique(expected)) > 10, "the outputs are nearly constant"


@pytest.mark.parametrize(("height", "width"), list(product(range(1, 12), repeat=2)))
def test_every_strip_and_tail(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, height: int, width: int
) -> None:
    rng = np.random.default_rng(height * 12 + width)
    layer = random_layer(rng, (height, width, 3), (3, 3), 0.3, Window(padding=ONE))
    assert_equal(runtime, cmsis_nn, layer)


@st.composite
def layers(draw: st.DrawFn) -> Depthwise:
    def pair(least: int, most: int) -> tuple[int, int]:
        return draw(st.tuples(st.integers(least, most), st.integers(least, most)))

    strides, before, behind = pair(1, 3), pair(0, 3), pair(0, 3)
    kernel, dilations = pair(1, 5), pair(1, 3)
    spans = tuple(dilations[i] * (kernel[i] - 1) + 1 for i in (0, 1))
    size = pair(1, 13)
    height, width = (max(size[i], spans[i] - before[i] - behind[i]) for i in (0, 1))
    window = Window(strides, (*before, *behind), dilations)
    channels, multiplier = draw(st.integers(1, 6)), draw(st.sampled_from([1, 1, 2, 3, 4]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sparsity = draw(st.sampled_from([0.0, 0.3, 0.5, 0.9]))
    layer = random_layer(rng, (height, width, channels), kernel, sparsity, window, multiplier)
    low = draw(st.sampled_from([-128, -128, -2, 0, 40]))

    def full(value: int) -> Int32:
        return np.full(channels * multiplier, value, np.int32)

    return replace(
        layer,
        shifts=draw(st.sampled_from([layer.shifts, full(draw(st.integers(-31, 8)))])),
        multipliers=draw(st.sampled_from([layer.multipliers, full(2**31 - 1), full(2**30)])),
        bias=layer.bias * draw(st.sampled_from([1, 0, 100])),
        input_offset=draw(st.integers(-127, 128)),
        output_offset=draw(st.integers(-128, 127)),
        clamp=(low, draw(st.sampled_from([127, 127, 90, low]))),
    )


@settings(max_examples=300)
@given(layer=layers())
def test_any_layer(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Depthwise) -> None:
    assert_equal(runtime, cmsis_nn, layer)


def extreme_layer(taps: int, bias: int, shift: int) -> Depthwise:
    """A layer of `taps` weights of magnitude 127 in a row, whose three pixels are the worst inputs for either sign."""
    rng = np.random.default_rng(taps)
    weights = np.zeros((1, 260, 4), np.int8)
    for channel in range(4):
        places = rng.choice(260, taps, replace=False)
        weights[0, places, channel] = rng.choice([-127, 127], taps)
    worst = np.where(weights[0] > 0, 127, -128).astype(np.int8)
    return Depthwise(
        input=np.stack([worst, ~worst, worst]),
        weights=weights,
        bias=np.array([bias, -bias, bias, -bias], np.int32),
        multipliers=np.array([2**30, 2**31 - 1, 1_500_000_001, 2**30 + 1], np.int32),
        shifts=np.full(4, shift, np.int32),
        input_offset=0,
    )


def near_limit() -> list[tuple[Depthwise, bool]]:
    """Layers whose bound is the largest below, and the smallest at, the field's limit; whether that is below."""
    limit = 1 << 21
    taps = limit // (128 * 127)
    rest = limit - taps * 128 * 127
    return [
        (extreme_layer(taps, bias, shift), bias < rest)
        for shift, bias in product((-1, -9, -13, -22), (rest - 1, rest))
    ]


@pytest.mark.parametrize(("layer", "narrow"), near_limit())
def test_at_the_limit_of_a_field(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Depthwise, narrow: bool
) -> None:
    assert layer.unpacked.narrow.tolist() == [narrow] * 4
    assert_equal(runtime, cmsis_nn, layer)


@pytest.mark.parametrize("shift", [0, -1, -9, -16, -21, -22, -23, -30, -31, 3])
@pytest.mark.parametrize("bias", [0, 2**20, -(2**21), 2**27, -(2**27)])
def test_largest_accumulators(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, bias: int, shift: int
) -> None:
    """3x3 windows of extreme weights and inputs of their signs."""
    rng = np.random.default_rng(1)
    weights = rng.choice([-128, 127], (3, 3, 4)).astype(np.int8)
    worst = np.where(weights > 0, 127, -128).astype(np.int8)
    layer = Depthwise(
        input=np.concatenate([worst, ~worst], axis=1),
        weights=weights,
        bias=np.full(4, bias, np.int32),
        multipliers=np.array([2**30, 2**31 - 1, 1_500_000_001, 2**30 + 1], np.int32),
        shifts=np.full(4, shift, np.int32),
        input_offset=0,
    )
    assert_equal(runtime, cmsis_nn, layer)


def device_layers() -> list[Depthwise]:
    rng = np.random.default_rng(11)
    sizes = [(1, n) for n in range(1, 10)] + [(2, 3), (3, 2), (5, 5), (7, 3), (4, 9)]
    result = [random_layer(rng, (*size, 3), (3, 3), 0.2, Window(padding=ONE)) for size in sizes]
    result += [random_layer(rng, *shape[:2], 0.4, *shape[2:]) for shape in SHAPES]
    # Rows of 0 to 25 taps, in the order of their places: none to five triples, none to all singles.
    counts = random_layer(rng, (7, 9, 26), (5, 5), 0.0, Window(padding=(2, 2, 2, 2)))
    weights = np.where(np.arange(25)[:, None] < np.arange(26), counts.weights.reshape(25, 26), 0)
    result.append(replace(counts, weights=weights.astype(np.int8).reshape(5, 5, 26)))
    result.append(replace(counts, weights=weights[::-1].astype(np.int8).reshape(5, 5, 26)))
    base = random_layer(rng, (3, 8, 4), (3, 3), 0.3, Window(padding=ONE))
    for shift in (2, 0, *range(-1, -15, -1), -22, -23, -31):
        result.append(replace(base, shifts=np.full(4, shift, np.int32)))
    clamps = ((-10, 90), (-128, 5), (0, 127), (7, 7))
    result += [replace(base, clamp=clamp) for clamp in clamps]
    return result + [layer for layer, _ in near_limit()]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Int8]:
    """Calls of the kernel and what they must give."""
    result = KernelProject()
    for layer in device_layers():
        window = layer.window
        tiles = (f"{{{w}, {h}}}" for h, w, *_ in (window.strides, window.padding, window.dilations))
        numbers = (layer.input_offset, layer.output_offset, layer.channels // layer.input.shape[2])
        clamp = f"{{{layer.clamp[0]}, {layer.clamp[1]}}}"
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
    expected = np.concatenate([oracle(layer) for layer in device_layers()])
    return result.write(tmp_path_factory.mktemp("depthwise")), expected


def assert_on(cpu: str, project: tuple[Path, Int8], cmsis_nn_dir: Path, sanitize: bool) -> None:
    unused = np.zeros((1, 1), np.int8)
    result = run_project(project[0], cpu, [unused], cmsis_nn=cmsis_nn_dir, sanitize=sanitize)
    np.testing.assert_array_equal(result.outputs[0][0], project[1])


def test_host_with_address_sanitizer(project: tuple[Path, Int8], cmsis_nn_dir: Path) -> None:
    assert_on("host", project, cmsis_nn_dir, sanitize=True)


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_core(project: tuple[Path, Int8], cmsis_nn_dir: Path, cpu: str) -> None:
    assert_on(cpu, project, cmsis_nn_dir, sanitize=False)
