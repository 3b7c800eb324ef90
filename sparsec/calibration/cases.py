# SPDX-License-Identifier: Apache-2.0
"""Layers to measure, with random constants.

What weights are does not matter to a cost, only which of them are stored and how their rows end.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sparsec.formats import Block, Nm, SparseFormat
from sparsec.kernels.workload import Workload
from sparsec.layouts.linear_rows import RowNumbers

SEED = 11


@dataclass(frozen=True)
class Case:
    """A layer to measure by a kernel: `sparsity` is the share of zeros, 0 for a dense kernel.

    `format` is what a decoder reads. The zeros of a format of blocks are whole blocks, those of N:M fill its groups, unless
    they are `scattered`: then they lie anywhere, also among what is stored. No row of a `slow` layer ends in the short way
    that its kernel has for most, and every sum of a `left` one is shifted to the left.
    """

    kernel: str
    work: Workload
    sparsity: float = 0.0
    format: SparseFormat | None = None
    slow: bool = False
    left: bool = False
    scattered: bool = False


@lru_cache
def row_numbers(rows: int, slow: bool = False, left: bool = False) -> RowNumbers:
    """Biases, multipliers and shifts of outputs, of which some layers have one, two or three; those of `slow` rows are not
    to the right, and of `left` ones to the left."""
    rng = np.random.default_rng(SEED)
    shifts = range(-9, -8 + rows % 3)
    return RowNumbers(
        rng.integers(-2000, 2000, rows).astype(np.int32),
        rng.integers(2**30, 2**31, rows).astype(np.int32),
        np.full(rows, left, np.int32)
        if slow or left
        else rng.choice(shifts, rows).astype(np.int32),
    )


@lru_cache
def random_weights(case: Case) -> NDArray[np.int8]:
    """int8 [outputs, columns] with zeros as `case` says, and sums that trained weights stay within."""
    rows, columns = case.work.outputs[2], case.work.columns
    rng = np.random.default_rng(SEED)
    mask = random_mask(rng, case, rows, columns)
    kept = max(1.0, mask.sum() / rows)
    most = min(127, int(25000 / kept))
    weights = rng.integers(1, most + 1, (rows, columns)) * rng.choice([-1, 1], (rows, columns))
    return (weights * mask).astype(np.int8)


def random_mask(rng: np.random.Generator, case: Case, rows: int, columns: int) -> NDArray[np.bool_]:
    """Which weights are not zero, bool [rows, columns]."""
    match case.format:
        case Nm() as encoding:
            order = rng.random((rows, -(-columns // encoding.m), encoding.m))
            largest = np.argsort(order, axis=2) < encoding.n
            if case.scattered:
                largest &= rng.random(largest.shape) >= case.sparsity
            return largest.reshape(rows, -1)[:, :columns]
        case Block() as encoding if not case.scattered:
            block = (encoding.rows, encoding.columns)
        case _:
            block = (1, 1)
    blocks = rng.random((-(-rows // block[0]), -(-columns // block[1]))) >= case.sparsity
    return np.kron(blocks, np.ones(block, bool))[:rows, :columns]
