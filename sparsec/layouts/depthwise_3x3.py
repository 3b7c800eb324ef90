# SPDX-License-Identifier: Apache-2.0
"""The stream of `sparsec_depthwise_convolve_3x3_s8`: one array with the weights, biases and multipliers of a layer.

The kernel widens the inputs of four channels into words that hold two rows of a column, and multiplies them with two
weights at once. The rule: a row is written only as a kind whose arithmetic `kind_of` proves exact for every int8 input.

It is an array of int32 because its numbers are aligned; they are little-endian:

- for each four channels, the last ones with what is left: u8 `QUICK`, u8 `ANY` and u8 `PLAIN`, how many rows of these
  kinds follow, u8 lanes, two bits for each row, the first row's lowest. Lanes count from the first of the four
  channels; those of the last group are the last four of the layer;
- a row, 36 bytes: for each column of the window i16 weights of its rows 0, 1, 1, 2; i32 bias, i32 multiplier, i32 addend.

With v the sum, m the multiplier and s the shift to the right, CMSIS-NN's output is f(round(v * m / 2**31) / 2**s) +
output_zp, where f rounds halves away from zero. For v >= 0 that is floor((v * m / 2**31 + 2**(s-1) + 1/2) / 2**s), since
floors of floors are floors of the whole.

- A `QUICK` row has weights and bias times 2**(1+k), k = `SHIFT` - s >= 1, so that the upper word of sum * m is floor(v *
  m / 2**31 * 2**k); its addend is (2**(s-1) + 1/2 + output_zp * 2**s) * 2**k. For v < 0 both are at most output_zp, which
  no output is below.
- Of `ANY` other row with a shift to the right weights and bias are doubled: the upper word of sum * m + 2**31 is the
  rounded product. Its addend, 2**(s-1) + output_zp * 2**s, tells s; the kernel adds -1 for negative sums.
- `PLAIN` rows are as they are, with the shift as addend.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsec.layouts.remembered import remembered
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

NAME = "depthwise 3x3"

LANES = 4
SHIFT = 12
QUICK, ANY, PLAIN = 0, 1, 2
QUICK_SHIFTS = range(5, SHIFT)
MAX_SHIFT = 22
KERNEL = (3, 3)
_ROW_WORDS = 9
_TAPS = [0, 1, 1, 2]
"""The rows of a column's four halves."""


def why_not(window: Window, kernel: tuple[int, int], channels: tuple[int, int]) -> str | None:
    """Why the kernel cannot do a depthwise convolution with `channels` of (input, output); None if it can."""
    if kernel != KERNEL:
        return f"a window must be 3x3, got {kernel[0]}x{kernel[1]}"
    if window.strides not in ((1, 1), (2, 2)):
        return f"strides must both be 1 or both 2, got {window.strides}"
    if window.dilations != (1, 1):
        return f"a window cannot be dilated, got {window.dilations}"
    if max(window.padding) > 2:
        return f"padding must be less than a window, got {window.padding}"
    if channels[0] != channels[1]:
        return f"input and output must have the same channels, got {channels[0]} and {channels[1]}"
    return None


def scratch_bytes(window: Window, image: tuple[int, int], output: tuple[int, int]) -> int:
    """What the kernel widens the inputs into, for an `image` and an `output` of (height, width): two words for each
    column of four channels. The padding on the right of one is that on the left of the next one."""
    left, stride = window.padding[1], window.strides[1]
    columns = (output[1] - 1) * stride + 3
    shared = left > 0 and columns - left > image[1]
    return 8 * (LANES * (columns - shared) + shared)


def in_place(window: Window, image: tuple[int, int], output: tuple[int, int]) -> bool:
    """Whether the output may begin where the input does: the outputs of a channel that a strip writes lie over inputs of
    the same channel in rows that are widened already. Sizes are (height, width)."""
    top = window.padding[0]
    rows = 2 if window.strides[0] == 1 else 1
    for strip in range(-(-output[0] // rows)):
        written = min(rows * (strip + 1), output[0]) * output[1]
        widened = min(2 * (strip + 2) - top, image[0]) * image[1]
        if widened < min(written, image[0] * image[1]):
            return False
    return True


def overlap(window: Window, image: tuple[int, int, int], output: tuple[int, int, int]) -> Overlap:
    """How the output may lie over its dying input; sizes are (height, width, channels).

    Four channels of the whole image are written before the next ones are read: the last pixel may lie over the first
    one's channels of the fours before, not over its own, because a plain row reads after the others have written.
    """
    (*size, channels), (*written_size, _) = image, output
    read, written = (height * width * channels for height, width in (size, written_size))
    exactly = max(read, written) if in_place(window, image[:2], output[:2]) else 0
    return Overlap(min(written, written - channels + LANES), read, step=exactly)


def sum_bound(bias: int, weights: Int8) -> int:
    """No sum of a row exceeds this magnitude, for any int8 input, on its way to its final value."""
    return abs(bias) + 128 * int(np.abs(weights.astype(np.int64)).sum())


def kind_of(bound: int, shift: int, multiplier: int, requant: Requant) -> int:
    """The first kind of row that is exact: see above. `shift` is CMSIS-NN's, negative to the right."""
    right = -shift
    if not 1 <= right <= MAX_SHIFT or multiplier < 0 or bound >= 1 << 30:
        return PLAIN
    quick = right in QUICK_SHIFTS and bound << (SHIFT + 1 - right) < 1 << 31
    return QUICK if quick and requant.clamp[0] >= requant.output_zp else ANY


def _row(weights: Int8, bias: int, multiplier: int, shift: int, kind: int, zero: int) -> bytes:
    """A row of `kind`, of weights [3, 3]; `zero` is the output's zero point."""
    right = -shift
    scale, addend = 1, shift
    if kind == QUICK:
        scale = 1 << (SHIFT + 1 - right)
        addend = (1 << (SHIFT - 1)) + (1 << (SHIFT - 1 - right)) + zero * (1 << SHIFT)
    elif kind == ANY:
        scale, addend = 2, (1 << (right - 1)) + zero * (1 << right)
    halves = (weights.astype(np.int64).T[:, _TAPS] * scale).astype("<i2")
    return halves.tobytes() + np.array([bias * scale, multiplier, addend], "<i4").tobytes()


def pack_depthwise_3x3(
    weights: Int8, bias: Int32, multipliers: Int32, shifts: Int32, requant: Requant
) -> Int32:
    """The stream of weights [3, 3, channels].

    `bias`, with the input offset folded in, `multipliers` and `shifts` have a number for each channel. Raises
    ValueError when the stream, unpacked, is not the layer.
    """
    channels = weights.shape[2]
    numbers = list(zip(bias.tolist(), multipliers.tolist(), shifts.tolist(), strict=True))
    kinds = [
        kind_of(sum_bound(b, weights[..., c]), s, m, requant) for c, (b, m, s) in enumerate(numbers)
    ]
    stream = bytearray()
    for begin in range(0, channels, LANES):
        group = range(begin, min(begin + LANES, channels))
        order = sorted(group, key=lambda channel: kinds[channel])
        first = _first_of(begin, channels)
        lanes = sum((channel - first) << 2 * i for i, channel in enumerate(order))
        counts = [sum(kinds[c] == kind for c in group) for kind in (QUICK, ANY, PLAIN)]
        stream += bytes((*counts, lanes))
        for c in order:
            stream += _row(weights[..., c], *numbers[c], kinds[c], requant.output_zp)
    result = np.frombuffer(bytes(stream), "<i4").astype(np.int32)
    found = unpack_depthwise_3x3(result, channels)
    layer = (weights, bias, multipliers, shifts, np.array(kinds))
    unpacked = (found.weights, found.bias, found.multipliers, found.shifts, found.kinds)
    if not all(map(np.array_equal, layer, unpacked)):
        raise ValueError("the depthwise stream does not hold the layer it was made of")
    return result


def _first_of(channel: int, channels: int) -> int:
    """The first channel of the four that are read for the group that begins with `channel`."""
    return max(0, min(channel, channels - LANES))


@dataclass(frozen=True)
class Unpacked:
    """What a stream says of a layer, as the arguments of `pack_depthwise_3x3`, and the kind of each row."""

    weights: Int8
    bias: Int32
    multipliers: Int32
    shifts: Int32
    kinds: NDArray[np.int64]


def _scale_and_shift(kind: int, addend: int) -> tuple[int, int]:
    """What weights and bias of a row are multiplied with, and its shift."""
    if kind == PLAIN:
        return 1, addend
    if kind == ANY:
        return 2, -(addend & -addend).bit_length()
    left = (addend % (1 << SHIFT) - (1 << (SHIFT - 1))).bit_length()
    return 1 << (left + 1), left - SHIFT


@remembered(128)
def unpack_depthwise_3x3(stream: Int32, channels: int) -> Unpacked:
    """The layer of a stream. Raises ValueError where it is not one of a layer with `channels`."""
    data = stream.astype("<i4").tobytes()
    weights = np.zeros((3, 3, channels), np.int64)
    numbers = np.zeros((4, channels), np.int64)
    seen: list[int] = []
    at = 0
    for begin in range(0, channels, LANES):
        *counts, lanes = data[at : at + 4]
        at += 4
        for i, kind in enumerate(np.repeat([QUICK, ANY, PLAIN], counts).tolist()):
            channel = _first_of(begin, channels) + (lanes >> 2 * i) % LANES
            row = data[at : at + 4 * _ROW_WORDS]
            at += 4 * _ROW_WORDS
            if len(row) < 4 * _ROW_WORDS or channel >= channels:
                raise ValueError("the depthwise stream ends in a row, or has one for no channel")
            halves = np.frombuffer(row[:24], "<i2").reshape(3, 4)
            bias, multiplier, addend = np.frombuffer(row[24:], "<i4").tolist()
            scale, shift = _scale_and_shift(kind, addend)
            if (halves % scale).any() or bias % scale or (halves[:, 1] != halves[:, 2]).any():
                raise ValueError(f"the row of channel {channel} holds no weights")
            weights[..., channel] = halves[:, [0, 1, 3]].T // scale
            numbers[:, channel] = bias // scale, multiplier, shift, kind
            seen.append(channel)
    if sorted(seen) != list(range(channels)) or at != len(data):
        raise ValueError("the depthwise stream does not have a row for each channel")
    bias, multipliers, shifts = numbers[:3].astype(np.int32)
    return Unpacked(weights.astype(np.int8), bias, multipliers, shifts, numbers[3])
