# SPDX-License-Identifier: Apache-2.0
"""Unstructured sparsity as 4-bit column steps and values: 1.5 bytes an entry.

The relative index of Han et al., "Deep Compression" (ICLR 2016), with the layout of the RLE-4
reference of dCSR (Trommer et al., "dCSR: A Memory-Efficient Sparse Matrix Representation for
Parallel Neural Network Inference", ICCAD 2021).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat, check_length
from sparsec.formats.walks import columns_of, entry_counts, rows_of, steps_of, with_bridges

LONGEST = 15


@dataclass(frozen=True)
class Delta4(SparseFormat):
    """Each row is a walk along its columns that starts at column 0.

    An entry is a step of 4 bits and a value. A step d is stored as d // 15 entries of step 15 and
    value 0 and then the entry of step d % 15, so step 15 always means a bridge. The components are

    - `values`: int8 [number of entries], row after row, the bridges among them;
    - `steps`: uint8 [(number of entries + 1) // 2], in the same order, an entry with even index
      in the upper four bits and the next one in the lower four; the pairs cross rows, and a last
      half byte without entry is zero;
    - `counts`: uint16 [rows], the number of entries of each row.
    """

    name: ClassVar[str] = "delta4"

    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        return {"values": np.int8, "steps": np.uint8, "counts": np.uint16}

    def _encode(self, dense: NDArray[np.int8]) -> Components:
        rows, columns = np.nonzero(dense)
        steps = steps_of(rows, columns)
        bridges = steps // LONGEST
        counts = entry_counts(rows, bridges, dense.shape[0], "delta4 entries")
        steps, own = with_bridges(steps, bridges, LONGEST)
        values = np.zeros(len(steps), np.int8)
        values[own] = dense[rows, columns]
        return {"values": values, "steps": pack_nibbles(steps), "counts": counts}

    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        values = components["values"]
        rows = rows_of(components["counts"], len(values), shape)
        check_length(components["steps"], (len(values) + 1) // 2, "steps of delta4")
        columns = columns_of(unpack_nibbles(components["steps"])[: len(values)], rows, shape[1])
        dense = np.zeros(shape, np.int8)
        stored = np.flatnonzero(values)  # a bridge may stand on the place of the next value
        dense[rows[stored], columns[stored]] = values[stored]
        return dense


def pack_nibbles(numbers: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Numbers below 16, two to a byte, the first in the upper half."""
    pairs = np.append(numbers, np.zeros(len(numbers) % 2, numbers.dtype)).reshape(-1, 2)
    return (pairs[:, 0] << 4 | pairs[:, 1]).astype(np.uint8)


def unpack_nibbles(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The two numbers of each byte, the upper half first."""
    return np.stack([packed >> 4, packed & 15], axis=1).astype(np.uint8).reshape(-1)
