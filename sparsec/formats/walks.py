# SPDX-License-Identifier: Apache-2.0
"""Walks: the places of a row as steps from one to the next, the first from column 0.

A step that is too long for its field is bridged by entries with the longest step.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

MAX_COUNT = 65535
"""The most entries of a row: counts are uint16."""


def steps_of(rows: Integers, columns: Integers) -> Integers:
    """The steps to the places (rows, columns), which are in row-major order."""
    starts_row = np.diff(rows, prepend=-1) != 0
    return np.where(starts_row, columns, np.diff(columns, prepend=0))


def with_bridges(steps: Integers, bridges: Integers, longest: int) -> tuple[Integers, Integers]:
    """The steps of all entries when `bridges[i]` entries of step `longest` go before step i.

    Also where among them the given steps are; the others are bridges.
    """
    own = np.cumsum(bridges + 1) - 1
    entries = np.full(int((bridges + 1).sum()), longest, np.int64)
    entries[own] = steps - longest * bridges
    return entries, own


def entry_counts(
    rows: Integers, bridges: Integers, row_count: int, what: str
) -> NDArray[np.uint16]:
    """The number of entries of each row, uint16 [row_count].

    ValueError when a row has too many; `what` is the name of the entries.
    """
    counts = np.bincount(rows, minlength=row_count)
    bridged = np.flatnonzero(bridges)
    np.add.at(counts, rows[bridged], bridges[bridged])
    longest = int(counts.argmax())
    if counts[longest] > MAX_COUNT:
        raise ValueError(f"row {longest} needs {counts[longest]} {what}, more than {MAX_COUNT}")
    return counts.astype(np.uint16)


def rows_of(counts: NDArray[Any], entries: int, shape: tuple[int, ...]) -> Integers:
    """The row of each of `entries` entries. ValueError when the counts are not those of `shape`."""
    total = int(counts.sum(dtype=np.int64))
    if len(counts) != shape[0] or total != entries:
        raise ValueError(
            f"{entries} entries in {len(counts)} rows do not make a matrix of shape {list(shape)}"
        )
    return np.repeat(np.arange(len(counts)), counts)


def columns_of(steps: NDArray[Any], rows: Integers, columns: int) -> Integers:
    """The columns to which `steps` lead. ValueError when one is not below `columns`."""
    reached = np.cumsum(steps, dtype=np.int64)
    before = reached - steps
    starts = np.diff(rows, prepend=-1) != 0
    reached -= before[np.maximum.accumulate(np.where(starts, np.arange(len(rows)), 0))]
    check_places(rows, reached, columns)
    return reached


def check_places(rows: Integers, columns: Integers, limit: int) -> None:
    """Raise ValueError when one of the `columns`, by row in `rows`, is not below `limit`."""
    beyond = np.flatnonzero(columns >= limit)
    if len(beyond):
        row, column = rows[beyond[0]], columns[beyond[0]]
        raise ValueError(f"row {row} reaches column {column} of {limit}")
