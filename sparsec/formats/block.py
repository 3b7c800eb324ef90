# SPDX-License-Identifier: Apache-2.0
"""Block sparsity: tiles of R x C weights of which those that are all zero are left out.

From 1x4 and 4x1, the shapes that vector and DSP kernels read, to the tile of 64 filters by 32 input
channels that neural accelerators skip. Blocks of one row follow `delta8`; taller ones the block CSR
of BLAS libraries, with the storage of 4x1 blocks that dual 16-bit multiply-accumulates read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat, check_columns, check_length, check_number
from sparsec.formats.walks import (
    Integers,
    check_places,
    columns_of,
    entry_counts,
    rows_of,
    steps_of,
    with_bridges,
)

MAX_SIDE = 256
MAX_STEP = 255
MAX_BLOCK_COLUMNS = 65536


@dataclass(frozen=True)
class Block(SparseFormat):
    """The matrix is cut into blocks of `rows` x `columns`, each 1..256, from its first element on.

    Rows and columns are filled up with zeros to whole blocks, which are always stored whole. Blocks
    whose columns divide the input channels never cross a tap of the kernel. A block row is a row of
    blocks; its stored blocks are by increasing block column.

    With `rows` = 1 the components are

    - `entries`: uint8 [stored blocks * (1 + columns)], for each block its step in blocks from the
      one before (the first from block 0), then its weights as two's complement bytes; a step over
      255 is bridged by blocks (255, zeros); with `columns` = 1 this is delta8;
    - `counts`: uint16 [rows of the matrix], the number of stored blocks of each row, with bridges.

    With more rows they are

    - `values`: int8 [stored blocks * rows * columns], the blocks one after the other, each in
      row-major order, unless they are one column wide and an even number of rows high. Such blocks
      go in pairs (i, j): for rows 0 and 1 the bytes i0 i1 j0 j1, for rows 2 and 3 i2 i3 j2 j3, and
      so on. With `bits` = 16, which only they can have, `values` is int16 and a pair is i0 j0 i1 j1
      i2 j2 and so on. A block row with an odd number of blocks gets a block of zeros with index 0;
    - `indices`: the block column of each, uint8 when there are at most 256 of them, else uint16;
    - `counts`: uint16 [block rows], the number of blocks of each block row, with the one of zeros.
    """

    name: ClassVar[str] = "block"
    rows: int
    columns: int
    bits: int = 8

    def __post_init__(self) -> None:
        check_number(self.rows, 1, MAX_SIDE, "rows of block")
        check_number(self.columns, 1, MAX_SIDE, "columns of block")
        if self.bits not in (8, 16):
            raise ValueError(f"bits of block are 8 or 16, not {self.bits}")
        if self.bits == 16 and not self.in_pairs:
            raise ValueError(
                "only blocks of one column and an even number of rows have 16 bits, "
                f"not {self.rows}x{self.columns}"
            )

    @property
    def label(self) -> str:
        width = "" if self.bits == 8 else f",int{self.bits}"
        return f"block({self.rows}x{self.columns}{width})"

    @property
    def in_pairs(self) -> bool:
        """Whether blocks are stored in interleaved pairs."""
        return self.columns == 1 and self.rows % 2 == 0

    def check(self, shape: tuple[int, ...]) -> None:
        super().check(shape)
        if self.rows > 1:
            limit = MAX_BLOCK_COLUMNS * self.columns
            check_columns(shape[1], limit, f"the indices of {self.label}")

    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        if self.rows == 1:
            return {"entries": np.uint8, "counts": np.uint16}
        index = np.uint8 if self._grid(shape)[1] <= 256 else np.uint16
        value = np.int8 if self.bits == 8 else np.int16
        return {"values": value, "indices": index, "counts": np.uint16}

    def _encode(self, dense: NDArray[np.int8]) -> Components:
        block_rows, block_columns = self._grid(dense.shape)
        below = block_rows * self.rows - dense.shape[0]
        beside = block_columns * self.columns - dense.shape[1]
        blocks = np.pad(dense, ((0, below), (0, beside))).reshape(
            block_rows, self.rows, block_columns, self.columns
        )
        rows, columns = np.nonzero(blocks.any(axis=(1, 3)))
        values = blocks[rows, :, columns].reshape(len(rows), self.rows * self.columns)
        if self.rows == 1:
            return self._encode_entries(rows, columns, values, block_rows)
        if self.in_pairs:
            odd = np.flatnonzero(np.bincount(rows, minlength=block_rows) % 2)
            after = np.searchsorted(rows, odd, side="right")
            rows = np.insert(rows, after, odd)
            columns = np.insert(columns, after, 0)
            values = interleave(np.insert(values, after, 0, axis=0), self.bits)
        no_bridges = np.zeros(len(rows), np.int64)
        types = self.element_types(dense.shape)
        return {
            "values": values.reshape(-1).astype(types["values"]),
            "indices": columns.astype(types["indices"]),
            "counts": entry_counts(rows, no_bridges, block_rows, f"{self.label} blocks"),
        }

    def _encode_entries(
        self, rows: Integers, columns: Integers, values: NDArray[np.int8], row_count: int
    ) -> Components:
        """The components of blocks of one row."""
        steps = steps_of(rows, columns)
        bridges = np.maximum(steps - 1, 0) // MAX_STEP
        counts = entry_counts(rows, bridges, row_count, f"{self.label} blocks")
        steps, own = with_bridges(steps, bridges, MAX_STEP)
        entries = np.zeros((len(steps), 1 + self.columns), np.uint8)
        entries[:, 0] = steps
        entries[own, 1:] = values.view(np.uint8)
        return {"entries": entries.reshape(-1), "counts": counts}

    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        grid = self._grid(shape)
        if self.rows == 1:
            stream = components["entries"]
            if len(stream) % (1 + self.columns):
                raise ValueError(f"{len(stream)} bytes are no list of whole {self.label} entries")
            entries = stream.reshape(-1, 1 + self.columns)
            rows = rows_of(components["counts"], len(entries), grid)
            columns = columns_of(entries[:, 0], rows, grid[1])
            values = np.ascontiguousarray(entries[:, 1:]).view(np.int8)
        else:
            columns = components["indices"].astype(np.int64)
            size = self.rows * self.columns
            check_length(components["values"], len(columns) * size, f"values of {self.label}")
            rows = rows_of(components["counts"], len(columns), grid)
            check_places(rows, columns, grid[1])
            values = components["values"].reshape(len(columns), size)
            if self.in_pairs:
                if len(columns) % 2:
                    raise ValueError(f"{len(columns)} blocks of {self.label} are no pairs")
                values = separate(values, self.bits)
        # Values beyond int8 change here and so are no packing of the result.
        blocks = np.zeros((grid[0], self.rows, grid[1], self.columns), np.int8)
        stored = np.flatnonzero(values.any(axis=1))  # blocks of zeros may stand on another's place
        blocks[rows[stored], :, columns[stored]] = values[stored].reshape(
            -1, self.rows, self.columns
        )
        dense = blocks.reshape(grid[0] * self.rows, -1)
        return np.ascontiguousarray(dense[: shape[0], : shape[1]])

    def _grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """The number of block rows and of block columns of a matrix of `shape`."""
        return -(-shape[0] // self.rows), -(-shape[1] // self.columns)


def interleave(blocks: NDArray[Any], bits: int) -> NDArray[Any]:
    """Blocks [even number, even number of rows] in the order in which pairs of so many bits are stored."""
    together = 16 // bits
    pairs = blocks.reshape(len(blocks) // 2, 2, blocks.shape[1] // together, together)
    return pairs.transpose(0, 2, 1, 3).reshape(blocks.shape)


def separate(blocks: NDArray[Any], bits: int) -> NDArray[Any]:
    """The inverse of `interleave`."""
    together = 16 // bits
    pairs = blocks.reshape(len(blocks) // 2, blocks.shape[1] // together, 2, together)
    return pairs.transpose(0, 2, 1, 3).reshape(blocks.shape)
