# SPDX-License-Identifier: Apache-2.0
"""The stream of `sparsec_depthwise_convolve_delta8_s8`: one array with the weights, biases and multipliers of a layer.

The kernel unfolds one input channel at a time into a plane of words, each the inputs of two output pixels, x0 + x1 * 2**23,
and multiplies a weight with a word for both. The rule: a row is `NARROW` only where `field_bound` proves it right for
every int8 input; any other is exact by slower code.

It is an array of int32 because its numbers are aligned; they are little-endian:

- u16 `row_words`, u16 `phase_words`, u8 `transposed`, u8 `pairs_inner`, u16 0 (see `Plane`);
- a row for each output channel: i32 bias, i32 multiplier, i8 shift, u8 triples, u16 singles (bit 15: `NARROW`); then the
  triples, u8 step and i8 three weights of neighbouring words; then the singles, u8 step and i8 weight; then up to two
  zero bytes. A step counts words from the entry before, at first from the output pixel's own; the first single counts
  from there again. Steps over 255 are bridged by entries of weight 0. The input channel is the row over the channel
  multiplier, rounded down.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sparsec.layouts.packed_rows import NARROW, field_bound, row_kind
from sparsec.layouts.remembered import remembered
from sparsec.quantization.window import Window

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

NAME = "depthwise rows"

MAX_STEP = 255
MAX_TRIPLES = 5
MAX_SINGLES = 0x7FFF
_NARROW_BIT = 0x8000
_STRIP = 4
_SEGMENT_BYTES, _STRIP_BYTES = 12, 8


@dataclass(frozen=True)
class Plane:
    """Where the kernel keeps the inputs of one channel: int32 words [`rows`, `row_words`].

    A row runs along the inner axis, x, or y where `transposed`. A word holds the inputs of an output pixel and of its
    partner, which lies half the output further along the inner axis where `pairs_inner`, else along the outer. A row
    has a phase of `phase_words` for each place within a stride that a tap can fall on.
    """

    kernel: tuple[int, int]
    transposed: bool
    pairs_inner: bool
    rows: int
    row_words: int
    phase_words: int
    lines: int
    line_words: int
    """The output is `lines` of `line_words` pairs."""

    @property
    def strips(self) -> int:
        """Up to four neighbouring pairs of a line, which are done at once."""
        return self.lines * -(-self.line_words // _STRIP)

    @property
    def bytes(self) -> int:
        """Scratch of the kernel: the words, how they are filled, and the strips of the output."""
        segments = self.rows * (self.row_words // self.phase_words) * (3 if self.pairs_inner else 1)
        return (
            4 * self.rows * self.row_words + _SEGMENT_BYTES * segments + _STRIP_BYTES * self.strips
        )

    def offsets(self, window: Window) -> NDArray[np.int64]:
        """The word of each tap [kernel height * kernel width], counted from an output pixel's first."""
        ky, kx = np.ogrid[: self.kernel[0], : self.kernel[1]]
        taps = [ky * window.dilations[0], kx * window.dilations[1]]
        outer, inner = reversed(taps) if self.transposed else taps
        stride = window.strides[0 if self.transposed else 1]
        phase = inner % stride * self.phase_words
        return (outer * self.row_words + phase + inner // stride).reshape(-1)


def _plane(
    window: Window, output: tuple[int, int], kernel: tuple[int, int], transposed: bool, inner: bool
) -> Plane:
    outer_axis, inner_axis = (1, 0) if transposed else (0, 1)
    lines, words = output[outer_axis], output[inner_axis]
    lines, words = (lines, (words + 1) // 2) if inner else ((lines + 1) // 2, words)
    stride, dilation = window.strides[inner_axis], window.dilations[inner_axis]
    phases = 1 if kernel[inner_axis] == 1 or dilation % stride == 0 else stride
    phase_words = words + (kernel[inner_axis] - 1) * dilation // stride
    reach = (kernel[outer_axis] - 1) * window.dilations[outer_axis]
    rows = (lines - 1) * window.strides[outer_axis] + reach + 1
    row_words = phases * phase_words
    return Plane(kernel, transposed, inner, rows, row_words, phase_words, lines, words)


def _work(plane: Plane) -> int:
    """About the instructions for one channel of a dense 3x3 kernel."""
    words = plane.lines * plane.line_words
    return 40 * plane.strips + 27 * words + 5 * plane.rows * plane.row_words


def plane_for(window: Window, output: tuple[int, int], kernel: tuple[int, int]) -> Plane:
    """The plane of a depthwise convolution with an `output` of (height, width): of the four that with the least work.

    Raises ValueError when a row is too long.
    """
    ways = product((False, True), repeat=2)
    planes = [_plane(window, output, kernel, transposed, inner) for transposed, inner in ways]
    plane = min(planes, key=_work)
    if plane.row_words > 0xFFFF:
        raise ValueError(f"a row of {plane.row_words} words is more than the kernel addresses")
    return plane


def _row_entries(
    offsets: NDArray[np.int64], weights: Int8
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The triples and the singles of a row as (step, weights ..)."""
    weight_at = {
        int(o): int(w) for o, w in zip(offsets.tolist(), weights.tolist(), strict=True) if w
    }
    triples: list[tuple[int, ...]] = []
    here = 0
    for start in sorted(weight_at):
        places = range(start, start + 3)
        if all(place in weight_at for place in places):
            step = start - here
            bridges = max(step - 1, 0) // MAX_STEP
            if len(triples) + bridges >= MAX_TRIPLES:
                break
            triples += [(MAX_STEP, 0, 0, 0)] * bridges
            triples.append((step - MAX_STEP * bridges, *(weight_at.pop(place) for place in places)))
            here = start
    singles: list[tuple[int, ...]] = []
    here = 0
    for place in sorted(weight_at):
        step = place - here
        bridges = max(step - 1, 0) // MAX_STEP
        singles += [(MAX_STEP, 0)] * bridges
        singles.append((step - MAX_STEP * bridges, weight_at[place]))
        here = place
    return triples, singles


def pack_depthwise(
    weights: Int8, bias: Int32, multipliers: Int32, shifts: Int32, window: Window, plane: Plane
) -> Int32:
    """The stream of weights [kernel height, kernel width, outputs].

    `bias`, with the input offset folded in, `multipliers` and `shifts` have a number for each output.
    Raises ValueError when a row has too many entries.
    """
    offsets = plane.offsets(window)
    matrix = weights.reshape(-1, weights.shape[-1]).T
    stream = bytearray(_header(plane).tobytes())
    for row, b, m, s in zip(
        matrix, bias.tolist(), multipliers.tolist(), shifts.tolist(), strict=True
    ):
        triples, singles = _row_entries(offsets, row)
        if len(singles) > MAX_SINGLES:
            raise ValueError(f"a row of {len(singles)} entries is more than the kernel counts")
        narrow = row_kind(field_bound(b, row), len(singles), s, m) == NARROW
        stream += b.to_bytes(4, "little", signed=True) + m.to_bytes(4, "little", signed=True)
        stream += bytes((s & 0xFF, len(triples)))
        stream += (len(singles) | (_NARROW_BIT if narrow else 0)).to_bytes(2, "little")
        stream += bytes(number & 0xFF for entry in (*triples, *singles) for number in entry)
        stream += bytes(-len(stream) % 4)
    result = np.frombuffer(bytes(stream), "<i4").astype(np.int32)
    _prove(result, weights, bias, multipliers, shifts, window, plane)
    return result


def _header(plane: Plane) -> Int32:
    flags = plane.transposed | plane.pairs_inner << 8
    return (
        np.array([plane.row_words, plane.phase_words, flags, 0], "<u2").view("<i4").astype(np.int32)
    )


@dataclass(frozen=True)
class Unpacked:
    """What a stream says of a layer, as the arguments of `pack_depthwise`, and which rows are `NARROW`."""

    weights: Int8
    bias: Int32
    multipliers: Int32
    shifts: Int32
    narrow: NDArray[np.bool_]


@remembered(128)
def unpack_depthwise(stream: Int32, outputs: int, window: Window, plane: Plane) -> Unpacked:
    """The layer of a stream. Raises ValueError when it was made for another plane or a word belongs to no tap."""
    if not np.array_equal(stream[:2], _header(plane)):
        raise ValueError("the stream was laid out for another plane")
    data = stream.astype("<i4").tobytes()
    tap_of = {int(word): tap for tap, word in enumerate(plane.offsets(window))}
    matrix = np.zeros((outputs, len(tap_of)), np.int8)
    numbers = np.zeros((4, outputs), np.int32)
    at = 8
    for channel in range(outputs):
        numbers[0, channel], numbers[1, channel] = np.frombuffer(data[at : at + 8], "<i4")
        shift, triples = data[at + 8], data[at + 9]
        counts = int.from_bytes(data[at + 10 : at + 12], "little")
        numbers[2:, channel] = shift - 256 * (shift >> 7), counts >> 15
        at += 12
        for count, width in ((triples, 3), (counts & MAX_SINGLES, 1)):
            size = count * (1 + width)
            entries = np.frombuffer(data[at : at + size], np.uint8).reshape(count, 1 + width)
            places = np.cumsum(entries[:, 0], dtype=np.int64)
            for place, values in zip(
                places.tolist(), entries[:, 1:].view(np.int8).tolist(), strict=True
            ):
                for word, weight in enumerate(values, place):
                    if weight and word not in tap_of:
                        raise ValueError(f"output {channel} reads word {word}, which holds no tap")
                    if weight:
                        matrix[channel, tap_of[word]] += weight
            at += size
        at += -at % 4
    weights = np.ascontiguousarray(matrix.T).reshape(*plane.kernel, outputs)
    return Unpacked(weights, numbers[0], numbers[1], numbers[2], numbers[3] == 1)


def counts_of(stream: Int32, outputs: int) -> NDArray[np.int64]:
    """The triples and the singles of each row, and whether it is `NARROW` [outputs, 3]."""
    data = stream.astype("<i4").tobytes()
    counts = np.zeros((outputs, 3), np.int64)
    at = 8
    for row in counts:
        triples, singles = data[at + 9], int.from_bytes(data[at + 10 : at + 12], "little")
        row[:] = triples, singles & MAX_SINGLES, singles >> 15
        at += 12 + 4 * triples + 2 * int(row[1])
        at += -at % 4
    return counts


def _prove(
    stream: Int32,
    weights: Int8,
    bias: Int32,
    multipliers: Int32,
    shifts: Int32,
    window: Window,
    plane: Plane,
) -> None:
    """The stream holds the layer and no field of a `NARROW` row overflows. Raises ValueError otherwise."""
    found = unpack_depthwise(stream, len(bias), window, plane)
    for expected, actual in (
        (weights, found.weights),
        (bias, found.bias),
        (multipliers, found.multipliers),
        (shifts, found.shifts),
    ):
        if not np.array_equal(expected, actual):
            raise ValueError("the depthwise stream does not hold the layer it was made of")
