"""How often the loops of the runtime's sparse kernels run for a shape and a number of entries.

Each function follows the C code of one kernel (runtime/src); the names are the rows of costs.json.
"""

from collections import Counter
from collections.abc import Iterator
from math import exp

from sparsec.formats.packed_rows import Slab, slab_for
from sparsec.quantization.window import Window
from sparsec.targets.cpu import VectorUnit
from sparsec.targets.dense_loops import Loops
from sparsec.targets.stored import Stored
from sparsec.targets.workload import Workload

PACKED_STRIP = 4
"""Pairs of pixels that the packed convolution takes at once."""

BYTE_PLACES = 256
"""The most places that take one byte in the lists of the fully connected kernels."""


def convolve_delta8(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_convolve_delta8_s8`: windows of a strip of pixels are packed, then rows walked once per strip."""
    entries = stored.entries
    lanes = 16 if unit == "mve" else 8
    strips, last = divmod(work.pixels, lanes)
    outputs, channels = work.outputs[2], work.image[2]
    # Windows that a border cuts are packed tap by tap, others row by row.
    cut_rows = work.kernel_rows * work.cut_columns
    whole_rows = work.kernel_rows * (work.outputs[1] - work.cut_columns)
    cut_taps = work.inner_taps - whole_rows * work.kernel[1]
    loops = {
        "calls": 1,
        "pixels": work.pixels,
        "rows packed": whole_rows,
        "cut rows packed": cut_rows,
        "cut taps packed": cut_taps,
        "taps filled": work.outer_taps,
        "elements filled": work.outer_taps * channels,
        "lanes cleared": (last > 0) * (lanes - last),
        "elements cleared": (last > 0) * (lanes - last) * work.columns,
        "strips": strips,
        "strips, outputs": strips * outputs,
        "strips, entries": strips * entries,
    }
    if unit == "mve":
        row = work.kernel[1] * channels
        half = 0 < last <= lanes // 2
        quarters = -(-last // 4)
        return loops | {
            "vectors packed": whole_rows * (row // 16) + cut_taps * (channels // 16),
            "elements packed": whole_rows * (row % 16) + cut_taps * (channels % 16),
            "last strip, outputs": outputs * (last > 0) * (not half),
            "last strip, stores": outputs * quarters,
            "last strip, entries": entries * (last > lanes // 2),
            "half strip, outputs": outputs * half,
            "half strip, entries": entries * half * quarters,
        }
    width = next(
        (name for limit, name in ((4, "eight"), (1, "four"), (0, "one")) if last > limit), ""
    )
    loops |= {
        "elements packed": work.inner_taps * channels,
        "last strip, stores": outputs * last,
    }
    for name in ("eight", "four", "one"):
        loops[f"last strip of {name}, outputs"] = outputs * (name == width)
        loops[f"last strip of {name}, entries"] = entries * (name == width)
    return loops


def convolve_packed(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_convolve_packed_s8`: words of two pixels each are packed, then rows walked once per strip of words."""
    outputs, channels = work.outputs[2], work.image[2]
    window = Window(work.strides, work.padding)
    slab = slab_for(window, work.outputs[:2], work.kernel, channels)
    height, width = (1, work.pixels) if slab.flat else work.outputs[:2]
    columns = width if slab.pairs_rows else -(-width // 2)
    lines = -(-height // 2) if slab.pairs_rows else height
    strips = Counter(strips_of(columns))
    loops = {"calls": 1, "lines": lines}
    for words in range(1, PACKED_STRIP + 1):
        count = lines * strips[words]
        loops |= {
            f"strips of {words}": count,
            f"strips of {words}, outputs": count * outputs,
            f"strips of {words}, entries": count * (stored.entries - 4 * stored.blocks),
            f"strips of {words}, blocks": count * stored.blocks,
        }
    kept, chunks, even = packed_chunks(work, slab, lines, columns)
    twos, ones = chunks[2] + chunks[3], chunks[1] + chunks[3]
    return loops | {
        "rows kept": kept,
        "words kept": kept * channels * slab.row_words,
        "even fours": even,
        "even fours, channels": even * channels,
        **{f"chunks of {words}": chunks[words] for words in range(1, PACKED_STRIP + 1)},
        "fours, channels": chunks[PACKED_STRIP] * channels,
        "twos, channels": twos * channels,
        "ones, channels": ones * channels,
    }


def packed_chunks(
    work: Workload, slab: Slab, lines: int, columns: int
) -> tuple[int, Counter[int], int]:
    """Rows of the slab that move up, chunks to pack by their words, and chunks of four words without padding."""
    if work.taps == 1:
        strips = Counter({words: lines * n for words, n in Counter(strips_of(columns)).items()})
        return 0, strips, strips.pop(PACKED_STRIP, 0)
    # A line keeps the rows that it shares with the line before.
    new = min(work.strides[0], work.kernel[0])
    kept = (lines - 1) * (work.kernel[0] - new)
    packed = work.kernel[0] + (lines - 1) * new
    whole, rest = divmod(slab.phase_words, PACKED_STRIP)
    phases = slab.row_words // slab.phase_words
    chunks = Counter({PACKED_STRIP: packed * phases * whole})
    chunks[rest] += packed * phases * (rest > 0)
    starts = [phase - work.padding[1] for phase in range(phases)]
    partner = work.strides[1] * (work.outputs[1] - columns)
    ends = [start + (PACKED_STRIP - 1) * work.strides[1] + partner for start in starts]
    inside = sum(
        start >= 0 and end < work.image[1] for start, end in zip(starts, ends, strict=True)
    )
    even = packed * inside * (slab.phase_words == PACKED_STRIP)
    chunks[PACKED_STRIP] -= even
    return kept, chunks, even


def strips_of(columns: int) -> Iterator[int]:
    """The words of each strip of a line."""
    while columns > 0:
        # Five words are 3 and 2.
        words = 3 if columns == PACKED_STRIP + 1 else min(columns, PACKED_STRIP)
        yield words
        columns -= words


def fully_connected_delta8(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_fully_connected_delta8_s8`."""
    return {"calls": 1, "outputs": work.outputs[2], "entries": stored.entries}


def fully_connected_table(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_fully_connected_table_s8`."""
    return _rows(work, stored.entries, wide=work.columns > BYTE_PLACES, together=1)


def fully_connected_1x4(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_fully_connected_1x4_s8`."""
    wide = work.columns % 4 != 0 or work.columns > 4 * BYTE_PLACES
    return _rows(work, stored.entries, wide, together=1)


def fully_connected_4x1(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_fully_connected_4x1_s8` and `sparsec_fully_connected_4x1_w16_s8`."""
    return _rows(work, stored.entries, wide=work.columns > BYTE_PLACES, together=4)


def _rows(work: Workload, entries: int, wide: bool, together: int) -> Loops:
    """Rows of entries, whose places take two bytes if `wide`; `together` rows share theirs."""
    groups, rest = divmod(work.outputs[2], together)
    loops = {
        "calls": 1,
        "outputs": groups,
        "entries": entries * (not wide),
        "wide entries": entries * wide,
    }
    return loops if together == 1 else loops | {"last outputs": rest}


def decode(unit: VectorUnit, work: Workload, stored: Stored) -> dict[str, int]:
    """`sparsec_decode_delta4_s8`, where bridges are zeros."""
    return {
        "calls": 1,
        "rows": work.outputs[2],
        "weights": stored.entries - stored.zeros,
        "zeros": stored.zeros,
    }


def decode_csr(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_csr_s8`."""
    wide = work.columns > BYTE_PLACES
    return {
        "calls": 1,
        "rows": work.outputs[2],
        "entries": stored.entries * (not wide),
        "wide entries": stored.entries * wide,
    }


def decode_bitmap(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_bitmap_s8`."""
    words, tail = divmod(work.columns, 32)
    return {
        "calls": 1,
        "rows": work.outputs[2],
        "words": work.outputs[2] * words,
        "tails": work.outputs[2] * (tail > 0),
        "entries": stored.entries,
    }


def decode_blocks(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_decode_nm_s8`, `sparsec_decode_row_block_s8` and `sparsec_decode_dcsr_s8`."""
    return {**decode(unit, work, stored), "blocks": stored.blocks}


def decode_block_rows(unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
    """`sparsec_decode_block_s8`: the path it takes, and its loops. Blocks are taken to lie anywhere."""
    rows = work.outputs[2]
    path = "columns" if stored.entries == stored.blocks > 0 else "tiles"
    used = {"rows with blocks": round(rows * (1 - exp(-stored.blocks / rows)))}
    return path, {**decode_blocks(unit, work, stored), **used}


def decode_records(unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
    """`sparsec_decode_block_rle_s8`: the path it takes, and its loops."""
    if stored.entries == stored.blocks > 0:
        loops = decode(unit, work, stored)
        return "single", {name: loops[name] for name in ("calls", "rows", "weights")}
    return "records", decode_blocks(unit, work, stored)
