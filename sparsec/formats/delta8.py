# SPDX-License-Identifier: Apache-2.0
"""Unstructured sparsity as a list of (column step, value) pairs per row, two bytes a pair."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat
from sparsec.formats.walks import columns_of, entry_counts, rows_of, steps_of, with_bridges

MAX_STEP = 255


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

    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        return {"entries": np.uint8, "counts": np.uint16}

    def _encode(self, dense: NDArray[np.int8]) -> Components:
        rows, columns = np.nonzero(dense)
        steps = steps_of(rows, columns)
        bridges = np.maximum(steps - 1, 0) // MAX_STEP
        counts = entry_counts(rows, bridges, dense.shape[0], "delta8 entries")
        steps, own = with_bridges(steps, bridges, MAX_STEP)
        entries = np.zeros((len(steps), 2), np.uint8)
        entries[:, 0] = steps
        entries[own, 1] = dense[rows, columns].view(np.uint8)
        return {"entries": entries.reshape(-1), "counts": counts}

    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        entries = components["entries"]
        if len(entries) % 2:
            raise ValueError(f"{len(entries)} bytes are no list of delta8 entries of two bytes")
        steps, values = entries[::2], entries[1::2]
        rows = rows_of(components["counts"], len(steps), shape)
        columns = columns_of(steps, rows, shape[1])
        twice = np.flatnonzero((steps == 0) & (np.diff(rows, prepend=-1) == 0))
        if len(twice):
            raise ValueError(f"row {rows[twice[0]]} names a column twice")
        dense = np.zeros(shape, np.int8)
        dense[rows, columns] = values.astype(np.uint8, order="C").view(np.int8)
        return dense
