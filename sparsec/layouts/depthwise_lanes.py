# SPDX-License-Identifier: Apache-2.0
"""The stream of `sparsec_depthwise_convolve_lanes_s8`: one array with the weights, biases and multipliers of a layer.

The kernel has a channel in each lane of a vector. The rule: what it multiplies with each other lies in the order of the
lanes, which widening takes apart into even and odd ones.

It is an array of int32 because its numbers are aligned; they are little-endian. For each `PART` channels, the last ones
filled up with zeros, and with shifts of -1, because sums that are all shifted to the right are done in less time:

- i8 weights, for each tap of the window those of the channels, one behind the other;
- i32 biases, multipliers and shifts as CMSIS-NN has them, of each those of the even channels before those of the odd ones.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsec.layouts.remembered import remembered
from sparsec.planning.overlap import Overlap, apart
from sparsec.quantization.window import Window

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

NAME = "depthwise lanes"

PART = 8
PIXEL = 16
"""Channels that are copied together, the bytes of a pixel in scratch memory."""

_NUMBERS = 3
_FILLING = np.array([0, 0, -1])
_ORDER = [*range(0, PART, 2), *range(1, PART, 2)]
"""The channels of a part in the order of its numbers."""


def why_not(window: Window, channels: tuple[int, int]) -> str | None:
    """Why the kernel cannot do a depthwise convolution with `channels` of (input, output); None if it can."""
    if window.dilations != (1, 1):
        return f"a window cannot be dilated, got {window.dilations}"
    if channels[0] != channels[1]:
        return f"input and output must have the same channels, got {channels[0]} and {channels[1]}"
    return None


def scratch_bytes(window: Window, kernel: tuple[int, int], output_width: int) -> int:
    """As many rows of the image, with their padding, as the window is high: of 16 channels."""
    columns = (output_width - 1) * window.strides[1] + kernel[1]
    return PIXEL * columns * kernel[0]


def overlap(
    window: Window, kernel: tuple[int, int], image: tuple[int, int, int], outputs: tuple[int, int]
) -> Overlap:
    """How the output may lie over the dying `image` (height, width, channels): in its place, if at all.

    Channels are done in groups, of each the whole image, so that each byte may only fall on one of its own channel. A row is
    written once the rows that its windows reach are copied: no pixel may fall on a row behind those.
    """
    height, width, channels = image
    rows, columns = outputs
    written, read = rows * columns * channels, height * width * channels
    for y in range(rows):
        copied = y * window.strides[0] - window.padding[0] + kernel[0]
        if copied < height and (y + 1) * columns > max(copied, 0) * width:
            return apart(written, read)
    return Overlap(written, read, step=max(written, read))


def words(kernel: tuple[int, int], channels: int) -> int:
    """The length of the stream."""
    taps = kernel[0] * kernel[1]
    return -(-channels // PART) * (taps * PART // 4 + _NUMBERS * PART)


def pack_depthwise_lanes(weights: Int8, bias: Int32, multipliers: Int32, shifts: Int32) -> Int32:
    """The stream of weights [height, width, channels].

    `bias`, with the input offset folded in, `multipliers` and `shifts` have a number for each channel. Raises ValueError
    when the stream, unpacked, is not the layer.
    """
    *kernel, channels = weights.shape
    parts = -(-channels // PART)
    filled = ((0, 0), (0, parts * PART - channels))
    taps = np.pad(weights.reshape(-1, channels), filled).reshape(-1, parts, PART)
    numbers = np.repeat(_FILLING[:, np.newaxis], parts * PART, axis=1)
    numbers[:, :channels] = bias, multipliers, shifts
    numbers = numbers.reshape(_NUMBERS, parts, PART)[..., _ORDER].astype("<i4")
    stream = b"".join(
        np.ascontiguousarray(taps[:, part]).tobytes() + numbers[:, part].tobytes()
        for part in range(parts)
    )
    result = np.frombuffer(stream, "<i4").astype(np.int32)
    found = unpack_depthwise_lanes(result, (kernel[0], kernel[1]), channels)
    layer = (weights, bias, multipliers, shifts)
    unpacked = (found.weights, found.bias, found.multipliers, found.shifts)
    if not all(map(np.array_equal, layer, unpacked)):
        raise ValueError("the depthwise stream does not hold the layer it was made of")
    return result


@dataclass(frozen=True)
class Unpacked:
    """What a stream says of a layer, as the arguments of `pack_depthwise_lanes`."""

    weights: Int8
    bias: Int32
    multipliers: Int32
    shifts: Int32


@remembered(128)
def unpack_depthwise_lanes(stream: Int32, kernel: tuple[int, int], channels: int) -> Unpacked:
    """The layer of a stream. Raises ValueError where it is not one of a layer of this shape."""
    if len(stream) != words(kernel, channels):
        raise ValueError(
            f"the depthwise stream has {len(stream)} words, not {words(kernel, channels)}"
        )
    taps, parts = kernel[0] * kernel[1], -(-channels // PART)
    data = np.frombuffer(stream.astype("<i4").tobytes(), np.int8).reshape(parts, -1)
    weights = data[:, : taps * PART].reshape(parts, taps, PART).transpose(1, 0, 2)
    numbers = np.ascontiguousarray(data[:, taps * PART :]).view("<i4").reshape(parts, 3, PART)
    ordered = numbers[..., np.argsort(_ORDER)].transpose(1, 0, 2).reshape(_NUMBERS, -1)
    filling = _FILLING[:, np.newaxis] != ordered[:, channels:]
    if weights.reshape(taps, -1)[:, channels:].any() or filling.any():
        raise ValueError("the depthwise stream has something for no channel")
    bias, multipliers, shifts = ordered[:, :channels].astype(np.int32)
    taken = weights.reshape(taps, -1)[:, :channels].reshape(*kernel, channels)
    return Unpacked(np.ascontiguousarray(taken), bias, multipliers, shifts)
