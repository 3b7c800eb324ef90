# SPDX-License-Identifier: Apache-2.0
"""Delta-compressed sparse rows: columns as residuals from a straight line, in groups of 16 lanes.

The format of Trommer et al., "dCSR: A Memory-Efficient Sparse Matrix Representation for Parallel
Neural Network Inference" (ICCAD 2021), to the bit. All arithmetic here is in int64, so a residual
that does not fit is seen; the published encoder wraps some of them and stores a wrong matrix.
"""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappush, heapreplace
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat, check_length
from sparsec.formats.delta4 import pack_nibbles, unpack_nibbles

Integers: TypeAlias = NDArray[np.int64]

LANES = 16
MIN_MINIMUM, MAX_MINIMUM = -127, 126
REACH = 256
"""What delta + slope * lane is less than."""
LANE = np.arange(LANES)
EXTENSION_BITS = np.arange(4, 8)


@dataclass(frozen=True)
class Dcsr(SparseFormat):
    """The n stored elements of a row, by column, are in groups of 16 lanes; the last may be short.

    The slope of a row is s = (columns + n // 2) // n. Lane j of a group at column c has the
    residual c - s * j. The minimum of a group is its smallest residual, the delta of a lane its
    residual less the minimum, 0 in lanes without element. A row whose numbers do not fit stores
    explicit zeros: as long as, in any of the 16 lanes, delta + s * j is 256 or more, or a stored
    minimum is not within -127..126, a zero goes into the middle (a + b) // 2 of the widest gap
    between two elements a < b, the first of the widest, with a = -1 before the row and b = columns
    behind it. The components are

    - `values`: int8 [elements], row after row;
    - `row_offsets`: int16 [rows], the elements of the row less nnze // rows;
    - `delta_indices`: uint8 [16 * ceil(groups / 2)], the lower four bits of the deltas; groups are
      numbered over the whole matrix and go in pairs, whose byte j has lane j of the even group in
      its upper half and lane j of the odd one in its lower half;
    - `group_minimums`: int8 [groups], the minimum of the first group of a row, for each other the
      minimum less that of the group before and less 16 * s;
    - `bitmaps`: uint8 [ceil(groups / 2)], four bits per group, the even one in the upper half; bit
      b is set when bit 4 + b of a delta of the group is;
    - `bitmasks`: uint16, for each bit that is set in the bitmaps, by group and then by bit, the
      lanes whose delta has that bit, lane j as bit j;
    - `nnze`: uint32 [1], the number of elements.

    A half without group is zero.
    """

    name: ClassVar[str] = "dcsr"

    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        return {
            "values": np.int8,
            "row_offsets": np.int16,
            "delta_indices": np.uint8,
            "group_minimums": np.int8,
            "bitmaps": np.uint8,
            "bitmasks": np.uint16,
            "nnze": np.uint32,
        }

    def _encode(self, dense: NDArray[np.int8]) -> Components:
        rows = [encode_row(row != 0) for row in dense]
        values = [dense[index, row.columns] for index, row in enumerate(rows)]
        counts = np.array([len(row.columns) for row in rows])
        offsets = counts - counts.sum() // len(rows)
        if offsets.max() > 32767 or offsets.min() < -32768 or counts.sum() >= 2**32:
            raise ValueError("the lengths of the rows differ by more than dcsr can store")
        deltas = np.concatenate([row.deltas for row in rows])
        paired = np.append(deltas, np.zeros((len(deltas) % 2, LANES), np.int64), axis=0)
        low = (paired & 15).reshape(-1, 2, LANES)
        # [groups, extension bit, lane]
        extension = deltas[:, None, :] >> EXTENSION_BITS[:, None] & 1
        is_set = extension.any(axis=2)
        return {
            "values": np.concatenate(values),
            "row_offsets": offsets.astype(np.int16),
            "delta_indices": (low[:, 0] << 4 | low[:, 1]).astype(np.uint8).reshape(-1),
            "group_minimums": np.concatenate([row.minimums for row in rows]).astype(np.int8),
            "bitmaps": pack_nibbles(is_set @ (1 << np.arange(4))),
            "bitmasks": (extension[is_set] @ (1 << LANE)).astype(np.uint16),
            "nnze": counts.sum(keepdims=True).astype(np.uint32),
        }

    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        values, minimums = components["values"], components["group_minimums"].astype(np.int64)
        check_length(components["nnze"], 1, "nnze of dcsr")
        check_length(components["row_offsets"], shape[0], "row_offsets of dcsr")
        check_length(values, int(components["nnze"][0]), "values of dcsr")
        counts = components["row_offsets"].astype(np.int64) + len(values) // shape[0]
        if counts.min() < 0 or counts.max() > shape[1] or counts.sum() != len(values):
            raise ValueError("row_offsets of dcsr do not add up to nnze")
        group_counts = -(-counts // LANES)
        check_length(minimums, int(group_counts.sum()), "group_minimums of dcsr")
        deltas = decode_deltas(components, len(minimums))

        dense = np.zeros(shape, np.int8)
        first = first_group = 0
        for row, (count, groups) in enumerate(zip(counts.tolist(), group_counts, strict=True)):
            if count:
                stored = slice(first_group, first_group + groups)
                slope = slope_of(count, shape[1])
                bases = np.cumsum(minimums[stored] + LANES * slope) - LANES * slope
                columns = (bases[:, None] + slope * LANE + deltas[stored]).reshape(-1)[:count]
                # The published encoder puts zeros in front of a single element in column 0, into its place.
                behind = columns[1:] > columns[:-1] - (values[first : first + count - 1] == 0)
                if columns[0] < 0 or columns[-1] >= shape[1] or not behind.all():
                    raise ValueError(f"row {row} of dcsr leaves its {shape[1]} columns")
                dense[row, columns] = values[first : first + count]
            first += count
            first_group += groups
        return dense


def decode_deltas(components: Mapping[str, NDArray[Any]], groups: int) -> Integers:
    """The deltas [groups, 16]. ValueError when the components are not of so many groups."""
    pairs = -(-groups // 2)
    low = components["delta_indices"]
    check_length(low, pairs * LANES, "delta_indices of dcsr")
    check_length(components["bitmaps"], pairs, "bitmaps of dcsr")
    bitmaps = unpack_nibbles(components["bitmaps"])[:groups]
    is_set = (bitmaps[:, None] >> np.arange(4) & 1).astype(np.bool_)
    check_length(components["bitmasks"], int(np.count_nonzero(is_set)), "bitmasks of dcsr")
    extension = np.zeros((groups, 4, LANES), np.int64)
    extension[is_set] = components["bitmasks"][:, None] >> LANE & 1
    halves = low.reshape(pairs, 1, LANES) >> np.array([[4], [0]]) & 15
    deltas = halves.reshape(-1, LANES)[:groups].astype(np.int64)
    return deltas + (extension << EXTENSION_BITS[:, None]).sum(axis=1)


class Row(NamedTuple):
    """A row with its explicit zeros: columns [n], deltas [groups, 16], stored minimums [groups]."""

    columns: Integers
    deltas: Integers
    minimums: Integers


def slope_of(count: int, columns: int) -> int:
    """The slope of a row with `count` elements, at least one."""
    return (columns + count // 2) // count


def encode_row(stored: NDArray[np.bool_]) -> Row:
    """The row whose elements are where `stored` [columns] is set, which gets its zeros set too."""
    columns = np.flatnonzero(stored)
    if not len(columns):
        return Row(columns, np.zeros((0, LANES), np.int64), columns)
    row = group_lanes(columns, len(stored))
    if isinstance(row, Row):
        return row
    elements = columns.tolist()
    gaps = [(a - b, a, b) for a, b in pairwise([0, *elements, len(stored)])]
    if len(elements) == 1 and elements[0]:
        gaps[0] = (-len(stored), 0, elements[0])
    heapify(gaps)
    while not isinstance(row, Row):
        # It ends: a row without gaps fits, it has slope 1 and no delta.
        _, left, right = gaps[0]
        middle = (left + right) // 2
        heapreplace(gaps, (left - middle, left, middle))
        heappush(gaps, (middle - right, middle, right))
        insort(elements, middle)
        stored[middle] = True
        slope = slope_of(len(elements), len(stored))
        if slope * (LANES - 1) >= REACH:
            continue
        # What did not fit before most often still does not, or has moved on by an element.
        if not (misfits(elements, row, slope) or misfits(elements, row + 1, slope)):
            row = group_lanes(np.flatnonzero(stored), len(stored))
    return row


def misfits(columns: list[int], group: int, slope: int) -> bool:
    """Whether a group of a row does not fit; False when there is no such group."""
    lanes = columns[LANES * group : LANES * (group + 1)]
    if not lanes:
        return False
    minimum = lowest = min(column - slope * lane for lane, column in enumerate(lanes))
    if group:
        before = columns[LANES * (group - 1) : LANES * group]
        minimum -= min(column - slope * lane for lane, column in enumerate(before)) + LANES * slope
    return lanes[-1] - lowest >= REACH or not MIN_MINIMUM <= minimum <= MAX_MINIMUM


def group_lanes(columns: Integers, width: int) -> Row | int:
    """The row of `width` columns with these elements, at least one; or a group that does not fit."""
    slope = slope_of(len(columns), width)
    missing = -len(columns) % LANES
    lanes = np.append(columns, np.full(missing, columns[-1])).reshape(-1, LANES)
    residuals = lanes - slope * LANE
    inactive = np.zeros(lanes.shape, np.bool_)
    inactive[-1, LANES - missing :] = True
    lowest = np.where(inactive, lanes, residuals).min(axis=1)
    deltas = np.where(inactive, 0, residuals - lowest[:, None])
    minimums = np.diff(lowest, prepend=0) - LANES * slope
    minimums[0] = lowest[0]
    misfit = (deltas + slope * LANE).max(axis=1) >= REACH
    misfit |= (minimums < MIN_MINIMUM) | (minimums > MAX_MINIMUM)
    if misfit.any():
        return int(misfit.argmax())
    return Row(columns, deltas, minimums)
