# SPDX-License-Identifier: Apache-2.0
"""What is stored of sparse weights, as their cost sees it: counts only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsec.formats import Bitmap, Block, BlockRle, Csr, Dcsr, Delta4, Delta8, Nm, SparseFormat
from sparsec.formats.base import Components
from sparsec.layouts.packed_rows import GENERIC, unpack_rows
from sparsec.layouts.remembered import remembered


@dataclass(frozen=True)
class Stored:
    """`entries`: weights, padding included. `blocks`: what they are stored in, 0 where they are single. `zeros`: the
    entries among them that are zero. `slow`: outputs that are done by code for any sum, multiplier, shift and clamp, which
    takes longer than what most of them allow; `slow_entries` are theirs."""

    entries: int = 0
    blocks: int = 0
    zeros: int = 0
    slow: int = 0
    slow_entries: int = 0


NOTHING = Stored()
"""Of dense weights."""


def stored_as(encoding: SparseFormat, components: Components, weights: NDArray[np.int8]) -> Stored:
    """What a format holds of `weights`, int8 [rows, columns], which it packs to `components`."""
    blocks = 0
    match encoding:
        case Delta8():
            entries = len(components["entries"]) // 2
        case Delta4() | Bitmap() | Csr():
            entries = len(components["values"])
        case Nm():
            entries = len(components["values"])
            blocks = entries // encoding.n
        case Block():
            blocks = int(components["counts"].sum())
            entries = blocks * encoding.rows * encoding.columns
        case Dcsr():
            # A decoder works for each bit mask; groups are as many as entries make.
            entries, blocks = len(components["values"]), len(components["bitmasks"])
        case BlockRle():
            blocks = len(components["stream"]) // (1 + encoding.size)
            entries = blocks * encoding.size
        case _:
            raise ValueError(f"nothing is known of what {encoding.label} stores")
    return Stored(entries, blocks, max(0, entries - int(np.count_nonzero(weights))))


def stored_for_decoder(
    encoding: SparseFormat, components: Components, weights: NDArray[np.int8]
) -> Stored:
    """The same as a decoder sees it: of blocks only the rows inside the matrix, each by itself."""
    stored = stored_as(encoding, components, weights)
    if not isinstance(encoding, Block):
        return stored
    heights = np.minimum(encoding.rows, len(weights) - np.arange(0, len(weights), encoding.rows))
    lines = int((components["counts"] * heights).sum())
    entries = lines * encoding.columns
    return Stored(entries, lines, entries - int(np.count_nonzero(weights)))


@remembered(1024)
def stored_packed(stream: NDArray[np.int32]) -> Stored:
    """What the stream of `pack_rows` holds."""
    rows = unpack_rows(stream)
    entries = sum(len(row.entries) for row in rows)
    zeros = sum(int(np.count_nonzero(row.entries[:, 1] == 0)) for row in rows)
    blocks = sum(len(row.blocks) for row in rows if row.blocks is not None)
    slow = [row for row in rows if row.kind == GENERIC]
    outputs = len({row.channel for row in slow})
    return Stored(entries, blocks, zeros, outputs, sum(len(row.entries) for row in slow))
