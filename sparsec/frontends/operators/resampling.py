# SPDX-License-Identifier: Apache-2.0
"""Images whose pixels are weighted sums of others: the weights of an axis as a matrix, and the layer they make."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sparsec.frontends.builder import Builder
from sparsec.frontends.operators.image import read_image, written_image
from sparsec.frontends.tensors import CHANNELS_LAST, Activation
from sparsec.ir import nn

Matrix: TypeAlias = npt.NDArray[np.float64]
"""[output, input] along one axis."""


def resampled(builder: Builder, value: Activation, rows: Matrix, columns: Matrix) -> Activation:
    """An image, or a signal of one row, by the weights of its rows and columns."""
    image = read_image(builder, value)
    (first, row_taps), (left, column_taps) = taps_of(rows), taps_of(columns)
    layer = builder.place.layer
    op = nn.ResampleOp(
        image,
        builder.indices(first),
        builder.constant(row_taps, f"{layer}.row_taps"),
        builder.indices(left),
        builder.constant(column_taps, f"{layer}.column_taps"),
    )
    return written_image(builder, builder.add(op, CHANNELS_LAST[4]), len(value.shape))


def taps_of(matrix: Matrix) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """For each row the first column that counts, and as many weights as the widest row has, in float32."""
    used = matrix != 0
    first = used.argmax(axis=1)
    last = matrix.shape[1] - used[:, ::-1].argmax(axis=1)
    count = int((last - first).max())
    first = np.minimum(first, matrix.shape[1] - count)
    taps = np.take_along_axis(matrix, first[:, np.newaxis] + np.arange(count), axis=1)
    return first, taps.astype(np.float32)


def whole(size: int) -> Matrix:
    """The weights of an axis that stays as it is."""
    return np.eye(size)


def weights(size: int, places: npt.NDArray[np.int64], parts: Matrix) -> Matrix:
    """For each row of `places` the elements there, those beyond an end at it, times its row of `parts`."""
    matrix = np.zeros((len(places), size))
    rows = np.broadcast_to(np.arange(len(places))[:, np.newaxis], places.shape)
    np.add.at(matrix, (rows, places.clip(0, size - 1)), parts)
    return matrix
