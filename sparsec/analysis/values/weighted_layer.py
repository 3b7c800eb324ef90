# SPDX-License-Identifier: Apache-2.0
"""A `qnn` layer with weights as plain arrays, and what its window says about ranges and readers.

The rule: a linear layer is a convolution of 1x1 over its rows, so that everything here is said
once. Images are [H, W, C] without the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from operator import is_not
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from xdsl.ir import Attribute, Operation

from sparsec.ir import qnn
from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.sparse import format_of
from sparsec.kernels.layer import Layer, Size
from sparsec.quantization import int8
from sparsec.quantization.params import Requant
from sparsec.quantization.requantize import Q31_MAX, requantize
from sparsec.quantization.window import Window

Array: TypeAlias = np.ndarray[Any, Any]
Mask: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = tuple[slice, slice]


def window_places(
    window: Window, kernel: tuple[int, int], output: tuple[int, int]
) -> Iterator[tuple[int, int, Places]]:
    """(row, column, where all output positions read the padded image through it) of each tap."""
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            first = (row * window.dilations[0], column * window.dilations[1])
            rows, columns = (
                slice(f, f + s * (n - 1) + 1, s)
                for f, s, n in zip(first, window.strides, output, strict=True)
            )
            yield row, column, (rows, columns)


def pad_image(image: Array, window: Window) -> Array:
    """`image` with a border of zeros as `window` adds it."""
    top, left, bottom, right = window.padding
    return np.pad(image, ((top, bottom), (left, right), (0, 0)))


def crop_image(padded: Array, window: Window) -> Array:
    """The inverse of `pad_image`."""
    top, left, bottom, right = window.padding
    return padded[top : padded.shape[0] - bottom, left : padded.shape[1] - right]


@dataclass(frozen=True, eq=False)
class WeightedLayer:
    """Weights are int8 [O, kh, kw, I], with I = 1 for a depthwise layer; the rest is [O]."""

    weights: Array
    bias: Array
    multiplier: Array
    shift: Array
    requant: Requant
    window: Window
    input_size: Size
    output_size: Size
    depthwise: bool

    @property
    def macs(self) -> int:
        """Multiplications of weights with inputs or with padding."""
        return prod(self.output_size[:2]) * self.weights.size

    def spread(self, image: Array) -> Array:
        """`image` as the taps read it: among zeros."""
        return pad_image(image, self.window)

    def gathered(self, spread: Array) -> Array:
        """The inverse of `spread`."""
        return crop_image(spread, self.window)

    @property
    def busy(self) -> Mask:
        """[O]: outputs with a weight that is not zero."""
        return np.asarray(self.weights.reshape(len(self.weights), -1).any(axis=1))

    def proven(self) -> Mask:
        """[O]: no accumulator can leave int32 for any int8 input, so that results grow with it."""
        bound = int8.accumulator_bound(self.weights, self.bias, self.requant.input_zp)
        shift = self.shift.astype(np.int64)
        fits = bound << np.clip(shift, 0, 30) <= Q31_MAX
        return fits & (np.abs(2 * shift + 1) <= 61) & (self.multiplier >= 0)

    def taps(self) -> Iterator[tuple[Array, Places]]:
        """(weights [O, I], where the padded image is read) of each element of the kernel."""
        _, height, width, _ = self.weights.shape
        for row, column, places in window_places(
            self.window, (height, width), self.output_size[:2]
        ):
            yield self.weights[:, row, column].astype(np.float64), places

    def times(self, x: Array, weights: Array) -> Array:
        """[.., I] -> [.., O]: what one tap adds."""
        if not self.depthwise:
            return x @ weights.T
        return np.repeat(x, len(weights) // x.shape[-1], axis=-1) * weights[:, 0]

    def centred(self, image: Array) -> Array:
        """`image - input_zp`, zero where it is padded."""
        return self.spread(image.astype(np.float64) - self.requant.input_zp)

    def accumulate(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Bounds of the accumulators, int64 [OH, OW, O], for images between `low` and `high`."""
        low, high = self.centred(low), self.centred(high)
        lowest = np.tile(self.bias.astype(np.float64), (*self.output_size[:2], 1))
        highest = lowest.copy()
        for weights, places in self.taps():
            rising, falling = np.maximum(weights, 0), np.minimum(weights, 0)
            lowest += self.times(low[places], rising) + self.times(high[places], falling)
            highest += self.times(high[places], rising) + self.times(low[places], falling)
        return lowest.astype(np.int64), highest.astype(np.int64)

    def results(self, accumulators: Array) -> Array:
        """The int8 results of accumulators [.., O]."""
        values = requantize(accumulators, self.multiplier, self.shift).astype(np.int64)
        return np.clip(values + self.requant.output_zp, *self.requant.clamp).astype(np.int8)

    def reads(self, wanted: Mask) -> Mask:
        """[H, W, I]: which inputs meet a weight that is not zero, for results that are `wanted`."""
        padded = self.spread(np.zeros(self.input_size))
        for weights, places in self.taps():
            used = (weights != 0).astype(np.float64)
            if self.depthwise:
                found = (wanted * used[:, 0]).reshape(*wanted.shape[:2], self.input_size[2], -1)
                padded[places] += found.sum(axis=-1)
            else:
                padded[places] += wanted.astype(np.float64) @ used
        return self.gathered(padded) > 0

    def constant_sums(self, channel: int, image: Array) -> tuple[Array, Mask]:
        """What input channel `channel` adds to each output if it is `image` [H, W] for all inputs.

        int64 [O], and whether it is the same at every position, so that a bias can hold it.
        """
        assert not self.depthwise
        padded = self.centred(image[..., np.newaxis])
        seen = [padded[places].reshape(-1) for _, places in self.taps()]
        columns = np.unique(np.stack(seen, axis=1), axis=0)
        weights = self.weights[..., channel].reshape(len(self.weights), -1).astype(np.float64)
        sums = (columns @ weights.T).astype(np.int64)
        return sums[0], np.asarray(sums.min(axis=0) == sums.max(axis=0))


class TransposedLayer(WeightedLayer):
    """A transposed convolution: one of stride 1 over the image with zeros between its pixels."""

    @property
    def macs(self) -> int:
        """Multiplications of inputs with weights, those outside the result included."""
        return prod(self.input_size[:2]) * self.weights.size

    def _pixels(self) -> Places:
        """Where the pixels of the image lie among zeros."""
        rows, columns = (
            slice(k - 1, k - 1 + s * n, s)
            for k, s, n in zip(
                self.weights.shape[1:3], self.window.strides, self.input_size, strict=False
            )
        )
        return rows, columns

    def spread(self, image: Array) -> Array:
        top, left, bottom, right = self.window.padding
        _, height, width, _ = self.weights.shape
        rows, columns, _ = self.output_size
        size = (rows + top + bottom + height - 1, columns + left + right + width - 1)
        found = np.zeros((*size, image.shape[-1]), image.dtype)
        found[self._pixels()] = image
        return found

    def gathered(self, spread: Array) -> Array:
        return spread[self._pixels()]

    def taps(self) -> Iterator[tuple[Array, Places]]:
        top, left, _, _ = self.window.padding
        _, height, width, _ = self.weights.shape
        rows, columns, _ = self.output_size
        for row, column in np.ndindex(height, width):
            y, x = top + height - 1 - row, left + width - 1 - column
            places = slice(y, y + rows), slice(x, x + columns)
            yield self.weights[:, row, column].astype(np.float64), places


def weighted_layer(op: qnn.WeightedOp) -> WeightedLayer | None:
    """The layer `op` computes; None unless its weights are dense and all its arrays constant."""
    return None if format_of(op.weights.type) is not None else _layer_values(op)


def _layer_values(op: qnn.WeightedOp) -> WeightedLayer | None:
    """The layer `op` computes. Many ask for the same one, so it is kept until something of the operation changes."""
    constants = [value.owner for value in op.operands[1:]]
    told_by = (
        *(each.value for each in constants if isinstance(each, DenseConstantOp)),
        *op.properties.values(),
        op.input.type,
        op.result.type,
    )
    kept = _kept.get(op)
    if kept is None or len(kept[0]) != len(told_by) or any(map(is_not, kept[0], told_by)):
        kept = _kept[op] = told_by, _as_arrays(op)
    return kept[1]


_kept: WeakKeyDictionary[Operation, tuple[tuple[Attribute, ...], WeightedLayer | None]]
_kept = WeakKeyDictionary()
"""The layers of operations, with the attributes that told them."""


def _as_arrays(op: qnn.WeightedOp) -> WeightedLayer | None:
    layer = Layer(op)
    if layer.arrays is None:
        return None
    kind = TransposedLayer if layer.kind == "transpose_conv2d" else WeightedLayer
    return kind(
        **vars(layer.arrays),
        requant=layer.requant,
        window=layer.window,
        input_size=layer.input_size,
        output_size=layer.output_size,
        depthwise=layer.kind == "depthwise_conv2d",
    )
