# SPDX-License-Identifier: Apache-2.0
"""Signals and images in another size, computed as torch does: in float32."""

from collections.abc import Mapping, Sequence
from math import floor

import numpy as np

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.picking import picked
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Array, Tensor


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


RESIZING: Mapping[str, Operator] = {
    "aten.upsample_nearest1d": upsample_nearest(0.0),
    "aten.upsample_nearest2d": upsample_nearest(0.0),
    "aten._upsample_nearest_exact1d": upsample_nearest(0.5),
    "aten._upsample_nearest_exact2d": upsample_nearest(0.5),
}
