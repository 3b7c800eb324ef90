"""Unstructured sparsity as a list of (column step, value) pairs per row, two bytes a pair."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat, check_matrix

MAX_STEP = 255
MAX_ENTRIES_PER_ROW = 65535


@dataclass(frozen=True)
class Delta8(SparseFormat):
    """Each row is a walk along its columns that starts at column 0.

    An entry adds its step to the column and multiplies what is there by its value. A gap over 255
    is bridged by entries (255, 0). The components are

    - `entries`: uint8 [2 * number of entries], each entry its step and then its value, as the two's
      complement byte; the rows follow each other without padding;
    - `counts`: uint16 [rows], the number of entries of each row.
    """

    name: ClassVar[str] = "delta8"

    def check(self, shape: tuple[int, ...]) -> None:
        check_matrix(shape)

    def pack(self, dense: NDArray[np.int8]) -> Components:
        self.check(dense.shape)
        if dense.dtype != np.int8:
            raise ValueError(f"delta8 stores int8 values, not {dense.dtype}")
        rows, columns = np.nonzero(dense)
        starts_row = np.diff(rows, prepend=-1) != 0
        steps = np.where(starts_row, columns, np.diff(columns, prepend=0))
        bridges = np.maximum(steps - 1, 0) // MAX_STEP

        counts = np.bincount(rows, weights=bridges + 1, minlength=dense.shape[0]).astype(np.int64)
        longest = int(counts.argmax())
        if counts[longest] > MAX_ENTRIES_PER_ROW:
            raise ValueError(
                f"row {longest} needs {counts[longest]} delta8 entries, more than {MAX_ENTRIES_PER_ROW}"
            )

        entries = np.tile(np.array([MAX_STEP, 0], np.uint8), (int(counts.sum()), 1))
        last_of_each = np.cumsum(bridges + 1) - 1
        entries[last_of_each, 0] = steps - MAX_STEP * bridges
        entries[last_of_each, 1] = dense[rows, columns].view(np.uint8)
        return {"entries": entries.reshape(-1), "counts": counts.astype(np.uint16)}

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        self.check(shape)
        entries = components["entries"].reshape(-1, 2)
        counts = components["counts"].astype(np.int64)
        if len(counts) != shape[0] or counts.sum() != len(entries):
            raise ValueError(
                f"{len(entries)} entries in {len(counts)} rows do not make a matrix of shape {list(shape)}"
            )
        dense = np.zeros(shape, np.int8)
        ends = np.cumsum(counts)
        for row, (start, end) in enumerate(zip(ends - counts, ends, strict=True)):
            steps = entries[start:end, 0]
            columns = np.cumsum(steps, dtype=np.int64)
            if len(columns) and columns[-1] >= shape[1]:
                raise ValueError(f"row {row} reaches column {columns[-1]} of {shape[1]}")
            if not steps[1:].all():
                raise ValueError(f"row {row} names a column twice")
            dense[row, columns] = np.ascontiguousarray(entries[start:end, 1]).view(np.int8)
        return dense
