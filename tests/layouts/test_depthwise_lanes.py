# SPDX-License-Identifier: Apache-2.0
"""The stream of the depthwise kernel for Helium holds the layer, and what is broken is seen."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.layouts.depthwise_lanes import (
    overlap,
    pack_depthwise_lanes,
    scratch_bytes,
    unpack_depthwise_lanes,
    why_not,
    words,
)
from sparsec.planning.overlap import apart
from sparsec.quantization.window import Window


def layer(
    kernel: tuple[int, int], channels: int, seed: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Weights, biases, multipliers and shifts."""
    rng = np.random.default_rng(seed)
    return (
        rng.integers(-128, 128, (*kernel, channels)).astype(np.int8),
        rng.integers(-(2**31), 2**31, channels).astype(np.int32),
        rng.integers(2**30, 2**31, channels).astype(np.int32),
        rng.integers(-31, 30, channels).astype(np.int32),
    )


@given(
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.integers(1, 23),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_packed_is_unpacked(kernel: tuple[int, int], channels: int, seed: int) -> None:
    arrays = layer(kernel, channels, seed)
    stream = pack_depthwise_lanes(*arrays)
    assert len(stream) == words(kernel, channels)
    found = unpack_depthwise_lanes(stream, kernel, channels)
    for given_array, unpacked in zip(arrays, vars(found).values(), strict=True):
        np.testing.assert_array_equal(unpacked, given_array)


def test_the_order_of_a_part() -> None:
    """Taps of eight channels, then biases, multipliers and shifts of the even and of the odd channels."""
    weights = np.arange(18, dtype=np.int8).reshape(1, 2, 9)
    numbers = [np.arange(9, dtype=np.int32) + base for base in (100, 200, 300)]
    stream = pack_depthwise_lanes(weights, *numbers)
    data = stream.astype("<i4").tobytes()
    assert list(data[:16]) == [*range(8), *range(9, 17)]
    even, odd = [0, 2, 4, 6], [1, 3, 5, 7]
    assert stream[4:28].tolist() == [base + c for base in (100, 200, 300) for c in even + odd]
    assert list(data[112:128]) == [8, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0]
    assert stream[32:].tolist() == [108, *[0] * 7, 208, *[0] * 7, 308, *[-1] * 7]


def test_a_broken_stream() -> None:
    stream = pack_depthwise_lanes(*layer((3, 3), 9, 1))
    with pytest.raises(ValueError, match="has 83 words, not 84"):
        unpack_depthwise_lanes(stream[:-1], (3, 3), 9)
    for word in (42, 42 + 18 + 1, 42 + 18 + 8 + 1, 42 + 18 + 16 + 1):
        broken = stream.copy()
        broken[word] ^= 1 << 30
        with pytest.raises(ValueError, match="something for no channel"):
            unpack_depthwise_lanes(broken, (3, 3), 9)


def test_scratch() -> None:
    assert scratch_bytes(Window((2, 2)), (3, 5), 4) == 16 * 3 * 11


def test_what_it_cannot_do() -> None:
    assert why_not(Window(), (4, 4)) is None
    assert why_not(Window(dilations=(1, 2)), (4, 4)) == "a window cannot be dilated, got (1, 2)"
    reason = "input and output must have the same channels, got 4 and 8"
    assert why_not(Window(), (4, 8)) == reason


def test_where_an_output_may_lie() -> None:
    """In the place of its input where no row is written over one that is still to be copied: not under a border that is as
    high as the window, nor with rows longer than those of the input."""
    same = Window(padding=(1, 1, 1, 1))
    inside = overlap(same, (3, 3), (5, 6, 20), (5, 6))
    assert inside.allows(0)
    assert not any(inside.allows(distance) for distance in range(1, 600))
    assert not any(inside.allows(-distance) for distance in range(1, 600))
    assert inside.bytes(600, 600) == 600
    high = Window(padding=(3, 0, 0, 0))
    assert overlap(high, (3, 3), (6, 6, 8), (7, 4)) == apart(7 * 4 * 8, 6 * 6 * 8)
    long = Window(padding=(0, 2, 0, 2))
    assert overlap(long, (1, 3), (6, 6, 8), (6, 8)) == apart(6 * 8 * 8, 6 * 6 * 8)
