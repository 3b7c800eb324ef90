# SPDX-License-Identifier: Apache-2.0
"""What is stored of a layer, as its cost sees it: counts only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsec.formats import Bitmap, Block, BlockRle, Csr, Dcsr, Delta4, Delta8, Nm, SparseFormat
from sparsec.formats.base import Components
from sparsec.formats.dcsr import LANES
from sparsec.kernels.branches import in_jumps, in_loops
from sparsec.layouts.linear_vectors import read_four_row_words
from sparsec.layouts.packed_rows import GENERIC, unpack_rows
from sparsec.layouts.remembered import remembered

PASS = 4
"""Weights that the loop over a row of `sparsec_convolve_packed_s8` takes at once."""


@dataclass(frozen=True)
class Stored:
    """`entries`: weights, padding included. `blocks`: what they are stored in, 0 where they are single. `zeros`: the
    entries among them that are zero. `triples`: how many three of them are one. `groups`: of rows
    that end in the same way. `surprises`: what is predicted wrongly when they are walked once. `slow`: outputs that are done by code for
    any sum, multiplier, shift and clamp, which takes longer than what most of them allow; `slow_entries` and
    `slow_triples` are theirs, and `slow_odd` of them have an odd number of entries. `left`: outputs whose shift is to the left, or none,
    so that kernels which do any sum need not round. `short`: groups of entries that are not full."""

    entries: int = 0
    blocks: int = 0
    zeros: int = 0
    triples: int = 0
    groups: int = 0
    surprises: int = 0
    slow: int = 0
    slow_entries: int = 0
    slow_triples: int = 0
    slow_odd: int = 0
    left: int = 0
    short: int = 0


NOTHING = Stored()
"""Of dense weights whose sums are shifted to the right."""


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


def stored_in_vectors(rows: NDArray[np.int32], height: int, group: int) -> Stored:
    """What the array `rows` of a layout for Helium holds; `blocks` are vectors of `group` entries, full or not."""
    _, counts = read_four_row_words(rows, height)
    return Stored(int(counts.sum()), int((-(-counts // group)).sum()))


def stored_in_groups(components: Components) -> Stored:
    """What dCSR stores; `blocks` are bit masks."""
    entries, offsets = len(components["values"]), components["row_offsets"]
    counts = offsets.astype(np.int64) + entries // len(offsets)
    return Stored(
        entries,
        len(components["bitmasks"]),
        groups=len(components["group_minimums"]),
        short=int(np.count_nonzero(counts % LANES)),
    )


@remembered(1024)
def stored_packed(stream: NDArray[np.int32]) -> Stored:
    """What the stream of `pack_rows` holds."""
    rows = unpack_rows(stream)
    entries = sum(len(row.entries) for row in rows)
    zeros = sum(int(np.count_nonzero(row.entries[:, 1] == 0)) for row in rows)
    blocks = sum(len(row.blocks) for row in rows if row.blocks is not None)
    of_slow = [len(row.entries) for row in rows if row.kind == GENERIC]
    others = [len(row.entries) for row in rows if row.kind != GENERIC and row.blocks is None]
    return Stored(
        entries,
        blocks,
        zeros,
        groups=len({(row.kind, row.shift) for row in rows}),
        surprises=in_jumps([n % PASS for n in others]) + in_loops([-(-n // PASS) for n in others]),
        slow=len({row.channel for row in rows if row.kind == GENERIC}),
        slow_entries=sum(of_slow),
        slow_odd=sum(n % 2 for n in of_slow),
    )
