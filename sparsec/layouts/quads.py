# SPDX-License-Identifier: Apache-2.0
"""The streams of the Helium convolutions that take four pixels at a time, and what they read windows from.

A stream is an array of int32, little-endian: whether all shifts are to the right; the bytes in front of the last four
rows, 0 where there are less; then for each output a row of bias, weights, multiplier and shift. A window is read where it lies in the input. Only where windows reach over a border are the rows of
the input that a band of output rows needs copied first, with padding around them, so the rule: what a stream says of
places depends on the shape of the layer, and `Windows` is the one who knows it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sparsec.layouts.linear_rows import RowNumbers
from sparsec.layouts.remembered import remembered
from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Window

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

RUNS = "runs for four pixels"
BLOCKS = "blocks for four pixels"

QUAD = 4
VECTOR = 16
GATHERED = 4
"""The blocks whose inputs are gathered as words, as many at once."""
PLACES = 65536
LEAST_SCRATCH = 4
"""Every call has some, though few kernels need it for windows that stay inside the image."""


@dataclass(frozen=True)
class Windows:
    """Where windows lie. Images are (height, width, channels), sizes (height, width).

    `window` is how they slide, `image` the input, `output` the size of the output and `kernel` that of a window.
    """

    window: Window
    image: tuple[int, int, int]
    output: tuple[int, int]
    kernel: tuple[int, int]

    def _reach(self, axis: int, outputs: int) -> int:
        """Pixels of the input, padding included, that so many outputs in a row reach over."""
        window = self.window
        return (
            (outputs - 1) * window.strides[axis]
            + (self.kernel[axis] - 1) * window.dilations[axis]
            + 1
        )

    @property
    def padded(self) -> bool:
        """Whether a window reaches over a border."""
        over = any(self._reach(axis, self.output[axis]) > self.image[axis] for axis in (0, 1))
        return over or max(self.window.padding[:2]) > 0

    @property
    def columns(self) -> int:
        """Pixels in a row of what windows are read from."""
        return self._reach(1, self.output[1]) if self.padded else self.image[1]

    @property
    def pitch(self) -> int:
        """Bytes from one of its rows to the next."""
        return self.columns * self.image[2]

    @property
    def is_flat(self) -> bool:
        """Whether the rows of windows follow each other as those of a row do."""
        down, beside = self.window.strides
        return beside * self.image[2] * self.output[1] == down * self.pitch

    @property
    def band_height(self) -> int:
        """Rows of the output in a band: all but the last have a multiple of four pixels then."""
        width = self.output[1]
        return min(1 if width % 4 == 0 else 2 if width % 2 == 0 else 4, self.output[0])

    def bands(self) -> list[int]:
        """The rows of the output in each band."""
        if not self.padded:
            return [self.output[0]]
        whole, rest = divmod(self.output[0], self.band_height)
        return [self.band_height] * whole + [rest] * (rest > 0)

    def band_rows(self, height: int) -> int:
        """Rows of the input that a band of so many rows reads."""
        return self._reach(0, height)

    @property
    def band_bytes(self) -> int:
        """What the rows that a band reads take."""
        return self._reach(0, self.band_height) * self.pitch

    @property
    def runs(self) -> tuple[int, int]:
        """Into how many runs of neighbouring bytes a window falls apart, and the bytes of each."""
        height, width = self.kernel
        if self.window.dilations[1] == 1:
            return height, width * self.image[2]
        return height * width, self.image[2]

    def packs(self, outputs: int) -> bool:
        """Whether windows are copied to one run each: where there are gaps in their rows, or so many runs end in a vector
        that is hardly filled that the products of `outputs` take longer than the copies."""
        runs, size = self.runs
        if runs > self.kernel[0]:
            return True
        single, whole = -(-size // VECTOR), -(-runs * size // VECTOR)
        saved = 10 * (runs * single - whole) + 8 * (runs - 1)
        return runs * single > whole and outputs * saved > 32 * runs * single

    def scratch_of_runs(self, outputs: int) -> int:
        """Bytes of scratch memory of the dense kernel."""
        runs, size = self.runs
        packed = QUAD * runs * size if self.packs(outputs) else 0
        return max(LEAST_SCRATCH, (self.band_bytes if self.padded else 0) + packed)

    def scratch_of_blocks(self, size: int) -> int:
        """The same of the kernel for blocks of `size`. That of four copies inputs that are not aligned, too."""
        copies = self.padded or size == GATHERED
        return max(LEAST_SCRATCH, self.band_bytes if copies else 0)

    def overlap(self, outputs: int) -> Overlap:
        """How an output of so many channels may lie over the dying input: only before it, as pixels are done from the
        first to the last.

        A band is copied before it is written; else four pixels are read as long as they are written, and the last four
        may be any.
        """
        height, width = self.output
        rows, columns, channels = self.image
        row = columns * channels
        if self.padded:
            done = np.cumsum(self.bands())[:-1]
            starts = (done * self.window.strides[0] - self.window.padding[0]).clip(0, rows) * row
            ends = done * width * outputs
        else:
            first = np.arange(max(1, height * width - QUAD + 1))
            down, beside = self.window.strides
            starts = first // width * down * row + first % width * beside * channels
            ends = np.minimum(first + QUAD, height * width) * outputs
        below = int(np.max(ends - starts, initial=0))
        return Overlap(below, rows * row)

    def why_no_blocks(self, size: int) -> str | None:
        """Why the kernel for blocks of `size` cannot read these windows; None if it can."""
        _, run = self.runs
        if run < size:
            return f"blocks of {size} need as many inputs side by side, got {run}"
        if size == GATHERED and self.image[2] % GATHERED:
            return f"channels of the input must be a multiple of {GATHERED}, got {self.image[2]}"
        last = self.places[-1] + run - size
        if last // self._unit(size) >= PLACES:
            return f"a window reaches over {last + size} bytes, too many for two bytes to tell"
        return None

    @staticmethod
    def _unit(size: int) -> int:
        """In which places of blocks are counted, in bytes."""
        return GATHERED if size == GATHERED else 1

    @cached_property
    def places(self) -> list[int]:
        """Where each run begins, in bytes from the begin of the window."""
        down, beside = self.window.dilations
        taps = range(self.kernel[1] if self.window.dilations[1] > 1 else 1)
        return [
            y * down * self.pitch + x * beside * self.image[2]
            for y in range(self.kernel[0])
            for x in taps
        ]

    def blocks_of(self, row: Int8, size: int) -> Iterator[tuple[int, Int8]]:
        """Blocks of `size` that hold the weights of a row, int8 [columns], and where the inputs of each begin."""
        _, run = self.runs
        unit = self._unit(size)
        for begin, weights in zip(self.places, row.reshape(-1, run), strict=True):
            left = weights.copy()
            while left.any():
                first = int(np.flatnonzero(left)[0])
                # No block reads what lies behind its run.
                start = min(first // unit * unit, run - size)
                yield begin + start, left[start : start + size].copy()
                left[start : start + size] = 0

    def row_of(self, blocks: list[tuple[int, Int8]], size: int) -> Int8:
        """The inverse of `blocks_of`. ValueError where a block lies in no window."""
        runs, run = self.runs
        row = np.zeros((runs, run), np.int64)
        for begin, weights in blocks:
            at = next((i for i, p in enumerate(self.places) if p <= begin <= p + run - size), None)
            if at is None:
                raise ValueError(f"no inputs of a window begin at {begin}")
            start = begin - self.places[at]
            row[at, start : start + size] += weights
        return row.astype(np.int8).reshape(-1)


@dataclass(frozen=True)
class QuadRows:
    """What a stream says of a layer: weights int8 [outputs, columns], and the blocks stored of it, if any."""

    weights: Int8
    numbers: RowNumbers
    blocks: int = 0


def check_numbers(numbers: RowNumbers) -> None:
    """ValueError where the kernels would round a product to the wrong side."""
    if (numbers.multiplier < 0).any():
        raise ValueError("a multiplier is negative")


def all_right(numbers: RowNumbers) -> bool:
    """Whether all shifts are to the right."""
    return bool((numbers.shift < 0).all())


def check_front(stream: Int32, numbers: RowNumbers, last: int) -> None:
    """ValueError where the first words of a stream are wrong."""
    if stream[:2].tolist() != [all_right(numbers), last]:
        raise ValueError("the stream is wrong about its shifts, or about its last rows")


def pack_runs(matrix: Int8, numbers: RowNumbers, runs: int) -> Int32:
    """The stream of the dense kernel for weights [outputs, columns] in so many runs, each filled up to whole vectors.

    The bias has the input offset folded in. Raises ValueError where a multiplier is negative, or when the stream, unpacked, is not the layer.
    """
    check_numbers(numbers)
    outputs, columns = matrix.shape
    size = columns // runs
    split = matrix.reshape(outputs, runs, size)
    filled = np.pad(split, ((0, 0), (0, 0), (0, -size % VECTOR))).reshape(outputs, -1)
    words = np.ascontiguousarray(filled).view("<i4")
    bias, multiplier, shift = (
        np.asarray(each, np.int32)[:, np.newaxis]
        for each in (numbers.bias, numbers.multiplier, numbers.shift)
    )
    rows = np.concatenate([bias, words, multiplier, shift], axis=1)
    front = [all_right(numbers), max(0, outputs - QUAD) * 4 * rows.shape[1]]
    stream = np.concatenate([front, rows.reshape(-1)]).astype(np.int32)
    found = unpack_runs(stream, outputs, columns, runs)
    if not np.array_equal(found.weights, matrix) or not found.numbers.equals(numbers):
        raise ValueError("the stream of runs does not hold the layer it was made of")
    return stream


@remembered(128)
def unpack_runs(stream: Int32, outputs: int, columns: int, runs: int) -> QuadRows:
    """The layer of a stream. Raises ValueError where it is not one of so many outputs and columns."""
    size = columns // runs
    words = runs * -(-size // VECTOR) * VECTOR // 4
    if stream.size != 2 + outputs * (words + 3):
        raise ValueError(f"{stream.size} words are no {outputs} rows of {runs} runs of {size}")
    rows = stream[2:].reshape(outputs, -1)
    filled = np.ascontiguousarray(rows[:, 1:-2]).astype("<i4").view(np.int8)
    split = filled.reshape(outputs, runs, -1)
    if split[..., size:].any():
        raise ValueError("a run is filled up with something else than zeros")
    weights = np.ascontiguousarray(split[..., :size]).reshape(outputs, columns)
    numbers = RowNumbers(*(np.ascontiguousarray(rows[:, i]) for i in (0, -2, -1)))
    check_front(stream, numbers, max(0, outputs - QUAD) * 4 * (words + 3))
    return QuadRows(weights, numbers)


def pack_blocks(matrix: Int8, numbers: RowNumbers, windows: Windows, size: int) -> Int32:
    """The stream of the kernel for blocks of `size`, 16 or 4, of weights [outputs, columns].

    Of 16 each block has its place and its weights; four of 4 have their places in words first, the last ones of a row being
    of zeros. Behind the bias is how many blocks, or fours of them, there are. Raises ValueError where windows, or
    multipliers, cannot be, or when the stream, unpacked, is not the layer.
    """
    check_numbers(numbers)
    if reason := windows.why_no_blocks(size):
        raise ValueError(reason)
    stream = bytearray()
    last = 0
    together = GATHERED if size == GATHERED else 1
    rows = zip(matrix, numbers.bias, numbers.multiplier, numbers.shift, strict=True)
    for i, (row, *ends) in enumerate(rows):
        last = len(stream) if i == len(matrix) - QUAD else last
        blocks = list(windows.blocks_of(row, size))
        blocks += [(0, np.zeros(size, np.int8))] * (-len(blocks) % together)
        stream += np.array([ends[0], len(blocks) // together], "<i4").tobytes()
        for first in range(0, len(blocks), together):
            group = blocks[first : first + together]
            places = [place // together for place, _ in group]
            stream += np.array(places, "<u2").tobytes()
            stream += b"".join(weights.tobytes() for _, weights in group)
        stream += np.array(ends[1:], "<i4").tobytes()
    stream += bytes(-len(stream) % 4)
    front = np.array([all_right(numbers), last], "<i4").tobytes()
    result = np.frombuffer(front + bytes(stream), "<i4").astype(np.int32)
    found = unpack_blocks(result, len(matrix), windows, size)
    if not np.array_equal(found.weights, matrix) or not found.numbers.equals(numbers):
        raise ValueError("the stream of blocks does not hold the layer it was made of")
    return result


@remembered(128)
def unpack_blocks(stream: Int32, outputs: int, windows: Windows, size: int) -> QuadRows:
    """The layer of a stream. Raises ValueError where it is not one of so many outputs."""
    data = stream.astype("<i4").tobytes()
    together = GATHERED if size == GATHERED else 1
    group = np.dtype([("places", "<u2", (together,)), ("weights", np.int8, (together, size))])
    at, stored, last = 8, 0, 0
    rows: list[Int8] = []
    ends: list[list[int]] = []
    for output in range(outputs):
        last = at - 8 if output == outputs - QUAD else last
        bias, count = np.frombuffer(_part(data, at, 8), "<i4").tolist()
        groups = np.frombuffer(_part(data, at + 8, count * group.itemsize), group)
        at += 8 + count * group.itemsize
        multiplier, shift = np.frombuffer(_part(data, at, 8), "<i4").tolist()
        at += 8
        places = groups["places"].reshape(-1).astype(np.int64) * together
        weights = groups["weights"].reshape(-1, size)
        used = [(int(p), w) for p, w in zip(places, weights, strict=True) if w.any()]
        rows.append(windows.row_of(used, size))
        ends.append([bias, multiplier, shift])
        stored += count * together
    if not at <= len(data) < at + 4:
        raise ValueError(f"the stream of blocks goes on behind {outputs} rows")
    numbers = RowNumbers(*np.array(ends, np.int32).T)
    check_front(stream, numbers, last)
    return QuadRows(np.stack(rows), numbers, stored)


def _part(data: bytes, at: int, size: int) -> bytes:
    if size < 0 or at + size > len(data):
        raise ValueError("the stream of blocks ends in a row")
    return data[at : at + size]
