# SPDX-License-Identifier: Apache-2.0
"""Bytes of formats that nothing here reads: what dCSR's authors hold theirs to, counted as they do.

Trommer et al., "dCSR: A Memory-Efficient Sparse Matrix Representation for Parallel Neural Network Inference" (ICCAD 2021).
All take an int8 matrix [rows, columns] with one row and column at least.
"""

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.dcsr import Dcsr
from sparsec.formats.delta4 import Delta4

Int8Matrix = NDArray[np.int8]

_PARTITION = 256
_BLOCK = 2


def csr16(matrix: Int8Matrix) -> int:
    """Columns of two bytes, and as many where each row begins."""
    return 3 * int(np.count_nonzero(matrix)) + 2 * len(matrix)


def bcsr(matrix: Int8Matrix) -> int:
    """Blocks of 2 x 2 that are not all zero, each with a column of two bytes; two bytes for each row of weights."""
    rows, columns = (-(-size // _BLOCK) for size in matrix.shape)
    padded = np.zeros((_BLOCK * rows, _BLOCK * columns), bool)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix != 0
    blocks = padded.reshape(rows, _BLOCK, columns, _BLOCK).any(axis=(1, 3))
    return int(np.count_nonzero(blocks)) * (_BLOCK**2 + 2) + 2 * len(matrix)


def psr8(matrix: Int8Matrix) -> int:
    """Columns modulo 256, a count for each 256 columns of a row that are not all zero, and four bytes for each row."""
    columns = np.nonzero(matrix)
    partitions = len(
        set(zip(columns[0].tolist(), (columns[1] // _PARTITION).tolist(), strict=True))
    )
    return 2 * len(columns[0]) + partitions + 4 * len(matrix)


def rle4(matrix: Int8Matrix) -> int:
    """`delta4`, with four bytes for each row. ValueError where that cannot hold the matrix."""
    stored = Delta4().pack(matrix)
    return stored["values"].nbytes + stored["steps"].nbytes + 4 * len(matrix)


def zlib_bytes(level: int) -> Callable[[Int8Matrix], int]:
    """What zlib makes of the dense matrix; nothing reads a row of that."""
    return lambda matrix: len(zlib.compress(matrix.tobytes(), level))


YARDSTICKS: Mapping[str, Callable[[Int8Matrix], int]] = MappingProxyType(
    {
        "CSR-16": csr16,
        "BCSR 2x2": bcsr,
        "PSR-8": psr8,
        "RLE-4": rle4,
        "zlib 6": zlib_bytes(6),
        "zlib 9": zlib_bytes(9),
    }
)


def dcsr_parts(matrix: Int8Matrix) -> dict[str, Any]:
    """Bytes of each part of `dcsr`, and how many explicit zeros and groups it has. ValueError where it cannot hold the matrix."""
    stored = Dcsr().pack(matrix)
    return {
        "bytes": {name: array.nbytes for name, array in stored.items()},
        "explicit_zeros": len(stored["values"]) - int(np.count_nonzero(matrix)),
        "groups": len(stored["group_minimums"]),
    }
