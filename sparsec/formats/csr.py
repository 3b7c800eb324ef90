# SPDX-License-Identifier: Apache-2.0
"""Compressed sparse rows: the column of every non-zero, and where each row starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat, check_columns, check_length
from sparsec.formats.walks import check_places, rows_of

MAX_COLUMNS = 65536


@dataclass(frozen=True)
class Csr(SparseFormat):
    """The classic layout; its arrays are called as in MLIR's sparse tensors.

    - `values`: int8 [number of non-zeros], row after row, by increasing column;
    - `coordinates`: the column of each value, uint8 when the matrix has at most 256 columns, else
      uint16;
    - `positions`: [rows + 1], row r is the values positions[r] to positions[r + 1] - 1; uint16
      when the matrix has at most 65535 elements, else uint32.
    """

    name: ClassVar[str] = "csr"

    def check(self, shape: tuple[int, ...]) -> None:
        super().check(shape)
        check_columns(shape[1], MAX_COLUMNS, "the coordinates of csr")
        if shape[0] * shape[1] >= 2**32:
            raise ValueError(f"the positions of csr do not reach {shape[0] * shape[1]} elements")

    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        rows, columns = shape
        return {
            "values": np.int8,
            "coordinates": np.uint8 if columns <= 256 else np.uint16,
            "positions": np.uint16 if rows * columns <= 65535 else np.uint32,
        }

    def stored_bytes(self, dense: NDArray[np.int8]) -> int:
        types = self.element_types(self._checked(dense).shape)
        per_value = 1 + np.dtype(types["coordinates"]).itemsize
        per_row = np.dtype(types["positions"]).itemsize
        return int(np.count_nonzero(dense)) * per_value + (len(dense) + 1) * per_row

    def _encode(self, dense: NDArray[np.int8]) -> Components:
        types = self.element_types(dense.shape)
        rows, columns = np.nonzero(dense)
        positions = np.append(0, np.cumsum(np.bincount(rows, minlength=len(dense))))
        return {
            "values": dense[rows, columns],
            "coordinates": columns.astype(types["coordinates"]),
            "positions": positions.astype(types["positions"]),
        }

    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        values, columns = components["values"], components["coordinates"].astype(np.int64)
        check_length(columns, len(values), "coordinates of csr")
        positions = components["positions"].astype(np.int64)
        check_length(positions, shape[0] + 1, "positions of csr")
        if positions[0] != 0 or (np.diff(positions) < 0).any():
            raise ValueError("positions of csr do not grow from 0")
        rows = rows_of(np.diff(positions), len(values), shape)
        check_places(rows, columns, shape[1])
        dense = np.zeros(shape, np.int8)
        dense[rows, columns] = values
        return dense
