# SPDX-License-Identifier: Apache-2.0
"""`sparsec_depthwise_convolve_delta8_s8`: depthwise convolutions whose zeros are skipped.

It unfolds one channel at a time into words of two pixels, padding included, so that no tap checks a border; three
neighbouring weights share their loads. On cores with DSP instructions it is faster than CMSIS-NN without any zeros.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.branches import Lists, in_jumps, of_loop
from sparsec.kernels.convolve_packed import PACKED_STRIP, strips_of
from sparsec.kernels.kernel import NOT_MINE
from sparsec.kernels.layer import Array, Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.stored import Stored
from sparsec.kernels.streamed import StreamedConvolution
from sparsec.kernels.workload import Workload
from sparsec.layouts.depthwise_rows import NAME, Plane, counts_of, pack_depthwise, plane_for
from sparsec.planning.overlap import Overlap, apart
from sparsec.quantization.window import Window
from sparsec.targets.cpu import Cpu, VectorUnit

SINGLES = 4
"""Weights that the loop over them takes at once."""


class DepthwiseDelta8(StreamedConvolution):
    """A channel is unfolded, then each of its rows walked once for a strip of its pairs of pixels."""

    operation = rt.DepthwiseConvolveDelta8Op
    function = rt.DepthwiseConvolveDelta8Op.C_FUNCTION
    layout = NAME

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format == Delta8() and layer.kind == "depthwise_conv2d" else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.laid_out(NAME, lambda: {"rows": _rows(layer)})

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        (rows,) = self.lay_out(layer, None).values()
        return stored_depthwise(rows, layer.output_size[2])

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return plane_of(layer).bytes

    def overlap(self, layer: Layer) -> Overlap:
        (*image, channels), (*outputs, written) = layer.input_size, layer.output_size
        input, output = image[0] * image[1] * channels, outputs[0] * outputs[1] * written
        return Overlap(output, input, channels) if channels == written else apart(output, input)

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", depthwise_convolve_delta8(unit, work, stored)


def stored_depthwise(stream: Array, outputs: int) -> Stored:
    """What the stream of `pack_depthwise` holds: `blocks` are the rows that are not empty."""
    triples, singles, narrow = counts_of(stream, outputs).T
    entries = 3 * triples + singles
    slow = (entries > 0) & (narrow == 0)
    return Stored(
        int(entries.sum()),
        int(np.count_nonzero(entries)),
        triples=int(triples.sum()),
        surprises=in_jumps(triples.tolist()) + in_jumps((singles % SINGLES).tolist()),
        slow=int(slow.sum()),
        slow_entries=int(entries[slow].sum()),
        slow_triples=int(triples[slow].sum()),
    )


def plane_of(layer: Layer) -> Plane:
    """How the kernel uses its scratch memory."""
    height, width, _ = layer.output_size
    return plane_for(layer.window, (height, width), layer.kernel_size)


def _rows(layer: Layer) -> Array:
    numbers = layer.numbers
    weights = np.ascontiguousarray(np.moveaxis(layer.constants.weights[..., 0], 0, -1))
    arrays = (weights, numbers.bias, numbers.multiplier, numbers.shift)
    return pack_depthwise(*arrays, layer.window, plane_of(layer))


def depthwise_convolve_delta8(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_depthwise_convolve_delta8_s8`: each input channel is unfolded, then each of its rows walked once per strip."""
    inputs, outputs = work.image[2], work.outputs[2]
    window = Window(work.strides, work.padding)
    plane = plane_for(window, work.outputs[:2], work.kernel)
    empty = outputs - stored.blocks
    unfolded = inputs - round(inputs * (empty / outputs) ** (outputs // inputs))
    strips = Counter(strips_of(plane.line_words))
    segments = list(segments_of(plane, work))
    both = [words for words, inside in segments if inside]
    outside = [words for words, inside in segments if not inside]
    used = outputs - empty
    # The rows that the assembly does not take are done in C, a pair of pixels at a time.
    fast, triples = used - stored.slow, stored.triples - stored.slow_triples
    singles = stored.entries - stored.slow_entries - 3 * triples
    loops = {
        "calls": 1,
        "words cleared": plane.rows * plane.row_words,
        "rows listed": plane.rows * (plane.row_words // plane.phase_words),
        "segments listed": len(segments),
        "lines listed": plane.lines,
        "strips listed": plane.strips,
        "rows": used,
        "empty rows": empty,
        "empty rows, pixels": empty * work.pixels,
        "segments unfolded": unfolded * len(segments),
        "fours unfolded": unfolded * sum(words // 4 for words in both),
        "words unfolded": unfolded * sum(words % 4 for words in both),
        "border fours unfolded": unfolded * sum(words // 4 for words in outside),
        "border words unfolded": unfolded * sum(words % 4 for words in outside),
    }
    for words in range(1, PACKED_STRIP + 1):
        count = plane.lines * strips[words]
        loops |= {
            f"strips of {words}, rows": count * fast,
            f"strips of {words}, singles": count * singles,
            f"strips of {words}, triples": count * triples,
        }
    pairs = plane.lines * plane.line_words
    passes, _ = Lists.of(singles, max(1, fast), work.taps).in_groups(SINGLES)
    sizes = len(strips)
    return loops | {
        "jumps, surprises": sizes * stored.surprises,
        "strips, surprises": round(plane.strips * fast * of_loop(np.append(0.0, passes))),
        "strips, slow rows": plane.strips * stored.slow,
        "pairs, slow rows": pairs * stored.slow,
        "pairs, slow singles": pairs * (stored.slow_entries - 3 * stored.slow_triples),
        "pairs, slow triples": pairs * stored.slow_triples,
    }


def segments_of(plane: Plane, work: Workload) -> Iterator[tuple[int, bool]]:
    """The words of each segment, and whether both pixels of its words lie inside the image."""
    inner, outer = (0, 1) if plane.transposed else (1, 0)
    words_further = work.outputs[inner] - plane.line_words
    lines_further = work.outputs[outer] - plane.lines
    stride, words = work.strides[inner], plane.phase_words

    def first(coordinate: int, shift: int) -> int:
        return min(max(0, -(-(coordinate - shift) // stride)), words)

    for row in range(plane.rows):
        line = row - work.padding[outer]
        inside = 0 <= line < work.image[outer]
        partner_inside = 0 <= line + lines_further * work.strides[outer] < work.image[outer]
        for phase in range(plane.row_words // words):
            shift = phase - work.padding[inner]
            far = shift + words_further * stride
            a, a_end = (
                (first(0, shift), first(work.image[inner], shift)) if inside else (words, words)
            )
            b, b_end = (first(0, far), first(work.image[inner], far)) if partner_inside else (0, 0)
            for start, end, both in (
                (b, min(a, b_end), False),
                (a, b_end, True),
                (max(a, b_end), a_end, False),
            ):
                if start < end:
                    yield end - start, both
