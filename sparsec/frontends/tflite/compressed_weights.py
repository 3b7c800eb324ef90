# SPDX-License-Identifier: Apache-2.0
"""The table that dCSR adds to the schema of TensorFlow Lite: weights that are stored in one of two sparse formats.

Trommer et al., "dCSR: A Memory-Efficient Sparse Matrix Representation for Parallel Neural Network Inference" (ICCAD 2021).
The buffer of such a tensor holds the stored values alone; all else is in a table `CompressedSparsity` that hangs on the
tensor's `SparsityParameters`. A tensor is the matrix of its last axis by all others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from flatbuffers import number_types
from flatbuffers.table import Table

from sparsec.formats import Dcsr, Delta4, SparseFormat
from sparsec.frontends.tflite.model import Array

SPARSITY_FIELD = 3
"""Where `SparsityParameters` has the table, behind the fields of the schema."""

NNZE_FIELD = 5
"""A number; the fields in front of it are lists."""

RLE_MARK = (0xDE, 0xAD, 0xDE, 0xAD)
"""What the bitmaps of the other format say."""


_LISTS: Mapping[str, Any] = MappingProxyType(
    {
        "row_offsets": number_types.Int16Flags,
        "delta_indices": number_types.Uint8Flags,
        "group_minimums": number_types.Int8Flags,
        "bitmaps": number_types.Uint8Flags,
        "bitmasks": number_types.Uint16Flags,
    }
)
"""The fields in front of that, by the schema's order."""


@dataclass(frozen=True)
class CompressedTable:
    """What the table holds: lists by name, all of them, in the schema's order, and a number."""

    lists: Mapping[str, Array]
    nnze: int

    @property
    def is_rle(self) -> bool:
        """Whether it marks the other format. Bitmaps of dCSR can say the same, but not without a group."""
        return tuple(self.lists["bitmaps"].tolist()) == RLE_MARK and not len(
            self.lists["group_minimums"]
        )


def read_table(table: Table) -> CompressedTable:
    """The table at `table`, which is to check what it reads; what is left out is empty."""

    def numbers(field: int, flags: Any) -> Array:
        place = table.Offset(4 + 2 * field)
        dtype = number_types.to_numpy_type(flags)
        return table.GetVectorAsNumpy(flags, place) if place else np.zeros(0, dtype)

    lists = {name: numbers(field, flags) for field, (name, flags) in enumerate(_LISTS.items())}
    place = table.Offset(4 + 2 * NNZE_FIELD)
    nnze = int(table.Get(number_types.Uint32Flags, place + table.Pos)) if place else 0
    return CompressedTable(lists, nnze)


def _dcsr_table(stored: Mapping[str, Array]) -> CompressedTable:
    return CompressedTable({name: stored[name] for name in _LISTS}, int(stored["nnze"][0]))


def _rle_table(stored: Mapping[str, Array]) -> CompressedTable:
    lists = {
        "row_offsets": stored["counts"].view(np.int16),
        "delta_indices": stored["steps"],
        "group_minimums": np.zeros(0, np.int8),
        "bitmaps": np.array(RLE_MARK, np.uint8),
        "bitmasks": np.zeros(0, np.uint16),
    }
    return CompressedTable(lists, 0)


METHODS: Mapping[str, tuple[SparseFormat, Callable[[Mapping[str, Array]], CompressedTable]]] = (
    MappingProxyType({"dcsr": (Dcsr(), _dcsr_table), "rle": (Delta4(), _rle_table)})
)
"""By dCSR's names: the format and how its arrays lie in the table."""


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """The matrix that a tensor of `shape` is, of its last axis by all others."""
    return prod(shape[:-1]), shape[-1]


def compressed(weights: Array, method: str) -> tuple[Array, CompressedTable]:
    """The values int8 [stored] and the table of int8 weights. ValueError where the format cannot hold them."""
    format, table = METHODS[method]
    stored = format.pack(weights.reshape(matrix_shape(weights.shape)))
    return stored["values"], table(stored)


def expanded(values: Array, table: CompressedTable, shape: tuple[int, ...]) -> Array:
    """The int8 weights of `shape` that are stored. ValueError where what is stored leads out of them."""
    stored: dict[str, Array] = {"values": values.view(np.int8)}
    if table.is_rle:
        stored["steps"] = table.lists["delta_indices"]
        stored["counts"] = table.lists["row_offsets"].view(np.uint16)
        format: SparseFormat = Delta4()
    else:
        stored |= table.lists
        stored["nnze"] = np.array([table.nnze], np.uint32)
        format = Dcsr()
    return format.read(stored, matrix_shape(shape)).reshape(shape)
