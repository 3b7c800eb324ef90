# SPDX-License-Identifier: Apache-2.0
"""Decoders: weights of a compact format become `delta8` in memory once for each inference, in front of their kernel.

That saves flash and costs 8 to 20 instructions for a weight, so it pays where a weight meets many pixels. The entries
are as many as `delta8` has, so that their memory is planned like any buffer.
"""

from collections.abc import Callable, Mapping
from math import exp

from xdsl.ir import SSAValue

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir.constant import ui8, ui16
from sparsec.ir.rt.decode import DECODERS as OPERATIONS
from sparsec.ir.rt.decode import DecodeOp
from sparsec.kernels.cost import Costed
from sparsec.kernels.layer import Layer
from sparsec.kernels.linear_rows import BYTE_PLACES
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored, stored_for_decoder
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import VectorUnit


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


def decode(work: Workload, stored: Stored) -> dict[str, int]:
    """`sparsec_decode_delta4_s8`, where bridges are zeros."""
    return {
        "calls": 1,
        "rows": work.outputs[2],
        "weights": stored.entries - stored.zeros,
        "zeros": stored.zeros,
    }


def decode_csr(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_csr_s8`."""
    wide = work.columns > BYTE_PLACES
    return {
        "calls": 1,
        "rows": work.outputs[2],
        "entries": stored.entries * (not wide),
        "wide entries": stored.entries * wide,
    }


def decode_bitmap(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_bitmap_s8`."""
    words, tail = divmod(work.columns, 32)
    return {
        "calls": 1,
        "rows": work.outputs[2],
        "words": work.outputs[2] * words,
        "tails": work.outputs[2] * (tail > 0),
        "entries": stored.entries,
    }


def decode_blocks(work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_nm_s8`, `sparsec_decode_row_block_s8` and `sparsec_decode_dcsr_s8`."""
    return {**decode(work, stored), "blocks": stored.blocks}


def decode_block_rows(work: Workload, stored: Stored) -> tuple[str, Loops]:
    """`sparsec_decode_block_s8`: the path it takes, and its loops. Blocks are taken to lie anywhere."""
    rows = work.outputs[2]
    path = "columns" if stored.entries == stored.blocks > 0 else "tiles"
    used = {"rows with blocks": round(rows * (1 - exp(-stored.blocks / rows)))}
    return path, {**decode_blocks(work, stored), **used}


def decode_records(work: Workload, stored: Stored) -> tuple[str, Loops]:
    """`sparsec_decode_block_rle_s8`: the path it takes, and its loops."""
    if stored.entries == stored.blocks > 0:
        loops = decode(work, stored)
        return "single", {name: loops[name] for name in ("calls", "rows", "weights")}
    return "records", decode_blocks(work, stored)


def _one_path(
    loops: Callable[[Workload, Stored], Loops],
) -> Callable[[Workload, Stored], tuple[str, Loops]]:
    return lambda work, stored: ("", loops(work, stored))


_LOOPS: Mapping[str, Callable[[Workload, Stored], tuple[str, Loops]]] = {
    "sparsec_decode_delta4_s8": _one_path(decode),
    "sparsec_decode_csr_s8": _one_path(decode_csr),
    "sparsec_decode_bitmap_s8": _one_path(decode_bitmap),
    "sparsec_decode_nm_s8": _one_path(decode_blocks),
    "sparsec_decode_row_block_s8": _one_path(decode_blocks),
    "sparsec_decode_block_s8": decode_block_rows,
    "sparsec_decode_dcsr_s8": _one_path(decode_blocks),
    "sparsec_decode_block_rle_s8": decode_records,
}
