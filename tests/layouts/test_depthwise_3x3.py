# SPDX-License-Identifier: Apache-2.0
"""The stream of the 3x3 depthwise kernel holds the layer, its rows are of the kind that is exact, and what is broken is seen."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.layouts.depthwise_3x3 import (
    ANY,
    PLAIN,
    QUICK,
    SHIFT,
    Int32,
    in_place,
    kind_of,
    pack_depthwise_3x3,
    scratch_bytes,
    sum_bound,
    unpack_depthwise_3x3,
    why_not,
)
from sparsec.quantization import int8
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window

RELU = Requant(0, -128, (-128, 127))
LINEAR = Requant(0, -2, (-128, 127))


@given(
    channels=st.integers(1, 23),
    seed=st.integers(0, 2**32 - 1),
    requant=st.sampled_from([RELU, LINEAR, Requant(5, 7, (7, 100)), Requant(5, 127, (-3, 127))]),
    shift=st.integers(-31, 30) | st.none(),
)
def test_what_is_packed_is_unpacked(
    channels: int, seed: int, requant: Requant, shift: int | None
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (3, 3, channels)).astype(np.int8)
    bias = rng.integers(-(2**17), 2**17, channels).astype(np.int32)
    multipliers = rng.integers(2**30, 2**31, channels).astype(np.int32)
    shifts = rng.integers(-16, 2, channels).astype(np.int32)
    if shift is not None:
        shifts[:] = shift
    stream = pack_depthwise_3x3(weights, bias, multipliers, shifts, requant)
    assert stream.nbytes == 36 * channels + 4 * -(-channels // 4)
    found = unpack_depthwise_3x3(stream, channels)
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_array_equal(found.bias, bias)
    np.testing.assert_array_equal(found.multipliers, multipliers)
    np.testing.assert_array_equal(found.shifts, shifts)
    for c, kind in enumerate(found.kinds.tolist()):
        bound = sum_bound(int(bias[c]), weights[..., c])
        assert kind == kind_of(bound, int(shifts[c]), int(multipliers[c]), requant)


@pytest.mark.parametrize(
    ("shift", "bound", "requant", "kind"),
    [
        (-4, 100, RELU, ANY),
        (-5, 100, RELU, QUICK),
        (-11, 100, RELU, QUICK),
        (-12, 100, RELU, ANY),
        (-22, 100, RELU, ANY),
        (-23, 100, RELU, PLAIN),
        (-1, 100, RELU, ANY),
        (0, 100, RELU, PLAIN),
        (3, 100, RELU, PLAIN),
        (-8, 100, LINEAR, ANY),
        (-8, 100, Requant(0, -2, (-2, 127)), QUICK),
        (-8, 100, Requant(0, -2, (-3, 127)), ANY),
        (-5, (1 << 23) - 1, RELU, QUICK),
        (-5, 1 << 23, RELU, ANY),
        (-11, (1 << 29) - 1, RELU, QUICK),
        (-11, 1 << 29, RELU, ANY),
        (-11, (1 << 30) - 1, RELU, ANY),
        (-11, 1 << 30, RELU, PLAIN),
    ],
)
def test_the_first_kind_that_is_exact(shift: int, bound: int, requant: Requant, kind: int) -> None:
    assert kind_of(bound, shift, 2**30, requant) == kind
    assert kind_of(bound, shift, -1, requant) == PLAIN


@pytest.mark.parametrize("multiplier", [2**30, 2**30 + 1, 1_500_000_001, 2**31 - 1, 3])
@pytest.mark.parametrize("right", [*range(5, SHIFT), 1, 4, 12, 17, 22])
def test_the_arithmetic_of_a_kind_is_cmsis_nns(right: int, multiplier: int) -> None:
    """As the module says it of each kind, for all sums near 0 and near each step of the output."""
    steps = (np.arange(-300, 301)[:, None] * 2 + 1) * 2.0 ** (right + 30) / multiplier
    near = np.unique(
        np.concatenate([np.arange(-3000, 3001), (steps + np.arange(-2, 3)).round().reshape(-1)])
    )
    v = near[np.abs(near) < 2**23].astype(np.int64)
    scaled = int8.requantize(v.astype(np.int32), multiplier, -right).astype(np.int64)
    half = 1 << (right - 1)
    upper = (2 * v * multiplier + 2**31) >> 32
    any_ = (upper + np.where(v < 0, -1, 0) + half) >> right
    np.testing.assert_array_equal(any_, scaled)
    if 5 <= right < SHIFT:
        left = SHIFT - right
        acc = v << (left + 1)
        quick = ((acc * multiplier >> 32) + (half << left) + (1 << (left - 1))) >> SHIFT
        np.testing.assert_array_equal(np.maximum(quick, 0), np.maximum(scaled, 0))


def example() -> tuple[Int32, int]:
    rng = np.random.default_rng(3)
    weights = rng.integers(-128, 128, (3, 3, 6)).astype(np.int8)
    bias = np.arange(6, dtype=np.int32)
    shifts = np.array([-8, -30, -12, -7, 1, -8], np.int32)
    return pack_depthwise_3x3(weights, bias, np.full(6, 2**30, np.int32), shifts, RELU), 6


def test_lanes_are_in_the_order_of_kinds() -> None:
    stream, _ = example()
    heads = stream[[0, 37]].astype("<i4").view(np.uint8).reshape(2, 4)
    # Channels 0 and 3, 2, 1 of the first four; then 5 and 4, which are the last two of channels 2 to 5.
    assert heads.tolist() == [[2, 1, 1, 0b01_10_11_00], [1, 0, 1, 0b10_11]]


@pytest.mark.parametrize(
    ("at", "change", "words"),
    [
        (0, 1, "holds no weights"),
        (0, 1 << 24, "a row for each channel"),
        (1, 1, "holds no weights"),
        (1, 1 << 21, "holds no weights"),
        (7, 1, "holds no weights"),
        (37, 1 << 24, "for each channel"),
    ],
)
def test_a_broken_stream_is_seen(at: int, change: int, words: str) -> None:
    stream, channels = example()
    stream[at] += change
    with pytest.raises(ValueError, match=words):
        unpack_depthwise_3x3(stream, channels)


def test_a_stream_of_another_length_is_seen() -> None:
    stream, channels = example()
    with pytest.raises(ValueError, match="row"):
        unpack_depthwise_3x3(stream[:-1], channels)
    with pytest.raises(ValueError, match="for each channel"):
        unpack_depthwise_3x3(np.append(stream, np.int32(0)), channels)


SAME = Window(padding=(1, 1, 1, 1))


@pytest.mark.parametrize(
    ("window", "kernel", "channels", "reason"),
    [
        (SAME, (3, 3), (8, 8), None),
        (Window((2, 2), (0, 2, 1, 0)), (3, 3), (1, 1), None),
        (SAME, (3, 1), (8, 8), "must be 3x3, got 3x1"),
        (Window((1, 2)), (3, 3), (8, 8), "strides"),
        (Window((3, 3)), (3, 3), (8, 8), "strides"),
        (Window(dilations=(1, 2)), (3, 3), (8, 8), "dilated"),
        (Window(padding=(0, 0, 3, 0)), (3, 3), (8, 8), "less than a window"),
        (SAME, (3, 3), (4, 8), "same channels"),
    ],
)
def test_what_the_kernel_takes(
    window: Window, kernel: tuple[int, int], channels: tuple[int, int], reason: str | None
) -> None:
    found = why_not(window, kernel, channels)
    assert found is None if reason is None else found is not None and reason in found


def test_scratch_is_two_words_a_column_of_four_channels() -> None:
    assert scratch_bytes(Window(), (5, 9), (3, 7)) == 8 * 4 * 9
    # The padding between two channels is stored once.
    assert scratch_bytes(SAME, (25, 5), (25, 5)) == 8 * (4 * 6 + 1)
    assert scratch_bytes(Window((2, 2), (0, 0, 1, 1)), (12, 12), (6, 6)) == 8 * 4 * 13


def reads_before_writes(window: Window, image: tuple[int, int], output: tuple[int, int]) -> bool:
    """Row by row: what is written at the output's pixel must have been read as the input's pixel there."""
    done = 0
    rows = 2 if window.strides == (1, 1) else 1
    for first in range(0, output[0], rows):
        pair = first // 2 if rows == 2 else first
        read = min(image[0], max(0, 2 * (pair + 1) + 2 - window.padding[0])) * image[1]
        done = min(output[0], first + rows) * output[1]
        if min(done, image[0] * image[1]) > read:
            return False
    return done > 0


@pytest.mark.parametrize("padding", list(product((0, 1, 2), repeat=4)))
def test_where_the_output_may_begin_with_the_input(padding: tuple[int, int, int, int]) -> None:
    for stride, size in product((1, 2), product((3, 4, 7), (3, 6))):
        window = replace(SAME, strides=(stride, stride), padding=padding)
        output = window.output_size(size, (3, 3))
        assert in_place(window, size, output) == reads_before_writes(window, size, output)
    if sum(padding[1::2]) <= 2:
        window = replace(SAME, padding=padding)
        assert in_place(window, (9, 9), window.output_size((9, 9), (3, 3)))
