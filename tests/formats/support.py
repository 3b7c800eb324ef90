# SPDX-License-Identifier: Apache-2.0
"""Formats and matrices to test with."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.formats import COMMON_FORMATS, Block, BlockRle, Nm, SparseFormat

Matrix = NDArray[np.int8]

ALL_FORMATS: tuple[SparseFormat, ...] = (
    *COMMON_FORMATS,
    *(Nm(1, 2), Nm(2, 3), Nm(6, 7), Nm(3, 256)),
    *(Block(1, 1), Block(2, 1), Block(3, 1), Block(6, 1), Block(3, 5), Block(256, 256)),
    *(Block(2, 1, 16), Block(6, 1, 16)),
    *(BlockRle(3), BlockRle(256)),
)


def fitting(sparse_format: SparseFormat, dense: Matrix) -> Matrix:
    """`dense`; for N:M without the weights that are too many in their group."""
    if not isinstance(sparse_format, Nm):
        return dense
    result = dense.copy()
    for start in range(0, dense.shape[1], sparse_format.m):
        group = result[:, start : start + sparse_format.m]
        group[np.cumsum(group != 0, axis=1) > sparse_format.n] = 0
    return result


def row_with_gaps(gaps: list[int], columns: int) -> Matrix:
    """One row whose nonzero columns are the running sums of `gaps`, minus one, as far as they fit."""
    dense = np.zeros((1, columns), np.int8)
    positions = np.cumsum(gaps) - 1
    positions = positions[positions < columns]
    dense[0, positions] = np.where(np.arange(len(positions)) % 2, -128, 127)
    return dense


@st.composite
def sparse_matrices(draw: st.DrawFn, max_rows: int = 9, max_columns: int = 700) -> Matrix:
    """Random, clustered, with empty rows, all zero or dense."""
    shape = draw(st.tuples(st.integers(1, max_rows), st.integers(1, max_columns)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dense = rng.integers(-128, 128, shape).astype(np.int8)
    dense[rng.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))] = 0
    if draw(st.booleans()):  # clustered: whole runs of columns empty
        dense[:, (np.arange(shape[1]) // draw(st.integers(1, 300))) % 2 == 1] = 0
    dense[rng.random(shape[0]) < draw(st.sampled_from([0.0, 0.5]))] = 0
    return dense
