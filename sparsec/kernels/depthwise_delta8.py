# SPDX-License-Identifier: Apache-2.0
"""`sparsec_depthwise_convolve_delta8_s8`: depthwise convolutions whose zeros are skipped.

It unfolds one channel at a time into words of two pixels, padding included, so that no tap checks a border; three
neighbouring weights share their loads. On cores with DSP instructions it is faster than CMSIS-NN without any zeros.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.convolve_packed import PACKED_STRIP, strips_of
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Array, Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.layouts.depthwise_rows import MAX_TRIPLES, NAME, Plane, pack_depthwise, plane_for
from sparsec.layouts.linear_rows import RowNumbers
from sparsec.layouts.packed_rows import NARROW, field_bound, row_kind
from sparsec.planning.overlap import Overlap, apart
from sparsec.quantization.window import Window
from sparsec.targets.cpu import Cpu, VectorUnit


class DepthwiseDelta8(Kernel):
    """A channel is unfolded, then each of its rows walked once for a strip of its pairs of pixels."""

    function = rt.DepthwiseConvolveDelta8Op.C_FUNCTION
    layout = NAME

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format == Delta8() and layer.kind == "depthwise_conv2d" else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.laid_out(NAME, lambda: {"rows": _rows(layer)})

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        return stored_depthwise(layer.matrix, layer.numbers)

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return plane_of(layer).bytes

    def overlap(self, layer: Layer) -> Overlap:
        (*image, channels), (*outputs, written) = layer.input_size, layer.output_size
        input, output = image[0] * image[1] * channels, outputs[0] * outputs[1] * written
        return Overlap(output, input, channels) if channels == written else apart(output, input)

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", depthwise_convolve_delta8(unit, work, stored)

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        memory = low.scratch(self.scratch(layer, low.cpu))
        assert memory is not None
        output = low.output()
        low.call(
            rt.DepthwiseConvolveDelta8Op(
                low.buffer(layer.op.operands[0]),
                arrays["rows"],
                output,
                memory,
                layer.requant,
                layer.window,
                layer.kernel_size,
            )
        )
        return output


def stored_depthwise(matrix: NDArray[np.int8], numbers: RowNumbers) -> Stored:
    """What the stream holds of weights [rows, taps]: `blocks` are the rows that are not empty."""
    used = np.count_nonzero(matrix, axis=1)
    rows = zip(matrix, numbers.bias, numbers.multiplier, numbers.shift, used, strict=True)
    slow = [
        int(entries)
        for row, bias, multiplier, shift, entries in rows
        if entries and row_kind(field_bound(bias, row), entries, shift, multiplier) != NARROW
    ]
    entries, filled = int(used.sum()), int(np.count_nonzero(used))
    return Stored(entries, filled, slow=len(slow), slow_entries=sum(slow))


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
    """`sparsec_depthwise_convolve_delta8_s8`: each input channel is unfolded, then each of its rows walked once per strip.

    `stored.blocks` are the rows that are not empty; 0 stands for as many as random zeros give, as do the triples.
    """
    inputs, outputs = work.image[2], work.outputs[2]
    window = Window(work.strides, work.padding)
    plane = plane_for(window, work.outputs[:2], work.kernel)
    zeros = max(0.0, 1 - stored.entries / (outputs * work.taps))
    empty = outputs - stored.blocks if stored.blocks else round(outputs * zeros**work.taps)
    unfolded = inputs - round(inputs * (empty / outputs) ** (outputs // inputs))
    places = np.sort(plane.offsets(window))
    runs = np.diff(np.flatnonzero(np.diff(places, prepend=-2, append=places[-1] + 2) != 1))
    triples = min(MAX_TRIPLES, sum(expected_triples(run, 1 - zeros) for run in runs.tolist()))
    triples = min(round(outputs * triples), stored.entries // 3)
    strips = Counter(strips_of(plane.line_words))
    segments = list(segments_of(plane, work))
    both = [words for words, inside in segments if inside]
    outside = [words for words, inside in segments if not inside]
    used = outputs - empty
    # The rows that the assembly does not take are done in C, a pair of pixels at a time.
    fast, entries = used - stored.slow, stored.entries - stored.slow_entries
    slow_triples = round(triples * stored.slow_entries / max(1, stored.entries))
    triples -= slow_triples
    loops = {
        "calls": 1,
        "words cleared": plane.rows * plane.row_words,
        "rows listed": plane.rows * (plane.row_words // plane.phase_words),
        "segments listed": len(segments),
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
            f"strips of {words}, singles": count * (entries - 3 * triples),
            f"strips of {words}, triples": count * triples,
        }
    pairs = plane.lines * plane.line_words
    return loops | {
        "pairs, slow rows": pairs * stored.slow,
        "pairs, slow singles": pairs * (stored.slow_entries - 3 * slow_triples),
        "pairs, slow triples": pairs * slow_triples,
    }


def expected_triples(places: int, density: float) -> float:
    """How many triples a run of places gives from its start on, each place being non-zero with probability `density`."""
    counts = [0.0] * (places + 4)
    for left in range(3, places + 1):
        after = [counts[left - skipped] for skipped in (1, 2, 3)]
        counts[left] = density**3 * (1 + after[2])
        counts[left] += sum(density**i * (1 - density) * after[i] for i in range(3))
    return counts[places]


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
