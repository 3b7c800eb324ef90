# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions for the tests, and what they give by definition: each input scatters into the result."""

from dataclasses import dataclass

import numpy as np

from sparsec.quantization.requantize import requantize
from tests.runtime.kernel_library import Int8, Int32


@dataclass(frozen=True)
class TransposeConvolution:
    """`input` is [H, W, I], `weights` [O, kh, kw, I]; pairs are (height, width), `padding` (top, left)."""

    input: Int8
    weights: Int8
    bias: Int32
    multipliers: Int32
    shifts: Int32
    input_offset: int
    output_offset: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    output: tuple[int, int]
    clamp: tuple[int, int] = (-128, 127)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the result."""
        return (*self.output, len(self.weights))


def random_layer(
    rng: np.random.Generator,
    input: tuple[int, int, int],
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    same: bool = False,
    clamp: tuple[int, int] = (-128, 127),
) -> TransposeConvolution:
    """A layer whose result has the size that TensorFlow gives it."""
    sizes = [
        n * s + (0 if same else max(k - s, 0))
        for n, k, s in zip(input, kernel, stride, strict=False)
    ]
    padding = [max(k - s, 0) // 2 if same else 0 for k, s in zip(kernel, stride, strict=True)]
    return TransposeConvolution(
        input=rng.integers(-128, 128, input).astype(np.int8),
        weights=rng.integers(-128, 128, (outputs, *kernel, input[2])).astype(np.int8),
        bias=rng.integers(-20_000, 20_000, outputs).astype(np.int32),
        multipliers=rng.integers(2**30, 2**31, outputs).astype(np.int32),
        shifts=rng.integers(-12, -6, outputs).astype(np.int32),
        input_offset=int(rng.integers(-127, 129)),
        output_offset=int(rng.integers(-20, 20)),
        stride=stride,
        padding=(padding[0], padding[1]),
        output=(sizes[0], sizes[1]),
        clamp=clamp,
    )


def scattered(layer: TransposeConvolution) -> Int8:
    """The result [H, W, O], pixel by pixel of the input."""
    acc = np.zeros(layer.shape, np.int64) + layer.bias
    for y, x in np.ndindex(*layer.input.shape[:2]):
        pixel = layer.input[y, x].astype(np.int64) + layer.input_offset
        for ky, kx in np.ndindex(*layer.weights.shape[1:3]):
            row = y * layer.stride[0] - layer.padding[0] + ky
            column = x * layer.stride[1] - layer.padding[1] + kx
            if 0 <= row < layer.output[0] and 0 <= column < layer.output[1]:
                acc[row, column] += layer.weights[:, ky, kx].astype(np.int64) @ pixel
    result = requantize(acc, layer.multipliers, layer.shifts).astype(np.int64)
    return np.clip(result + layer.output_offset, *layer.clamp).astype(np.int8)
