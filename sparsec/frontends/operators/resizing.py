# SPDX-License-Identifier: Apache-2.0
"""Signals and images in another size, computed as torch does: in float32."""

from collections.abc import Callable, Mapping, Sequence
from math import floor
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.picking import picked
from sparsec.frontends.operators.resampling import Matrix, resampled, weights, whole
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Array, Tensor

Floats: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Weights: TypeAlias = Callable[[int, int, float | None, bool], Matrix]
"""Those along an axis, for the sizes of input and output, the factor if it counts, and whether corners are aligned."""


def sizes_of(call: Call, inputs: Sequence[int]) -> tuple[Sequence[int], Sequence[float | None]]:
    """The output sizes of a resize, and its factors where they count instead."""
    names = ("scales",) if len(inputs) == 1 else ("scales_h", "scales_w")
    factors = [call.number(name) if call.given(name) else None for name in names]
    if call.given("scale_factors"):
        factors = [*call.numbers("scale_factors")]
    if call.given("output_size"):
        return call.integers("output_size"), factors
    known = [factor for factor in factors if factor is not None]
    return [floor(n * factor) for n, factor in zip(inputs, known, strict=True)], factors


def scale_of(size: int, output: int, factor: float | None) -> np.float32:
    """How far apart in the input neighbours of the output lie, in float32 as torch computes it."""
    if factor is not None and factor > 0:
        return np.float32(1.0 / factor)
    return np.float32(size) / np.float32(output)


def nearest(size: int, output: int, factor: float | None, center: float) -> Array:
    """For each of `output` elements the index of the one of `size` that torch takes."""
    if center == 0.0 and output in (size, 2 * size):
        return np.arange(output) // (output // size)
    places = (np.arange(output).astype(np.float32) + np.float32(center)) * scale_of(
        size, output, factor
    )
    return np.minimum(np.floor(places).astype(np.int64), size - 1)


def upsample_nearest(center: float) -> Operator:
    """The nearest element in one or two dimensions; `center` is where in an element it is looked at."""

    def build(builder: Builder, call: Call) -> Tensor:
        value = call.activation("self", "input")
        axes = range(2, len(value.shape))
        inputs = [value.shape[axis] for axis in axes]
        if len(inputs) not in (1, 2):
            raise UnsupportedError("only signals and images are resized")
        outputs, factors = sizes_of(call, inputs)
        indices = {
            axis: nearest(size, output, factor, center)
            for axis, size, output, factor in zip(axes, inputs, outputs, factors, strict=True)
        }
        return picked(builder, value, indices)

    return build


def places_of(size: int, output: int, factor: float | None, align_corners: bool) -> Floats:
    """Where in the input the middle of each of `output` pixels lies, in float32 as torch computes it."""
    index = np.arange(output).astype(np.float32)
    if align_corners:
        return index * (np.float32(size - 1) / np.float32(output - 1) if output > 1 else 0)
    return scale_of(size, output, factor) * (index + np.float32(0.5)) - np.float32(0.5)


def linear(size: int, output: int, factor: float | None, align_corners: bool) -> Matrix:
    """Between two neighbours, as near as they are."""
    places = np.maximum(places_of(size, output, factor, align_corners), 0)
    first = np.floor(places).astype(np.int64)
    second = (places - first).astype(np.float64)
    return weights(
        size, np.stack([first, first + 1], axis=1), np.stack([1 - second, second], axis=1)
    )


def cubic(size: int, output: int, factor: float | None, align_corners: bool) -> Matrix:
    """Between four neighbours, by the polynomials of Keys with a = -0.75."""
    places = places_of(size, output, factor, align_corners)
    first = np.floor(places).astype(np.int64)
    neighbours = np.arange(-1, 3)
    distances = np.abs((places - first)[:, np.newaxis] - neighbours)
    return weights(size, first[:, np.newaxis] + neighbours, keys(distances, -0.75))


def keys(distance: Floats, a: float) -> Matrix:
    """Keys' cubic convolution, of a distance up to 2 (R. Keys, 1981)."""
    x = distance.astype(np.float64)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def smoothed(reach: float, shape: Callable[[Matrix], Matrix]) -> Weights:
    """Of all neighbours that a pixel of the output covers, as its anti-aliasing does: `shape` of their distances in
    pixels of the larger of both."""

    def matrix(size: int, output: int, factor: float | None, align_corners: bool) -> Matrix:
        if align_corners:
            raise UnsupportedError("anti-aliasing with aligned corners")
        scale = float(scale_of(size, output, factor))
        wide = max(scale, 1.0)
        centers = scale * (np.arange(output) + 0.5)[:, np.newaxis]
        low = np.maximum((centers - reach * wide + 0.5).astype(np.int64), 0)
        high = np.minimum((centers + reach * wide + 0.5).astype(np.int64), size)
        places = np.arange(size)
        parts = shape(np.abs((places - centers + 0.5) / wide))
        parts = np.where((places >= low) & (places < high), parts, 0.0)
        return parts / parts.sum(axis=1, keepdims=True)

    return matrix


def upsample(weights_of: Weights) -> Operator:
    """Pixels as weighted sums, along one axis or two."""

    def build(builder: Builder, call: Call) -> Tensor:
        value = call.activation("self", "input")
        inputs = value.shape[2:]
        if len(inputs) not in (1, 2):
            raise UnsupportedError("only signals and images are resized")
        outputs, factors = sizes_of(call, inputs)
        align_corners = call.flag("align_corners")
        matrices = [
            weights_of(size, output, factor, align_corners)
            for size, output, factor in zip(inputs, outputs, factors, strict=True)
        ]
        return resampled(builder, value, *[whole(1)] * (2 - len(matrices)), *matrices)

    return build


RESIZING: Mapping[str, Operator] = {
    "aten.upsample_linear1d": upsample(linear),
    "aten.upsample_bilinear2d": upsample(linear),
    "aten.upsample_bicubic2d": upsample(cubic),
    "aten._upsample_bilinear2d_aa": upsample(smoothed(1.0, lambda x: np.maximum(1 - x, 0.0))),
    "aten._upsample_bicubic2d_aa": upsample(smoothed(2.0, lambda x: keys(x, -0.5))),
    "aten.upsample_nearest1d": upsample_nearest(0.0),
    "aten.upsample_nearest2d": upsample_nearest(0.0),
    "aten._upsample_nearest_exact1d": upsample_nearest(0.5),
    "aten._upsample_nearest_exact2d": upsample_nearest(0.5),
}
