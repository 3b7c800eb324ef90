# SPDX-License-Identifier: Apache-2.0
"""Images in which each pixel is a weighted sum of some of another image: bilinear and bicubic resizing, uneven means.

The weights of an axis are whole numbers with the same sum for each pixel, `MAX_TOTAL` at most, so that the sum of both
axes' products fits an int32; dividing by it is part of the multiplier. Where small numbers say the weights exactly, as
1:3 does for a picture twice as large, they are a multiple of these.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Int8Array
from sparsec.quantization.params import Rescale
from sparsec.quantization.requantize import requantize

Int16Array = npt.NDArray[np.int16]
Int64Array = npt.NDArray[np.int64]

MAX_TOTAL = 2048
"""The largest sum of the weights of a pixel along one axis."""

EXACT = 2.0**-18
"""How far a weight in float32 may be from the number that it stands for."""

ACCUMULATOR = 2**31
"""What a sum has to stay below."""


def whole_taps(taps: npt.NDArray[np.float64]) -> Int16Array:
    """[n, T] weights whose rows sum to 1, as whole numbers of one sum: a multiple of the smallest that says them, else
    MAX_TOTAL, rounded where that costs least. Raises ValueError if they do not sum to 1."""
    if np.any(np.abs(taps.sum(axis=1) - 1) > 1e-4):
        raise ValueError("weights must sum to 1")
    for total in range(1, MAX_TOTAL):
        scaled = np.round(taps * total)
        if np.abs(scaled / total - taps).max() <= EXACT and np.all(scaled.sum(axis=1) == total):
            # As large as may be, so that the first of the two roundings of a result is a small one.
            return (scaled * (MAX_TOTAL // total)).astype(np.int16)
    scaled = taps * MAX_TOTAL
    found = np.floor(scaled)
    for row, rest, missing in zip(
        found, scaled - found, MAX_TOTAL - found.sum(axis=1), strict=True
    ):
        row[np.argsort(-rest, kind="stable")[: int(missing)]] += 1
    return found.astype(np.int16)


def largest_sum(row_taps: Int16Array, column_taps: Int16Array) -> int:
    """What no sum of weighted bytes without their zero point exceeds."""
    rows, columns = (
        int(np.abs(taps.astype(np.int64)).sum(axis=1).max()) for taps in (row_taps, column_taps)
    )
    return 255 * rows * columns


def resample(
    x: Int8Array,
    rows: npt.NDArray[np.uint16],
    row_taps: Int16Array,
    columns: npt.NDArray[np.uint16],
    column_taps: Int16Array,
    p: Rescale,
) -> Int8Array:
    """x [N, H, W, C]: pixel (y, x) is made of the rows from rows[y] on, weighted by row_taps[y], and columns alike."""
    values = x.astype(np.int64) - p.input_zp
    by_rows = weighted(values, rows, row_taps.astype(np.int64), 1)
    total = weighted(by_rows, columns, column_taps.astype(np.int64), 2)
    result = requantize(total, p.multiplier, p.shift).astype(np.int64) + p.output_zp
    return np.clip(result, *p.clamp).astype(np.int8)


NumberT = TypeVar("NumberT", np.int64, np.float64)


def weighted(
    values: npt.NDArray[NumberT],
    first: npt.NDArray[np.uint16],
    taps: npt.NDArray[NumberT],
    axis: int,
) -> npt.NDArray[NumberT]:
    """Along `axis` a sum for each of `first`: of the elements from there on, weighted by its row of `taps`."""
    count: int = taps.shape[1]
    places = first.reshape(-1, 1).astype(np.int64) + np.arange(count, dtype=np.int64)
    shape = (*taps.shape, *[1] * (values.ndim - axis - 1))
    return np.sum(np.take(values, places, axis) * taps.reshape(shape), axis=axis + 1)
