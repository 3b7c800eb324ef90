# SPDX-License-Identifier: Apache-2.0
"""Weights as whole numbers, and what they make of an image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.quantization.params import Rescale
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.resampling import MAX_TOTAL, largest_sum, resample, whole_taps


def test_small_numbers_are_exact() -> None:
    taps = whole_taps(np.array([[0.25, 0.75], [0.75, 0.25]]))
    np.testing.assert_array_equal(taps, [[512, 1536], [1536, 512]])
    thirds = whole_taps(
        np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]]).astype(np.float32).astype(np.float64)
    )
    np.testing.assert_array_equal(thirds, [[682, 682, 682], [1023, 1023, 0]])


@given(st.lists(st.floats(-0.25, 1.0), min_size=1, max_size=9), st.integers(1, 3))
def test_each_is_within_half_of_the_last_bit_or_one(parts: list[float], count: int) -> None:
    """Rounded to a sum that is kept, a weight moves by less than one of MAX_TOTAL."""
    rows = np.array([[part, 1 - part, *[0.0] * (count - 1)] for part in parts])
    taps = whole_taps(rows)
    (total,) = {*taps.sum(axis=1).tolist()}
    assert total > MAX_TOTAL // 2 and total <= MAX_TOTAL
    assert np.abs(taps / total - rows).max() < 1 / MAX_TOTAL


def test_other_sums_are_refused() -> None:
    with pytest.raises(ValueError, match="must sum to 1"):
        whole_taps(np.array([[0.5, 0.6]]))


def test_image() -> None:
    """Two rows and one column of a 2x3 image, by hand."""
    x = np.array([[10, -20, 30], [50, 60, -70]], np.int8).reshape(1, 2, 3, 1)
    rows, row_taps = np.array([0, 0], np.uint16), np.array([[1, 3], [4, 0]], np.int16)
    columns, column_taps = np.array([1], np.uint16), np.array([[2, 2]], np.int16)
    multiplier, shift = quantize_multiplier(1 / 16)
    found = resample(
        x, rows, row_taps, columns, column_taps, Rescale(10, multiplier, shift, 3, (-5, 127))
    )
    # ((-30 + 20) * 2 + (50 - 80) * 2 * 3) / 16 is -12.5, ((-30 + 20) * 2 * 4) / 16 is -5.
    np.testing.assert_array_equal(found.reshape(-1), [-5, -2])
    assert largest_sum(row_taps, column_taps) == 255 * 4 * 4
