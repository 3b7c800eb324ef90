# SPDX-License-Identifier: Apache-2.0
"""RESIZE_BILINEAR: weights of ten bits along each axis, as TensorFlow Lite Micro computes them (`ResizeBilinearInteger`)."""

import numpy as np
import numpy.typing as npt

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite.builder import Builder
from sparsec.frontends.tflite.model import Operator
from sparsec.frontends.tflite.movement import corners_and_centers, resized
from sparsec.ir import qnn
from sparsec.quantization.params import Rescale

ONE = 1 << 10

Places = npt.NDArray[np.uint16]
Taps = npt.NDArray[np.int16]

HALF_TWICE = Rescale(0, 1 << 30, -20)
"""Divides by 2^21 with one rounding, halves away from zero: the first of both halves an even number."""


def bilinear(size: int, output: int, align_corners: bool, centers: bool) -> tuple[Places, Taps]:
    """For each of `output` elements the first of two of `size`, and their weights, which sum to ONE.

    Places are multiples of one distance, rounded to ten bits.
    """
    align = align_corners and output > 1
    distance = (ONE * (size - align) + (output - align) // 2) // (output - align)
    places = distance * np.arange(output)
    if centers:
        places = places + distance // 2 - ONE // 2
    # What C rounds towards zero is set to zero where it is negative.
    low = np.maximum(places // ONE, 0)
    high = np.clip((places + ONE - 1) // ONE, 0, size - 1)
    second = places - ONE * low
    first = np.minimum(low, max(size - 2, 0))
    taps = np.zeros((output, min(size, 2)), np.int64)
    rows = np.arange(output)
    np.add.at(taps, (rows, low - first), ONE - second)
    np.add.at(taps, (rows, high - first), second)
    return first.astype(np.uint16), taps.astype(np.int16)


def resize_bilinear(b: Builder, op: Operator) -> None:
    """RESIZE_BILINEAR of an image: weighted means of stored values."""
    source, before, after = resized(b, op)
    if b.output(op).quantization != source.quantization:
        raise UnsupportedError("its result has another scale or zero point than its input")
    how = corners_and_centers(op)
    (rows, row_taps), (columns, column_taps) = (
        bilinear(size, output, *how) for size, output in zip(before, after, strict=True)
    )
    new = qnn.ResampleOp(
        b.value(source),
        b.constant(rows),
        b.constant(row_taps),
        b.constant(columns),
        b.constant(2 * column_taps),
        HALF_TWICE,
    )
    b.finish(op, new)
