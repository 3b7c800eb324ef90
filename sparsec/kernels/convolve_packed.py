# SPDX-License-Identifier: Apache-2.0
"""`sparsec_convolve_packed_s8`: sparse convolutions on cores with DSP instructions, two pixels in one accumulator.

Weights, biases and multipliers are one stream (`layouts/packed_rows.py`), which proves that both pixels fit for every
int8 input; rows that do not are cut in parts. That stream is how this kernel wants `delta8` in flash: any other format
is decoded in front of `sparsec_convolve_delta8_s8`, so that what is stored is what the format says.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.cost import Strips
from sparsec.kernels.kernel import NOT_MINE
from sparsec.kernels.layer import Array, Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.stored import Stored, stored_packed
from sparsec.kernels.streamed import StreamedConvolution
from sparsec.kernels.workload import Workload
from sparsec.layouts.packed_rows import NAME, Slab, pack_rows, slab_for
from sparsec.planning.overlap import Overlap, apart
from sparsec.quantization.window import Window
from sparsec.targets.cpu import Cpu, VectorUnit

PACKED_STRIP = 4
"""Pairs of pixels that are taken at once."""


class ConvolvePacked(StreamedConvolution):
    """Rows of weights are walked once for a strip of pairs of pixels. Strips of the output need rows that are not paired."""

    operation = rt.ConvolvePackedOp
    function = rt.ConvolvePackedOp.C_FUNCTION
    units = ("dsp",)
    layout = NAME

    def __init__(self) -> None:
        self.strips = Strips("sparsec_convolve_packed_strips_s8", self)

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format == Delta8() and layer.is_full else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        layer.components(Delta8())  # raises where the type of the constant would say what cannot be
        return layer.laid_out(NAME, lambda: self._rows(layer))

    def _rows(self, layer: Layer) -> Arrays:
        numbers = layer.numbers
        arrays = (layer.constants.weights, numbers.bias, numbers.multiplier, numbers.shift)
        return {"rows": pack_rows(*arrays, layer.window, slab_of(layer))}

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        rows = layer.laid_out(NAME, lambda: self._rows(layer))["rows"]
        counts = layer.laid_out(f"{NAME}, counted", lambda: _counted(rows))["counts"]
        return Stored(*(int(count) for count in counts))

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return slab_of(layer).bytes

    def overlap(self, layer: Layer) -> Overlap:
        if slab_of(layer).pairs_rows:
            image, outputs = layer.input_size, layer.output_size
            return apart(outputs[0] * outputs[1] * outputs[2], image[0] * image[1] * image[2])
        return super().overlap(layer)

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", convolve_packed(unit, work, stored)


def slab_of(layer: Layer) -> Slab:
    """How the kernel uses its scratch memory."""
    height, width, _ = layer.output_size
    return slab_for(layer.window, (height, width), layer.kernel_size, layer.input_size[2])


def _counted(rows: Array) -> Arrays:
    stored = stored_packed(rows)
    return {"counts": np.array(list(vars(stored).values()))}


def convolve_packed(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_convolve_packed_s8`: words of two pixels each are packed, then rows walked once per strip of words."""
    outputs, channels = work.outputs[2], work.image[2]
    window = Window(work.strides, work.padding)
    slab = slab_for(window, work.outputs[:2], work.kernel, channels)
    height, width = (1, work.pixels) if slab.flat else work.outputs[:2]
    columns = width if slab.pairs_rows else -(-width // 2)
    lines = -(-height // 2) if slab.pairs_rows else height
    strips = Counter(strips_of(columns))
    entries = stored.entries - stored.slow_entries - 4 * stored.blocks
    groups = lines * strips.total() * stored.groups
    loops = {"calls": 1, "lines": lines, "strips, groups": groups}
    for words in range(1, PACKED_STRIP + 1):
        count = lines * strips[words]
        loops |= {
            f"strips of {words}": count,
            f"strips of {words}, outputs": count * (outputs - stored.slow),
            f"strips of {words}, entries": count * entries,
            f"strips of {words}, blocks": count * stored.blocks,
            f"strips of {words}, surprises": count * stored.surprises,
            f"strips of {words}, slow outputs": count * stored.slow,
            f"strips of {words}, slow entries": count * stored.slow_entries,
            f"strips of {words}, slow odd outputs": count * stored.slow_odd,
        }
    packing = Packing.of(work, slab, lines, columns)
    chunks, even = packing.chunks, packing.even
    twos, ones = chunks[2] + chunks[3], chunks[1] + chunks[3]
    return loops | {
        "rows kept": packing.kept,
        "words kept": packing.kept * channels * slab.row_words,
        "rows packed": packing.rows,
        "even fours": even,
        "even fours, channels": even * channels,
        **{f"chunks of {words}": chunks[words] for words in range(1, PACKED_STRIP + 1)},
        "pixels in rows": packing.in_rows,
        "pixels inside": packing.inside,
        "fours, channels": chunks[PACKED_STRIP] * channels,
        "twos, channels": twos * channels,
        "ones, channels": ones * channels,
    }


@dataclass(frozen=True)
class Packing:
    """How a slab is filled: rows of it that move up, phases of rows that are packed, chunks of them by their words, those
    of four words without padding; and of the pixels of other chunks how many are of a row inside the image, and inside."""

    kept: int
    rows: int
    chunks: Counter[int]
    even: int
    in_rows: int
    inside: int

    @staticmethod
    def of(work: Workload, slab: Slab, lines: int, columns: int) -> "Packing":
        """For `lines` of `columns` words."""
        if work.taps == 1:
            strips = Counter({words: lines * n for words, n in Counter(strips_of(columns)).items()})
            even = strips.pop(PACKED_STRIP, 0)
            pixels = 2 * sum(words * n for words, n in strips.items())
            return Packing(0, 0, strips, even, pixels, pixels)
        height, width = work.image[:2]
        top, left = work.padding[:2]
        stride_y, stride_x = work.strides
        # A line keeps the rows that it shares with the line before.
        new = min(stride_y, work.kernel[0])
        further = stride_y * (work.outputs[0] - lines) if slab.pairs_rows else 0
        packed = [*range(-top, work.kernel[0] - top)]
        for line in range(1, lines):
            end = line * stride_y - top + work.kernel[0]
            packed += range(end - new, end)
        rows = Counter((0 <= y < height, 0 <= y + further < height) for y in packed)
        partner = 0 if slab.pairs_rows else stride_x * (work.outputs[1] - columns)
        chunks: Counter[int] = Counter()
        even = in_rows = inside = 0
        phases = slab.row_words // slab.phase_words
        for start in range(-left, phases - left):
            places = [start + stride_x * word for word in range(slab.phase_words)]
            first, second = (sum(0 <= x + apart < width for x in places) for apart in (0, partner))
            plain = len(places) == PACKED_STRIP and first == second == PACKED_STRIP
            for (here, there), count in rows.items():
                if plain and here and there:
                    even += count
                    continue
                whole, rest = divmod(len(places), PACKED_STRIP)
                chunks[PACKED_STRIP] += count * whole
                chunks[rest] += count * (rest > 0)
                in_rows += count * len(places) * (here + there)
                inside += count * (first * here + second * there)
        kept = (lines - 1) * (work.kernel[0] - new)
        return Packing(kept, len(packed) * phases, chunks, even, in_rows, inside)


def strips_of(columns: int) -> Iterator[int]:
    """The words of each strip of a line."""
    while columns > 0:
        # Five words are 3 and 2.
        words = 3 if columns == PACKED_STRIP + 1 else min(columns, PACKED_STRIP)
        yield words
        columns -= words
