# SPDX-License-Identifier: Apache-2.0
"""Scales as multipliers, and requantize against a scalar model in Python's unbounded integers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sparsec.quantization.requantize import (
    divide_by_power_of_two,
    doubling_high_mult,
    quantize_multiplier,
    requantize,
)

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
int32s = st.integers(INT32_MIN, INT32_MAX) | st.sampled_from(
    [INT32_MIN, INT32_MIN + 1, -(2**30), -1, 0, 1, 2**30, INT32_MAX]
)
multipliers = st.integers(2**30, INT32_MAX) | st.sampled_from([0, 1, 2**30, INT32_MAX])


def wrap(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def half_away_from_zero(value: Fraction) -> int:
    magnitude = (abs(value) + Fraction(1, 2)).__floor__()
    return magnitude if value >= 0 else -magnitude


def half_up(value: Fraction) -> int:
    return (value + Fraction(1, 2)).__floor__()


def requantize_model(value: int, multiplier: int, shift: int) -> int:
    """As documented: shift left, doubling high product rounded half up, then divide half away from zero."""
    high = half_up(Fraction(wrap(value << max(shift, 0)) * multiplier, 2**31))
    return half_away_from_zero(Fraction(wrap(high), 2 ** max(-shift, 0)))


@given(int32s, multipliers, st.integers(-31, 30))
@example(
    -3, 2**30, -1
)  # -1.5 rounds to -1 in the product, then -0.5 to -1: not -0.75 to -1 by luck
@example(1, 2**30, -1)
@example(-1, 2**30, 0)
@example(INT32_MIN, INT32_MAX, 0)
@example(INT32_MIN, INT32_MAX, -31)
@example(INT32_MAX, INT32_MAX, 1)
def test_requantize_is_the_model(value: int, multiplier: int, shift: int):
    result = requantize(value, multiplier, shift)
    assert result.dtype == np.int32
    assert result == requantize_model(value, multiplier, shift)


@pytest.mark.parametrize(
    ("value", "shift", "expected"),
    # With multiplier 2**30 a value is halved, half up; the shift then halves away from zero.
    [
        (1, 0, 1),
        (-1, 0, 0),
        (3, 0, 2),
        (-3, 0, -1),
        (5, -1, 2),  # once rounded, 5 / 4 = 1.25 would be 1
        (-5, -1, -1),
        (-6, -1, -2),
        (2, -1, 1),
        (-2, -1, -1),
        (7, 1, 7),
        (-7, 1, -7),
    ],
)
def test_ties(value: int, shift: int, expected: int):
    assert requantize(value, 2**30, shift) == expected


def test_each_channel_has_its_own_scale():
    values = np.array([[100, 100, 100], [-100, 7, INT32_MIN]])
    multiplier, shift = np.array([2**30, 2**31 - 1, 2**30]), np.array([0, -3, 1])
    expected = [
        [
            requantize_model(int(v), int(m), int(s))
            for v, m, s in zip(row, multiplier, shift, strict=True)
        ]
        for row in values
    ]
    np.testing.assert_array_equal(requantize(values, multiplier, shift), expected)


@pytest.mark.parametrize("shift", [-32, 31, [0, 31]])
def test_a_shift_that_c_does_not_define_is_refused(shift: int | list[int]):
    with pytest.raises(ValueError, match="shift"):
        requantize([1, 2], 2**30, shift)


@given(int32s, int32s)
def test_doubling_high_mult_saturates(a: int, b: int):
    expected = min(half_up(Fraction(a * b, 2**31)), INT32_MAX)
    assert doubling_high_mult(np.array(a, np.int64), b) == expected


@given(int32s, st.integers(0, 31))
def test_divide_by_power_of_two(value: int, exponent: int):
    expected = half_away_from_zero(Fraction(value, 2**exponent))
    assert divide_by_power_of_two(np.array(value, np.int64), exponent) == expected


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (0.25, (2**30, -1)),
        (0.75, (1610612736, 0)),
        (1.5, (1610612736, 1)),
        (2.0**-31, (2**30, -30)),
        (2.0**-31 * (1 - 2.0**-40), (2**30, -30)),  # the fraction rounds up to 1 first
        (2.0**-32, (0, 0)),  # its shift of -31 is not defined in C
        (1e-300, (0, 0)),
        (2.0**30 - 1, (INT32_MAX - 1, 30)),
        (1 - 2.0**-32, (2**30, 1)),  # a tie: half away from zero
        (0.5 + 2.0**-32, (2**30 + 1, 0)),  # a tie: half away from zero, not to even
        (0.1, (1717986918, -3)),
    ],
)
def test_known_multipliers(scale: float, expected: tuple[int, int]):
    assert quantize_multiplier(scale) == expected


@given(st.floats(2.0**-31, 2.0**29))
def test_a_multiplier_is_the_scale_to_31_bits(scale: float):
    multiplier, shift = quantize_multiplier(scale)
    assert 2**30 <= multiplier < 2**31
    assert abs(
        Fraction(multiplier) * Fraction(2) ** (shift - 31) / Fraction(scale) - 1
    ) <= Fraction(1, 2**31)


@pytest.mark.parametrize("scale", [-0.5, float("nan"), float("inf"), 2.0**30])
def test_a_scale_that_has_no_multiplier_is_refused(scale: float):
    with pytest.raises(ValueError, match="scale"):
        quantize_multiplier(scale)
