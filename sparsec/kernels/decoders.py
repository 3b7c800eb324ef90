# SPDX-License-Identifier: Apache-2.0
"""Decoders: weights of a compact format become `delta8` in memory once for each inference, in front of their kernel.

That saves flash and costs 8 to 20 instructions for a weight, so it pays where a weight meets many pixels. The entries
are as many as `delta8` has, so that their memory is planned like any buffer.
"""

from collections.abc import Callable, Mapping
from math import exp, floor

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir.constant import ui8, ui16
from sparsec.ir.rt.decode import DECODERS as OPERATIONS
from sparsec.ir.rt.decode import DecodeOp
from sparsec.kernels.branches import Lists, of_choice, of_loop
from sparsec.kernels.cost import Cost, Costed, Fit, costs_on
from sparsec.kernels.layer import Layer
from sparsec.kernels.linear_rows import BYTE_PLACES
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored, stored_for_decoder
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import VectorUnit

CSR_UNROLLED = 4
"""Entries that the loop of `sparsec_decode_csr_s8` takes at once."""

DCSR_LANES = 16


class Decoder(Costed):
    """The C function of the operation `operation`."""

    def __init__(self, operation: type[DecodeOp]):
        self.operation = operation
        self.function = operation.C_FUNCTION

    def stored(self, layer: Layer, format: SparseFormat) -> Stored:
        """What is decoded. ValueError where `format` cannot hold the weights."""
        return stored_for_decoder(format, layer.components(format), layer.matrix)

    def decoded_bytes(self, layer: Layer) -> int:
        """The memory of the decoded weights. ValueError where `delta8` cannot hold them."""
        return sum(array.nbytes for array in layer.components(Delta8()).values())

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return _LOOPS[self.function](work, stored)

    def build(
        self, low: Lowering, layer: Layer, format: SparseFormat, arrays: Mapping[str, SSAValue]
    ) -> dict[str, SSAValue]:
        """Insert the call; `arrays` with the arrays of `delta8` in the place of those of `format`."""
        rows, columns = layer.matrix.shape
        names = format.element_types((rows, columns))
        entries = low.allocate(ui8, len(layer.components(Delta8())["entries"]))
        counts = low.allocate(ui16, rows)
        stored = {name: arrays[name] for name in names}
        low.call(self.operation(format, columns, stored, entries, counts))
        others = {name: value for name, value in arrays.items() if name not in names}
        return {"entries": entries, "counts": counts, **others}


DECODERS: tuple[Decoder, ...] = tuple(map(Decoder, OPERATIONS))


def decoder_of(format: SparseFormat) -> Decoder | None:
    """What decodes `format`, None if nothing does."""
    return next((each for each in DECODERS if each.operation.takes(format)), None)


def least_decoding(cpu: str, rows: int, weights: int) -> Cost:
    """What any decoder takes at least that the core has costs of, for so many rows and weights that are not zero: each of
    these is done in a loop of its own, whatever else there is."""
    functions = {each.function for each in DECODERS}
    fits = (fit for row, fit in costs_on(cpu).items() if row.split()[0] in functions)
    least = [_least(fit, rows, weights) for fit in fits]
    if not least:
        return Cost(0, 0)
    return Cost(min(each.instructions for each in least), min(each.cycles for each in least))


def _least(fit: Fit, rows: int, weights: int) -> Cost:
    each = [fit[name] for name in ("weights", "entries", "wide entries") if name in fit]
    totals = (
        fit["calls"][what] + rows * fit["rows"][what] + weights * min(loop[what] for loop in each)
        for what in ("instructions", "cycles")
    )
    return Cost(*(floor(total) for total in totals))


def decode(work: Workload, stored: Stored) -> dict[str, int]:
    """What decoders share that read weight by weight."""
    return {
        "calls": 1,
        "rows": work.outputs[2],
        "weights": stored.entries - stored.zeros,
        "zeros": stored.zeros,
    }


def decode_nibbles(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_delta4_s8`, where bridges are zeros. Two steps share a byte, which two rows may share too."""
    rows = work.outputs[2]
    lists = Lists.of(stored.entries, rows, max(work.columns, -(-stored.entries // rows)))
    empty, (_, odd) = float(lists.counts[0]), lists.in_groups(2)[1].tolist()
    # Where any row is odd, half of the rows begin within a byte.
    within = 0.5 * (odd > 0)
    first = within * (1 - empty)
    last = (1 - within) * odd + within * (1 - odd - empty)
    ends = of_choice(first) + of_choice(last) + of_loop(lists.in_groups(2)[0])
    return {
        **decode(work, stored),
        "singles": round(rows * (first + last)),
        "surprises": round(rows * ends),
    }


def decode_csr(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_csr_s8`. Each copy of its loop has an end of its own."""
    rows, wide = work.outputs[2], work.columns > BYTE_PLACES
    lists = Lists.of(stored.entries, rows, work.columns)
    number = np.arange(work.columns + 1)
    surprises = 0.0
    for copy in range(CSR_UNROLLED):
        passed = lists.mean((number - copy + CSR_UNROLLED) // CSR_UNROLLED)
        ends = lists.mean(number % CSR_UNROLLED == copy)
        surprises += passed * of_choice(ends / passed) if passed else 0.0
    return {
        "calls": 1,
        "rows": rows,
        "rows used": round(lists.used),
        "entries": stored.entries * (not wide),
        "wide entries": stored.entries * wide,
        "surprises": round(rows * surprises),
    }


def decode_bitmap(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_bitmap_s8`. The bytes of a row behind its last word are a word too, read byte by byte where the row has
    no other."""
    rows, row_bytes = work.outputs[2], -(-work.columns // 8)
    words, tail = divmod(row_bytes, 4)
    share = Lists.of(stored.entries, rows, work.columns).share
    loops = {"calls": 1, "rows": rows, "entries": stored.entries}
    surprises = 0.0
    left = work.columns - 32 * words
    for name, lists in (
        ("words", Lists(rows * words, 32, share)),
        ("tails", Lists(rows * (tail > 0), max(1, left), share)),
    ):
        loops |= {name: lists.rows, f"{name} used": round(lists.used)}
        used = 1 - float(lists.counts[0])
        surprises += lists.rows * (of_choice(used) + of_loop(lists.counts))
    short = rows * (words == 0)
    return loops | {
        "short tails": short,
        "short tails, bytes": short * tail,
        "surprises": round(surprises),
    }


def decode_groups(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_nm_s8`."""
    return {
        **decode(work, stored),
        "blocks": stored.blocks,
        "surprises": surprises(stored.entries, stored.zeros),
    }


def decode_lanes(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_dcsr_s8`, whose blocks are bit masks, by groups of 16 lanes and words of four of them."""
    rows = work.outputs[2]
    lists = Lists.of(stored.entries, rows, max(work.columns, -(-stored.entries // rows)))
    number = np.arange(len(lists.counts))
    whole, left = lists.in_groups(DCSR_LANES)
    full, last = rows * float(whole @ np.arange(len(whole))), rows * (1 - float(left[0]))
    words = rows * lists.mean(-(-(number % DCSR_LANES) // 4))
    masks = stored.blocks / max(1.0, 4 * full + words)
    return {
        **decode(work, stored),
        "rows used": round(lists.used),
        "full groups": round(full),
        "last groups": round(last),
        "last groups, words": round(words),
        "full groups, masks": round(masks * 4 * full),
        "last groups, masks": round(masks * words),
        "surprises": surprises(stored.entries, stored.zeros),
    }


def decode_blocks(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_row_block_s8`, and what `sparsec_decode_block_s8` does of rows. Blocks are taken to lie anywhere."""
    width = stored.entries // max(1, stored.blocks)
    in_row, edge = -(-work.columns // max(1, width)), -work.columns % max(1, width)
    at_edge = stored.blocks / in_row if edge else 0
    outside = round(at_edge * edge)
    inside = max(0, stored.zeros - outside)
    return {
        **decode(work, stored),
        "blocks": stored.blocks,
        "blocks at the edge": round(at_edge),
        "surprises": surprises(stored.entries - outside, inside),
    }


def surprises(entries: int, zeros: int) -> int:
    """How often the branch on whether an entry is a zero is predicted wrongly, where zeros lie anywhere."""
    return round(entries * of_choice(min(1.0, zeros / max(1, entries))))


def decode_block_rows(work: Workload, stored: Stored) -> tuple[str, Loops]:
    """`sparsec_decode_block_s8`: the path it takes, and its loops. Blocks are taken to lie anywhere."""
    rows = work.outputs[2]
    used = {"rows with blocks": round(rows * (1 - exp(-stored.blocks / rows)))}
    if stored.entries == stored.blocks > 0:
        wide = stored.blocks * (work.columns > BYTE_PLACES)
        return "columns", {**decode_groups(work, stored), **used, "wide blocks": wide}
    return "tiles", {**decode_blocks(work, stored), **used}


def decode_records(work: Workload, stored: Stored) -> tuple[str, Loops]:
    """`sparsec_decode_block_rle_s8`: the path it takes, and its loops."""
    if stored.entries == stored.blocks > 0:
        loops = decode(work, stored)
        return "single", {name: loops[name] for name in ("calls", "rows", "weights")}
    # The first of a record is not a zero.
    wrong = surprises(stored.entries - stored.blocks, stored.zeros)
    path = "pairs" if stored.entries == 2 * stored.blocks else "records"
    return path, {**decode(work, stored), "blocks": stored.blocks, "surprises": wrong}


def _one_path(
    loops: Callable[[Workload, Stored], Loops],
) -> Callable[[Workload, Stored], tuple[str, Loops]]:
    return lambda work, stored: ("", loops(work, stored))


_LOOPS: Mapping[str, Callable[[Workload, Stored], tuple[str, Loops]]] = {
    "sparsec_decode_delta4_s8": _one_path(decode_nibbles),
    "sparsec_decode_csr_s8": _one_path(decode_csr),
    "sparsec_decode_bitmap_s8": _one_path(decode_bitmap),
    "sparsec_decode_nm_s8": _one_path(decode_groups),
    "sparsec_decode_row_block_s8": _one_path(decode_blocks),
    "sparsec_decode_block_s8": decode_block_rows,
    "sparsec_decode_dcsr_s8": _one_path(decode_lanes),
    "sparsec_decode_block_rle_s8": decode_records,
}
