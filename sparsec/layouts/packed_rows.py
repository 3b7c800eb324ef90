# SPDX-License-Identifier: Apache-2.0
"""The stream of `sparsec_convolve_packed_s8`: one array with the weights, biases and multipliers of a layer.

The kernel keeps two output pixels in one 64-bit accumulator, v0 + v1 * 2**23, and multiplies a weight with a word that
holds the inputs of both. The rule: a row is written only as what `field_bound` proves right for every int8 input.

It is an array of int32 because its numbers are aligned; they are little-endian:

- u16 `row_words`, u16 `phase_words`, u16 `pairs_rows`, u16 `flat` (see `Slab`);
- groups of rows: u8 kind (`NARROW`, `WIDE`, `GENERIC`; 0 ends the stream), i8 shift, u16 0; then rows; then 12 bytes
  whose last u16 is `EXIT`;
- a row: u64 both fields with the bias (`GENERIC`: i32 bias, u32 0), the first entry, if their number is odd, else u16 0,
  u16 8 * (passes - 1) + skipped, the other entries, i32 multiplier, u32 output channel (bit 31: the row goes on in the
  next one). A pass is four entries, the first pass leaves out the first `skipped`;
- an entry: u8 step in words of the slab, i8 weight. Steps over 255 are bridged by entries (255, 0);
- a row of blocks, where nearly all weights of neighbouring channels are there (1x1 only): u16 8 * (blocks - 1) + `BLOCKS`
  and instead of the entries blocks of u8 step in channels, i8 four weights; then up to 3 zero bytes.

Rows for which no proof is found are cut in parts. The C version of the kernel reads the same stream; its assembly is in one
header, because compilers spill.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from sparsec.layouts.remembered import remembered
from sparsec.quantization.window import Window

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

NAME = "packed rows"

FIELD_BITS = 23
NARROW, WIDE, GENERIC = 1, 2, 3
NARROW_LIMIT = 1 << (FIELD_BITS - 2)
WIDE_LIMIT = 1 << (FIELD_BITS - 1)
EXIT = 4
BLOCKS = 5
BLOCK_CHANNELS = 4
MORE = 1 << 31
MAX_STEP = 255
MAX_ENTRIES = 4 * 8192
MAX_SHIFT = 22
_INPUT_BOUND = 128


@dataclass(frozen=True)
class Slab:
    """Where the kernel keeps the inputs of a window: words [kernel height, channels, `row_words`].

    A word holds the inputs of an output pixel and of its partner, which lies half the output further to the right, or
    further down where `pairs_rows`. `flat`: the image is one row of all pixels. A row has a phase of `phase_words`
    columns for each column of a stride that a tap can fall on.
    """

    kernel: tuple[int, int]
    channels: int
    row_words: int
    phase_words: int
    pairs_rows: bool
    flat: bool

    @property
    def bytes(self) -> int:
        """Scratch of the kernel: the words and one pixel of padding."""
        return 4 * self.kernel[0] * self.channels * self.row_words + -(-self.channels // 4) * 4

    def offsets(self, window: Window) -> NDArray[np.int64]:
        """The word of each weight [kernel height, kernel width, channels], counted from an output pixel's first."""
        height, width = self.kernel
        ky, kx, c = np.ogrid[:height, :width, : self.channels]
        x = kx * window.dilations[1]
        stride = window.strides[1]
        phase = x % stride * self.phase_words
        return (ky * self.channels + c) * self.row_words + phase + x // stride


def slab_for(
    window: Window, output: tuple[int, int], kernel: tuple[int, int], channels: int
) -> Slab:
    """The slab of a convolution with an `output` of (height, width)."""
    point = kernel == (1, 1)
    flat = point and window.strides == (1, 1) and window.padding == (0, 0, 0, 0)
    height, width = (1, output[0] * output[1]) if flat else output
    pairs_rows = width % 2 == 1 and (height % 2 == 0 or width == 1) and height > 1
    if point:
        return Slab(kernel, channels, 4, 4, pairs_rows, flat)
    stride, dilation = window.strides[1], window.dilations[1]
    columns = width if pairs_rows else (width + 1) // 2
    phase_words = columns + (kernel[1] - 1) * dilation // stride
    phases = 1 if dilation % stride == 0 else stride
    slab = Slab(kernel, channels, phases * phase_words, phase_words, pairs_rows, flat)
    if slab.row_words > 0xFFFF:
        raise ValueError(
            f"a row of {slab.row_words} words is more than the packed kernel addresses"
        )
    return slab


def field_bound(bias: int, weights: Int8) -> int:
    """No accumulator of a row exceeds this magnitude, for any int8 input, in its final value."""
    return abs(bias) + _INPUT_BOUND * int(np.abs(weights.astype(np.int64)).sum())


def row_kind(bound: int, entries: int, shift: int, multiplier: int) -> int:
    """Which way of finishing a row is exact: `NARROW` and `WIDE` fields with the short requantization (shift to the
    right by 1 to 22), else `GENERIC`."""
    short = 1 <= -shift <= MAX_SHIFT and multiplier >= 0
    if not short or entries > MAX_ENTRIES or bound >= WIDE_LIMIT:
        return GENERIC
    return NARROW if bound < NARROW_LIMIT else WIDE


@dataclass(frozen=True)
class PackedRow:
    """One output channel: entries [n, 2] of (step, weight) and its numbers."""

    channel: int
    kind: int
    shift: int
    multiplier: int
    bias: int
    entries: NDArray[np.int64]
    blocks: NDArray[np.int64] | None = None
    """The same as [n, 5] of (step in channels, weights), if it is stored so."""


def row_entries(offsets: NDArray[np.int64], weights: Int8) -> NDArray[np.int64]:
    """The non-zeros of a row, in the order of their words, as (step, weight) [n, 2]; never empty."""
    (used,) = np.nonzero(weights)
    used = used[np.argsort(offsets[used], kind="stable")]
    steps = np.diff(offsets[used], prepend=0)
    bridges = np.maximum(steps - 1, 0) // MAX_STEP
    last = np.cumsum(bridges + 1) - 1
    entries = np.tile(np.array([MAX_STEP, 0], np.int64), (int((bridges + 1).sum()), 1))
    entries[last, 0] = steps - MAX_STEP * bridges
    entries[last, 1] = weights[used]
    return entries if len(entries) else np.zeros((1, 2), np.int64)


def row_blocks(weights: Int8, slab: Slab) -> NDArray[np.int64] | None:
    """The blocks of a row with their steps, None where entries take fewer instructions or the slab has no place for them.

    A block costs the kernel 32 instructions and 5 bytes, an entry 9.5 and 2.
    """
    if slab.kernel != (1, 1) or slab.channels % BLOCK_CHANNELS:
        return None
    blocks = weights.reshape(-1, BLOCK_CHANNELS)
    (used,) = np.nonzero(blocks.any(axis=1))
    nonzeros = int(np.count_nonzero(weights))
    if nonzeros == 0 or 95 * nonzeros < 320 * len(used):
        return None
    steps = np.diff(used, prepend=0) * BLOCK_CHANNELS
    bridges = np.maximum(steps - 1, 0) // MAX_STEP
    last = np.cumsum(bridges + 1) - 1
    if len(last) and last[-1] >= MAX_ENTRIES // 4:
        return None
    result = np.zeros((int((bridges + 1).sum()), 1 + BLOCK_CHANNELS), np.int64)
    result[:, 0] = MAX_STEP
    result[last, 0] = steps - MAX_STEP * bridges
    result[last, 1:] = blocks[used]
    return result


def pack_rows(
    weights: Int8,
    bias: Int32,
    multipliers: Int32,
    shifts: Int32,
    window: Window,
    slab: Slab,
) -> Int32:
    """The stream of weights [outputs, kernel height, kernel width, channels].

    `bias`, with the input offset folded in, `multipliers` and `shifts` have a number for each output.
    Raises ValueError when there are too many outputs.
    """
    offsets = slab.offsets(window).reshape(-1)
    rows: list[PackedRow] = []
    for channel, row in enumerate(weights.reshape(len(weights), -1)):
        entries = row_entries(offsets, row)
        b, m, s = int(bias[channel]), int(multipliers[channel]), int(shifts[channel])
        kind = row_kind(field_bound(b, row), len(entries), s, m)
        blocks = None if kind == GENERIC else row_blocks(row, slab)
        rows.append(PackedRow(channel, kind, s, m, b, entries, blocks))
    rows.sort(key=lambda row: (row.kind, row.shift, row.channel))
    stream = bytearray(_header(slab).tobytes())
    for (kind, shift), group in groupby(rows, key=lambda row: (row.kind, row.shift)):
        stream += bytes((kind, shift & 0xFF, 0, 0))
        for row in group:
            for part in _parts(row):
                stream += part
        stream += bytes(10) + EXIT.to_bytes(2, "little")
    stream += bytes(4)
    result = np.frombuffer(bytes(stream), "<i4").astype(np.int32)
    _prove(result, weights, bias, multipliers, shifts, window, slab)
    return result


def _header(slab: Slab) -> Int32:
    header = [slab.row_words, slab.phase_words, slab.pairs_rows, slab.flat]
    return np.array(header, "<u2").view("<i4").astype(np.int32)


def _parts(row: PackedRow) -> Iterator[bytes]:
    """The row as it is stored; a `GENERIC` one in as many parts as its fields ask for, the first with the bias."""
    if row.kind != GENERIC:
        both = (row.bias + (row.bias << FIELD_BITS)) % (1 << 64)
        yield _stored(row, both, row.entries, more=False)
        return
    bias = row.bias
    segments = list(_segments(row.entries))
    for i, entries in enumerate(segments):
        yield _stored(row, bias % (1 << 32), entries, more=i + 1 < len(segments))
        bias = 0


def _segments(entries: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """`entries` cut so that each part stays within `WIDE_LIMIT`. A later part starts at word 0 again."""
    start = 0
    while start < len(entries):
        bounds = _INPUT_BOUND * np.cumsum(np.abs(entries[start:, 1]))
        count = min(int(np.searchsorted(bounds, WIDE_LIMIT)), MAX_ENTRIES - 4096)
        part = entries[start : start + count]
        if start:
            skipped = int(entries[:start, 0].sum())
            bridges = np.tile(np.array([MAX_STEP, 0], np.int64), (skipped // MAX_STEP, 1))
            part = np.concatenate([bridges, part])
            if (rest := skipped % MAX_STEP) != 0:
                part = np.insert(part, 0, [rest, 0], axis=0)
        yield part
        start += count


def _stored(row: PackedRow, fields: int, entries: NDArray[np.int64], more: bool) -> bytes:
    if row.blocks is not None:
        code = 8 * (len(row.blocks) - 1) + BLOCKS
        pairs = (row.blocks & 0xFF).astype(np.uint8).tobytes()
        first, pairs = bytes(2), pairs + bytes(-len(pairs) % 4)
    else:
        count = len(entries)
        passes = -(-count // 4)
        code = 8 * (passes - 1) + 4 * passes - count
        pairs = (entries & 0xFF).astype(np.uint8).tobytes()
        first, pairs = (pairs[:2], pairs[2:]) if count % 2 else (bytes(2), pairs)
    return b"".join(
        (
            fields.to_bytes(8, "little"),
            first,
            code.to_bytes(2, "little"),
            pairs,
            (row.multiplier % (1 << 32)).to_bytes(4, "little"),
            (row.channel | (MORE if more else 0)).to_bytes(4, "little"),
        )
    )


def _read_blocks(data: bytes, at: int, code: int) -> tuple[NDArray[np.int64], int]:
    """The blocks of the row at `at`, and where they end."""
    size = (1 + BLOCK_CHANNELS) * (code // 8 + 1)
    stored = np.frombuffer(data[at + 12 : at + 12 + size], np.uint8).reshape(-1, 1 + BLOCK_CHANNELS)
    blocks = stored.view(np.int8).astype(np.int64)
    blocks[:, 0] = stored[:, 0]
    return blocks, at + 12 + -(-size // 4) * 4


def _entries_of(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Blocks as entries, whose steps may go back."""
    starts = 4 * np.cumsum(blocks[:, :1], axis=0)
    words = (starts + 4 * np.arange(BLOCK_CHANNELS)).reshape(-1)
    return np.stack([np.diff(words, prepend=0), blocks[:, 1:].reshape(-1)], axis=1)


def _read_entries(data: bytes, at: int, code: int) -> tuple[NDArray[np.int64], int]:
    """The entries of the row at `at`, and where they end."""
    count = 4 * (code // 8 + 1) - code % 8
    first = data[at + 8 : at + 10] if count % 2 else b""
    end = at + 12 + 2 * (count - count % 2)
    pairs = np.frombuffer(first + data[at + 12 : end], np.uint8).reshape(-1, 2)
    return np.stack([pairs[:, 0], pairs[:, 1].view(np.int8)], axis=1, dtype=np.int64), end


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise ValueError("the stream ends before its last row")
    return data[at]


def unpack_rows(stream: Int32) -> list[PackedRow]:
    """The rows of a stream, parts of a row apart, in the order of the stream. Raises ValueError where it ends too early."""
    data = stream.astype("<i4").tobytes()
    rows: list[PackedRow] = []
    at = 8
    while (kind := _byte(data, at)) != 0:
        shift = int.from_bytes(data[at + 1 : at + 2], "little", signed=True)
        at += 4
        while (code := int.from_bytes(data[at + 10 : at + 12], "little")) != EXIT:
            blocks = None
            if code % 8 == BLOCKS:
                blocks, end = _read_blocks(data, at, code)
                entries = _entries_of(blocks)
            else:
                entries, end = _read_entries(data, at, code)
            bits = 32 if kind == GENERIC else FIELD_BITS
            low = int.from_bytes(data[at : at + 8], "little") % (1 << bits)
            bias = low - (1 << bits) if low >> (bits - 1) else low
            multiplier = int.from_bytes(data[end : end + 4], "little", signed=True)
            channel = int.from_bytes(data[end + 4 : end + 8], "little") & ~MORE
            _byte(data, end + 7)
            rows.append(PackedRow(channel, kind, shift, multiplier, bias, entries, blocks))
            at = end + 8
        at += 12
    return rows


@dataclass(frozen=True)
class Unpacked:
    """What a stream says of a layer, as the arguments of `pack_rows`."""

    weights: Int8
    bias: Int32
    multipliers: Int32
    shifts: Int32


@remembered(128)
def unpack_layer(stream: Int32, outputs: int, window: Window, slab: Slab) -> Unpacked:
    """The layer of a stream. Raises ValueError when it was made for another slab or a word belongs to no weight."""
    if not np.array_equal(stream[:2], _header(slab)):
        raise ValueError("the stream was laid out for another slab")
    return _layer_of(unpack_rows(stream), outputs, window, slab)


def _layer_of(rows: Iterable[PackedRow], outputs: int, window: Window, slab: Slab) -> Unpacked:
    """The layer of unpacked rows. Raises ValueError when a word belongs to no weight, a row to no output."""
    offsets = slab.offsets(window).reshape(-1)
    column_of = np.full(
        int(offsets.max()) + 2, -1
    )  # none for the last, which stands for all behind
    column_of[offsets] = np.arange(len(offsets))
    weights = np.zeros((outputs, len(offsets)), np.int8)
    bias, multipliers, shifts = (np.zeros(outputs, np.int32) for _ in range(3))
    for row in rows:
        used = row.entries[:, 1] != 0
        words = np.cumsum(row.entries[:, 0])[used]
        columns = column_of[np.clip(words, -1, len(column_of) - 1)]
        if (columns < 0).any():
            word = words[columns < 0][0]
            raise ValueError(f"output {row.channel} reads word {word}, which holds no input")
        if row.channel >= outputs:
            raise ValueError(f"there is no output {row.channel} of {outputs}")
        weights[row.channel, columns] = row.entries[used, 1]
        bias[row.channel] += row.bias
        multipliers[row.channel] = row.multiplier
        shifts[row.channel] = row.shift
    return Unpacked(
        weights.reshape(outputs, *slab.kernel, slab.channels), bias, multipliers, shifts
    )


def _prove(
    stream: Int32,
    weights: Int8,
    bias: Int32,
    multipliers: Int32,
    shifts: Int32,
    window: Window,
    slab: Slab,
) -> None:
    """The stream holds the layer and no part of it can leave its field. Raises ValueError otherwise."""
    rows = unpack_rows(stream)
    found = _layer_of(rows, len(weights), window, slab)
    for expected, actual in (
        (weights, found.weights),
        (bias, found.bias),
        (multipliers, found.multipliers),
        (shifts, found.shifts),
    ):
        if not np.array_equal(expected, actual):
            raise ValueError("the packed stream does not hold the layer it was made of")
    limits = {NARROW: NARROW_LIMIT, WIDE: WIDE_LIMIT, GENERIC: WIDE_LIMIT}
    for row in rows:
        bias_here = 0 if row.kind == GENERIC else row.bias
        if field_bound(bias_here, row.entries[:, 1].astype(np.int8)) >= limits[row.kind]:
            raise ValueError(f"an accumulator of output {row.channel} can leave its field")
