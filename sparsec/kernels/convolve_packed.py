# SPDX-License-Identifier: Apache-2.0
"""`sparsec_convolve_packed_s8`: sparse convolutions on cores with DSP instructions, two pixels in one accumulator.

Weights, biases and multipliers are one stream (`layouts/packed_rows.py`), which proves that both pixels fit for every
int8 input; rows that do not are cut in parts. That stream is how this kernel wants `delta8` in flash: any other format
is decoded in front of `sparsec_convolve_delta8_s8`, so that what is stored is what the format says.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.cost import Strips
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Array, Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored, stored_packed
from sparsec.kernels.workload import Workload
from sparsec.layouts.packed_rows import NAME, Slab, pack_rows, slab_for
from sparsec.planning.overlap import Overlap, apart
from sparsec.quantization.window import Window
from sparsec.targets.cpu import Cpu, VectorUnit

PACKED_STRIP = 4
"""Pairs of pixels that are taken at once."""


class ConvolvePacked(Kernel):
    """Rows of weights are walked once for a strip of pairs of pixels. Strips of the output need rows that are not paired."""

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

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        memory = low.scratch(self.scratch(layer, low.cpu))
        assert memory is not None
        low.call(
            rt.ConvolvePackedOp(
                low.buffer(layer.op.operands[0], layer.input_shape),
                arrays["rows"],
                low.reshape(output, layer.output_shape),
                memory,
                layer.requant,
                layer.window,
                layer.kernel_size,
            )
        )
        return output


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
    loops = {"calls": 1, "lines": lines}
    for words in range(1, PACKED_STRIP + 1):
        count = lines * strips[words]
        loops |= {
            f"strips of {words}": count,
            f"strips of {words}, outputs": count * (outputs - stored.slow),
            f"strips of {words}, entries": count * entries,
            f"strips of {words}, blocks": count * stored.blocks,
            f"strips of {words}, slow outputs": count * stored.slow,
            f"strips of {words}, slow entries": count * stored.slow_entries,
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
