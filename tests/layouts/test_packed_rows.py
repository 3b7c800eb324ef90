# SPDX-License-Identifier: Apache-2.0
"""The stream holds its layer, and nothing in it can leave its field."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.layouts import packed_rows
from sparsec.layouts.packed_rows import (
    FIELD_BITS,
    GENERIC,
    NARROW,
    NARROW_LIMIT,
    WIDE,
    WIDE_LIMIT,
    Slab,
    field_bound,
    pack_rows,
    row_blocks,
    row_kind,
    slab_for,
    unpack_layer,
    unpack_rows,
)
from sparsec.quantization.window import Window

POINT = Window()


def ints(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


@st.composite
def layers(draw: st.DrawFn) -> tuple[NDArray[np.int8], Window, tuple[int, int]]:
    """Weights, window and output size."""

    def pair(most: int) -> tuple[int, int]:
        return draw(st.tuples(st.integers(1, most), st.integers(1, most)))

    kernel, strides, dilations = pair(4), pair(3), pair(3)
    padding = draw(st.sampled_from([(0, 0, 0, 0), (1, 2, 0, 1)]))
    shape = (draw(st.integers(1, 5)), *kernel, draw(st.sampled_from([1, 2, 7, 300])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(-128, 128, shape).astype(np.int8)
    weights[rng.random(shape) < draw(st.sampled_from([0, 0.5, 0.95, 1]))] = 0
    return weights, Window(strides, padding, dilations), pair(30)


@given(
    layer=layers(),
    bias=st.sampled_from([0, 5, -70_000, 2**21, 2**31 - 1, -(2**31)]),
    shift=st.integers(-31, 30),
    multiplier=st.sampled_from([0, 2**30, 2**31 - 1]),
)
def test_round_trip_and_fields(
    layer: tuple[NDArray[np.int8], Window, tuple[int, int]],
    bias: int,
    shift: int,
    multiplier: int,
) -> None:
    weights, window, output = layer
    slab = slab_for(window, output, weights.shape[1:3], weights.shape[3])
    b, m, s = (np.full(len(weights), value, np.int32) for value in (bias, multiplier, shift))
    stream = pack_rows(weights, b, m, s, window, slab)
    found = unpack_layer(stream, len(weights), window, slab)
    np.testing.assert_array_equal(found.weights, weights)
    for expected, actual in zip(
        (b, m, s), (found.bias, found.multipliers, found.shifts), strict=True
    ):
        np.testing.assert_array_equal(expected, actual)
    for row in unpack_rows(stream):
        inputs = np.where(row.entries[:, 1] > 0, 127, -128)
        for worst in (inputs, ~inputs):
            total = int((row.entries[:, 1] * worst).sum()) + (
                row.bias if row.kind != GENERIC else 0
            )
            limit = NARROW_LIMIT if row.kind == NARROW else WIDE_LIMIT
            assert -limit <= total < limit
        if row.kind != GENERIC:
            assert -22 <= shift <= -1


@given(st.sampled_from([(2, 2), (1, 1), (3, 3)]), st.integers(1, 9), st.integers(1, 3))
def test_each_weight_has_a_word_of_its_own(
    kernel: tuple[int, int], width: int, stride: int
) -> None:
    """And so has each pixel of a strip that starts anywhere in a row of outputs."""
    window = Window((1, stride), (0, 0, 0, 0), (1, 2))
    slab = slab_for(window, (4, width), kernel, 3)
    offsets = slab.offsets(window).reshape(-1)
    assert len(set(offsets.tolist())) == len(offsets)
    columns = 1 if kernel == (1, 1) else width if slab.pairs_rows else (width + 1) // 2
    assert offsets.max() + columns <= 3 * kernel[0] * slab.row_words


@pytest.mark.parametrize(
    ("bound", "entries", "shift", "multiplier", "kind"),
    [
        (NARROW_LIMIT - 1, 9, -1, 2**30, NARROW),
        (NARROW_LIMIT, 9, -1, 2**30, WIDE),
        (WIDE_LIMIT - 1, 9, -22, 0, WIDE),
        (WIDE_LIMIT, 9, -22, 2**30, GENERIC),
        (5, 9, -23, 2**30, GENERIC),
        (5, 9, 0, 2**30, GENERIC),
        (5, 9, 3, 2**30, GENERIC),
        (5, 9, -9, -1, GENERIC),
        (5, 32_768, -9, 2**30, NARROW),
        (5, 32_769, -9, 2**30, GENERIC),
    ],
)
def test_the_kind_of_a_row(
    bound: int, entries: int, shift: int, multiplier: int, kind: int
) -> None:
    assert row_kind(bound, entries, shift, multiplier) == kind


def test_the_bound_is_reached() -> None:
    """By the inputs of the signs of the weights, -128 where they are negative."""
    weights = np.array([-127, -128, -5], np.int8)
    assert field_bound(7, weights) == 7 + int((weights.astype(int) * -128).sum())
    assert field_bound(-7, np.zeros(3, np.int8)) == 7


def test_both_fields_come_back_at_the_limits() -> None:
    """The arithmetic of the kernels on the extremes of both fields at once."""
    for limit, wide in ((NARROW_LIMIT, False), (WIDE_LIMIT, True)):
        values = (-limit + 1, -1, 0, 1, limit - 1)
        for v0 in values:
            for v1 in values:
                total = (v0 + (v1 << FIELD_BITS)) % (1 << 64)
                cut = FIELD_BITS if wide else FIELD_BITS - 1
                carry = total >> (cut - 1) & 1
                high = ((total >> cut) + carry) % (1 << 32)
                high = (high * 2 if wide else high) % (1 << 32)
                assert high == 2 * v1 % (1 << 32), (v0, v1, wide)


def test_a_violated_bound_is_never_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if a row were given the wrong kind, the proof over the finished stream refuses it."""
    weights = np.full((1, 1, 1, 300), 127, np.int8)
    slab = slab_for(POINT, (4, 4), (1, 1), 300)
    arguments = (weights, ints(0), ints(2**30), ints(-9), POINT, slab)
    assert {row.kind for row in unpack_rows(pack_rows(*arguments))} == {GENERIC}

    def narrow(*_: object) -> int:
        return NARROW

    monkeypatch.setattr(packed_rows, "row_kind", narrow)
    with pytest.raises(ValueError, match="output 0 can leave its field"):
        pack_rows(*arguments)


def test_rows_are_sorted_by_how_they_end() -> None:
    weights = np.ones((4, 1, 1, 8), np.int8)
    slab = slab_for(POINT, (4, 4), (1, 1), 8)
    m = ints(*[2**30] * 4)
    stream = pack_rows(weights, ints(0, 2**21, 0, 0), m, ints(-7, -7, -9, -7), POINT, slab)
    rows = [(row.kind, row.shift, row.channel) for row in unpack_rows(stream)]
    assert rows == [(NARROW, -9, 2), (NARROW, -7, 0), (NARROW, -7, 3), (WIDE, -7, 1)]


def test_bytes() -> None:
    """Two a non-zero and 20 a row, 12 of which a dense layer has too."""
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((64, 1, 1, 64)) < 0.9, 0, 50).astype(np.int8)
    slab = slab_for(POINT, (25, 5), (1, 1), 64)
    m, s = (np.full(64, value, np.int32) for value in (2**30, -9))
    stream = pack_rows(weights, np.zeros(64, np.int32), m, s, POINT, slab)
    assert stream.nbytes <= 2 * np.count_nonzero(weights) + 22 * 64 + 40
    assert slab.bytes == 16 * 64 + 64


def test_full_blocks_of_four_channels() -> None:
    """5 bytes for 4 weights where that is faster as well, bridges of 255 channels included."""
    slab = slab_for(POINT, (25, 5), (1, 1), 600)
    row = np.zeros(600, np.int8)
    row[8:12] = 1, -2, 3, -4
    row[520:524] = 5, 6, 0, 7
    blocks = row_blocks(row, slab)
    assert blocks is not None
    assert blocks.tolist() == [
        [8, 1, -2, 3, -4],
        [255, 0, 0, 0, 0],
        [255, 0, 0, 0, 0],
        [2, 5, 6, 0, 7],
    ]
    row[200] = 9
    assert row_blocks(row, slab) is None
    assert row_blocks(np.zeros(600, np.int8), slab) is None
    assert row_blocks(np.ones(9, np.int8), slab_for(POINT, (2, 2), (1, 1), 9)) is None
    window = Window(padding=(1, 1, 1, 1))
    assert row_blocks(np.ones(36, np.int8), slab_for(window, (2, 2), (3, 3), 4)) is None


def test_a_row_of_blocks_is_unpacked() -> None:
    weights = np.zeros((1, 1, 1, 600), np.int8)
    weights[..., 8:12] = 1, -2, 3, -4
    weights[..., 520:524] = 5, 6, 7, -128
    slab = slab_for(POINT, (4, 4), (1, 1), 600)
    stream = pack_rows(weights, ints(3), ints(2**30), ints(-5), POINT, slab)
    np.testing.assert_array_equal(unpack_layer(stream, 1, POINT, slab).weights, weights)
    assert stream.nbytes == 8 + 4 + 12 + 20 + 8 + 12 + 4


def test_another_slab_is_refused() -> None:
    window = Window(padding=(1, 1, 1, 1))
    slab = slab_for(window, (8, 8), (3, 3), 2)
    stream = pack_rows(np.ones((1, 3, 3, 2), np.int8), ints(0), ints(2**30), ints(-5), window, slab)
    other = replace(slab, row_words=slab.row_words + 1)
    with pytest.raises(ValueError, match="another slab"):
        unpack_layer(stream, 1, window, other)


@pytest.mark.parametrize(
    ("output", "pairs_rows"),
    [
        ((4, 4), False),
        ((4, 5), True),
        ((5, 5), False),
        ((4, 1), True),
        ((5, 1), True),
        ((1, 5), False),
    ],
)
def test_which_pixels_are_partners(output: tuple[int, int], pairs_rows: bool) -> None:
    slab: Slab = slab_for(Window((2, 2)), output, (3, 3), 1)
    assert slab.pairs_rows == pairs_rows
