# SPDX-License-Identifier: Apache-2.0
"""sparsec_convolve_delta8_s8 gives CMSIS-NN's bytes on the same weights with their zeros filled in."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.formats import Delta8
from tests.runtime.kernel_library import (
    Activation,
    ConvParams,
    Dims,
    Guarded,
    Int8,
    Int32,
    KernelLibrary,
    Tile,
    context,
    fold_input_offset,
    per_channel,
)


@dataclass(frozen=True)
class Convolution:
    """One layer and its input; shapes as in CMSIS-NN, pairs are (height, width)."""

    input: Int8
    weights: Int8
    bias: Int32
    multipliers: Int32
    shifts: Int32
    output: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    input_offset: int = 3
    output_offset: int = -2
    clamp: tuple[int, int] = (-128, 127)

    def params(self) -> ConvParams:
        stride, padding, dilation = (
            Tile(w, h) for h, w in (self.stride, self.padding, self.dilation)
        )
        return ConvParams(
            self.input_offset,
            self.output_offset,
            stride,
            padding,
            dilation,
            Activation(*self.clamp),
        )

    def dims(self) -> tuple[Dims, Dims, Dims]:
        """Of the input, the filter and the output."""
        return (
            Dims(1, *self.input.shape),
            Dims(*self.weights.shape),
            Dims(1, *self.output, len(self.weights)),
        )

    def quant_params(self) -> Any:
        return per_channel(self.multipliers, self.shifts)


def sparse_output(runtime: KernelLibrary, layer: Convolution) -> Int8:
    input_dims, filter_dims, output_dims = layer.dims()
    matrix = layer.weights.reshape(len(layer.weights), -1)
    components = Delta8().pack(matrix)
    size = runtime.call("sparsec_convolve_delta8_s8_get_buffer_size", input_dims, filter_dims)
    assert size == 16 * matrix.shape[1]
    output = Guarded(layer.output[0] * layer.output[1] * len(matrix))
    runtime.call(
        "sparsec_convolve_delta8_s8",
        context(Guarded(size)), layer.params(), layer.quant_params(), input_dims, layer.input,
        filter_dims, components["entries"], components["counts"],
        fold_input_offset(layer.bias, layer.weights, layer.input_offset), output_dims, output,
    )  # fmt: skip
    return output.bytes


def dense_output(
    cmsis_nn: KernelLibrary, layer: Convolution, function: str = "arm_convolve_s8"
) -> Int8:
    input_dims, filter_dims, output_dims = layer.dims()
    size = cmsis_nn.call("arm_convolve_s8_get_buffer_size", input_dims, filter_dims)
    output = Guarded(layer.output[0] * layer.output[1] * len(layer.weights))
    status = cmsis_nn.call(
        function,
        context(Guarded(size)), layer.params(), layer.quant_params(), input_dims, layer.input,
        filter_dims, layer.weights, Dims(1, 1, 1, len(layer.weights)), layer.bias, output_dims, output,
    )  # fmt: skip
    assert status == 0
    return output.bytes


def random_layer(
    rng: np.random.Generator,
    image: tuple[int, int, int],
    outputs: int,
    kernel: tuple[int, int],
    sparsity: float,
    **other: Any,
) -> Convolution:
    """A layer with full-range inputs and weights, whose outputs spread over the int8 range.

    The padding behind the image is what the output shape asks for; by default, as before it.
    """
    weights = rng.integers(-128, 128, (outputs, *kernel, image[2])).astype(np.int8)
    weights[rng.random(weights.shape) < sparsity] = 0
    weights[rng.random(outputs) < 0.2] = 0
    stride, padding, dilation = (other.get(name, d) for name, d in (("stride", (1, 1)), ("padding", (0, 0)), ("dilation", (1, 1))))  # fmt: skip
    output = tuple(
        (image[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in (0, 1)
    )
    nonzeros = max(1.0, float(np.count_nonzero(weights)) / outputs)
    scale = 0.4 / (74.0 * np.sqrt(nonzeros)) * rng.uniform(0.5, 2, outputs)
    fractions, exponents = np.frexp(scale)
    layer = Convolution(
        input=rng.integers(-128, 128, image).astype(np.int8),
        weights=weights,
        bias=rng.integers(-20_000, 20_000, outputs).astype(np.int32),
        multipliers=np.minimum(fractions * 2.0**31, 2**31 - 1).astype(np.int32),
        shifts=exponents.astype(np.int32),
        output=output,
    )
    return replace(layer, **other)


def assert_equal(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Convolution) -> Int8:
    expected = dense_output(cmsis_nn, layer)
    np.testing.assert_array_equal(sparse_output(runtime, layer), expected)
    return expected


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    ("image", "outputs", "kernel", "other"),
    [
        ((5, 5, 64), 20, (1, 1), {}),
        ((7, 5, 33), 7, (1, 1), {"stride": (2, 2)}),
        ((8, 8, 16), 12, (3, 3), {"padding": (1, 1)}),
        ((9, 7, 5), 6, (3, 3), {"padding": (1, 0), "stride": (2, 1), "output": (5, 6)}),
        ((9, 9, 3), 5, (3, 2), {"dilation": (2, 3), "padding": (2, 1)}),
        ((1, 40, 6), 4, (1, 5), {"padding": (0, 2)}),
        ((10, 12, 1), 8, (10, 4), {"stride": (2, 2), "padding": (4, 1)}),
        ((3, 3, 300), 4, (3, 3), {"padding": (1, 1)}),
        ((2, 3, 4), 3, (5, 5), {"padding": (4, 4)}),
    ],
    ids=str,
)
def test_shapes(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    image: tuple[int, int, int],
    outputs: int,
    kernel: tuple[int, int],
    other: dict[str, Any],
    sparsity: float,
) -> None:
    layer = random_layer(np.random.default_rng(7), image, outputs, kernel, sparsity, **other)
    expected = assert_equal(runtime, cmsis_nn, layer)
    if sparsity < 1:
        assert len(np.unique(expected)) > 10, (
            "the case says little: its outputs are nearly constant"
        )


@pytest.mark.parametrize("pixels", range(1, 36))
def test_strips_and_their_tails(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, pixels: int
) -> None:
    layer = random_layer(np.random.default_rng(pixels), (1, pixels, 20), 5, (1, 1), 0.5)
    expected = assert_equal(runtime, cmsis_nn, layer)
    # The wrapper takes another of CMSIS-NN's functions for this shape.
    np.testing.assert_array_equal(
        dense_output(cmsis_nn, layer, "arm_convolve_wrapper_s8"), expected
    )


@st.composite
def layers(draw: st.DrawFn) -> Convolution:
    def pair(least: int, most: int) -> tuple[int, int]:
        return draw(st.tuples(st.integers(least, most), st.integers(least, most)))

    stride, padding = pair(1, 3), pair(0, 3)
    behind, kernel, dilation = pair(0, 3), pair(1, 4), pair(1, 3)
    spans = tuple(dilation[i] * (kernel[i] - 1) + 1 for i in (0, 1))
    size = pair(1, 9)
    height, width = (max(size[i], spans[i] - padding[i] - behind[i]) for i in (0, 1))
    output = (
        (height + padding[0] + behind[0] - spans[0]) // stride[0] + 1,
        (width + padding[1] + behind[1] - spans[1]) // stride[1] + 1,
    )
    image = (height, width, draw(st.integers(1, 40)))
    outputs = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layer = random_layer(rng, image, outputs, kernel, draw(st.sampled_from([0.0, 0.5, 0.9, 0.99])))
    low = draw(st.sampled_from([-128, -128, -2, 0, 40]))

    def full(value: int) -> Int32:
        return np.full(outputs, value, np.int32)

    return replace(
        layer,
        stride=stride,
        padding=padding,
        dilation=dilation,
        output=output,
        shifts=draw(st.sampled_from([layer.shifts, full(draw(st.integers(-31, 12)))])),
        multipliers=draw(st.sampled_from([layer.multipliers, full(2**31 - 1), full(2**30)])),
        bias=layer.bias * draw(st.sampled_from([1, 0, 1000, 50_000])),
        input_offset=draw(st.integers(-127, 128)),
        output_offset=draw(st.integers(-128, 127)),
        clamp=(low, draw(st.sampled_from([127, 127, 90, low]))),
    )  # fmt: skip


@settings(max_examples=400)
@given(layer=layers())
def test_any_layer(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Convolution) -> None:
    assert_equal(runtime, cmsis_nn, layer)


def sign_matched(layer: Convolution, row: int) -> Int8:
    """The input on which the window at the origin drives the accumulator of `row` as far as it goes.

    For layers without padding whose kernel covers the whole image.
    """
    return np.where(layer.weights[row] >= 0, 127, -128).astype(np.int8)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("shift", [0, -1, -9, -16, -21, -22, -23, -30, -31, 3])
@pytest.mark.parametrize(
    "bias",
    [0, 2**29, 2**29 + 1, -(2**29), -(2**29) - 1, 2**30, -(2**30), 2_100_000_000, -2_100_000_000],
)
def test_largest_accumulators(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, bias: int, shift: int, direction: int
) -> None:
    """Extreme weights on inputs of their own sign, on either side of every bound of the fast paths."""
    rng = np.random.default_rng(1)
    layer = random_layer(rng, (3, 3, 50), 4, (3, 3), 0.3, bias=np.full(4, bias, np.int32))
    weights = np.where(layer.weights > 0, 127, np.where(layer.weights < 0, -128, 0)).astype(np.int8)
    layer = replace(
        layer,
        weights=weights,
        shifts=np.full(4, shift, np.int32),
        multipliers=np.array([2**30, 2**31 - 1, 1_500_000_001, 2**30 + 1], np.int32),
        input_offset=0,
        output_offset=127 if direction > 0 else -128,
    )
    layer = replace(
        layer, input=(sign_matched(layer, row=0) if direction > 0 else ~sign_matched(layer, row=0))
    )
    assert_equal(runtime, cmsis_nn, layer)
    # Twelve pixels, each the worst for one row: the same through strips of eight and four lanes.
    flat = np.concatenate([layer.weights.reshape(4, 1, 1, 450)] * 3)
    each = np.where(flat >= 0, 127, -128).astype(np.int8).reshape(1, 12, 450)
    layer = replace(
        layer,
        input=each if direction > 0 else ~each,
        weights=np.ascontiguousarray(flat[:4]),
        output=(1, 12),
    )
    assert_equal(runtime, cmsis_nn, layer)


def test_rows_too_long_for_the_fast_requantization(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary
) -> None:
    for columns in (32_767, 32_768, 40_000):
        layer = random_layer(np.random.default_rng(5), (1, 2, columns), 1, (1, 1), 0.0)
        weights = np.full((1, 1, 1, columns), -128, np.int8)
        layer = replace(layer, weights=weights, input=np.full((1, 2, columns), -128, np.int8))
        layer = replace(
            layer,
            bias=np.array([2**29], np.int32),
            shifts=np.array([-22], np.int32),
            input_offset=0,
        )
        assert_equal(runtime, cmsis_nn, layer)


def test_gaps_longer_than_a_step(runtime: KernelLibrary, cmsis_nn: KernelLibrary) -> None:
    layer = random_layer(np.random.default_rng(2), (3, 3, 400), 6, (3, 3), 0.0)
    weights = np.zeros((6, 3600), np.int8)
    for row, gap in enumerate((254, 255, 256, 257, 510, 511)):
        weights[row, ::gap] = 127
    assert_equal(runtime, cmsis_nn, replace(layer, weights=weights.reshape(layer.weights.shape)))
