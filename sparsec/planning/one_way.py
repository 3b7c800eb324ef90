# SPDX-License-Identifier: Apache-2.0
"""How an output may lie over the dying input of a kernel that works in one order, wherever the output lies.

The rule: what is written must not be what a later step, or the same one, reads. (`overlap_of` is for kernels that may
choose their direction.)
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Pool

Spans = NDArray[np.int64]
"""[steps, 2]: for each step in order its first byte and the one behind its last, counted from the begin of a buffer."""

NOTHING = (1 << 40, 0)
"""The span of a step that reads nothing."""


def one_way(reads: Spans, writes: Spans) -> Overlap:
    """Steps that read and write their spans in any order, but one step after the other."""
    first = np.minimum.accumulate(reads[::-1, 0])[::-1]
    end = np.maximum.accumulate(reads[::-1, 1])[::-1]
    below = (writes[:, 1] - first).max(initial=0)
    above = (end - writes[:, 0]).max(initial=0)
    return Overlap(int(below), int(above))


def read_first(reads: Spans, writes: Spans) -> Overlap:
    """Steps that read all of their span before they write."""
    return one_way(reads[1:], writes[:-1])


def spans(begins: NDArray[Any], size: int) -> Spans:
    """Spans of `size` bytes that begin at `begins`."""
    starts = begins.astype(np.int64).reshape(-1)
    return np.stack([starts, starts + size], axis=1)


def repeated(output: int, input: int) -> Overlap:
    """Byte by byte, the input repeated end to end: its last round alone may be overwritten. Sizes in bytes."""
    return Overlap(output - input, input)


@lru_cache(maxsize=256)
def broadcast(output: tuple[int, ...], input: tuple[int, ...]) -> Overlap:
    """Byte by byte, the input repeated along its axes of one element, or of which it has none."""
    places = np.broadcast_to(np.arange(prod(input)).reshape(input), output)
    return read_first(spans(places, 1), spans(np.arange(prod(output)), 1))


def channel_by_channel(reads: Spans, writes: Spans) -> Overlap:
    """Steps that read pixels and write one: each channel when that one, and no later one, has been read of all."""
    begins = writes[:, :1].repeat(2, axis=1)
    below = max(one_way(reads, begins).below, read_first(reads, writes).below)
    return Overlap(below, one_way(reads, writes).above)


def window_spans(
    pool: Pool, input: tuple[int, int], output: tuple[int, int], pixel: int
) -> tuple[Spans, Spans]:
    """What a window reads and writes that moves over images of (height, width), of `pixel` bytes for each pixel."""
    ends: list[Spans] = []
    for axis in range(2):
        first = np.arange(output[axis]) * pool.strides[axis] - pool.padding[axis]
        end = np.minimum(first + pool.kernel[axis], input[axis])
        ends.append(np.stack([np.maximum(first, 0), end - 1], axis=1))
    reads = ends[0][:, np.newaxis] * input[1] + ends[1]
    reads[..., 1] += 1
    pixels = np.arange(output[0] * output[1])
    return reads.reshape(-1, 2) * pixel, spans(pixels * pixel, pixel)
