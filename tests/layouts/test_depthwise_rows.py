# SPDX-License-Identifier: Apache-2.0
"""The stream of the sparse depthwise convolution, on its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.layouts.depthwise_rows import Int32, pack_depthwise, plane_for, unpack_depthwise
from sparsec.quantization.window import Window


def numbers(channels: int) -> tuple[Int32, Int32, Int32]:
    """Biases, multipliers and shifts."""
    rng = np.random.default_rng(channels)
    return (
        rng.integers(-(2**20), 2**20, channels).astype(np.int32),
        rng.integers(2**30, 2**31, channels).astype(np.int32),
        rng.integers(-20, 3, channels).astype(np.int32),
    )


sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))
small = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    kernel=sizes,
    output=st.tuples(st.integers(1, 300), st.integers(1, 40)),
    strides=small,
    dilations=small,
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip(
    kernel: tuple[int, int],
    output: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    density: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (*kernel, 4)).astype(np.int8)
    weights[rng.random(weights.shape) >= density] = 0
    window = Window(strides, (0, 0, 0, 0), dilations)
    plane = plane_for(window, output, kernel)
    bias, multipliers, shifts = numbers(4)
    stream = pack_depthwise(weights, bias, multipliers, shifts, window, plane)
    found = unpack_depthwise(stream, 4, window, plane)
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_array_equal(found.bias, bias)
    np.testing.assert_array_equal(found.multipliers, multipliers)
    np.testing.assert_array_equal(found.shifts, shifts)


def test_places_are_distinct_and_inside_the_plane() -> None:
    for strides in ((1, 1), (2, 2), (3, 1)):
        for dilations in ((1, 1), (2, 3)):
            window = Window(strides, (0, 0, 0, 0), dilations)
            plane = plane_for(window, (9, 5), (4, 3))
            places = plane.offsets(window)
            assert len(set(places.tolist())) == 12
            step = strides[1 if plane.transposed else 0] * plane.row_words
            last = (plane.lines - 1) * step + plane.line_words - 1
            assert last + places.max() < plane.rows * plane.row_words


def test_bytes() -> None:
    """At most 2.1 bytes a weight and twelve a channel besides its bias, multiplier and shift."""
    rng = np.random.default_rng(0)
    window = Window(padding=(1, 1, 1, 1))
    plane = plane_for(window, (25, 5), (3, 3))
    for density in (0.1, 0.5, 1.0):
        weights = rng.integers(1, 128, (3, 3, 64)) * (rng.random((3, 3, 64)) < density)
        stream = pack_depthwise(weights.astype(np.int8), *numbers(64), window, plane)
        assert stream.nbytes <= 2.1 * np.count_nonzero(weights) + 24 * 64


def test_a_stream_for_another_plane() -> None:
    weights = np.ones((3, 3, 1), np.int8)
    plane = plane_for(Window(), (8, 8), (3, 3))
    stream = pack_depthwise(weights, *numbers(1), Window(), plane)
    with pytest.raises(ValueError, match="another plane"):
        unpack_depthwise(stream, 1, Window(), plane_for(Window(), (9, 9), (3, 3)))


def test_a_row_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="more than the kernel addresses"):
        plane_for(Window(), (70_000, 70_000), (1, 1))
