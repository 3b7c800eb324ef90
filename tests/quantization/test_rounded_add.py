# SPDX-License-Identifier: Apache-2.0
"""The sum with the roundings that matter: for all sums whose larger scale TensorFlow Lite makes a half."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.quantization.elementwise import add
from sparsec.quantization.rounded_add import HALF, RoundedAdd, rounded
from tests.quantization.test_short_add import A, B, params

SCALES = st.floats(2**-7, 1) | st.integers(1, 100).map(lambda hundredths: hundredths / 100)
ZERO_POINTS = st.integers(-128, 127)


@given(
    scales=st.tuples(SCALES, SCALES, SCALES),
    zero_points=st.tuples(ZERO_POINTS, ZERO_POINTS, ZERO_POINTS),
)
def test_sums_of_two_scales_are_taken(
    scales: tuple[float, float, float], zero_points: tuple[int, int, int]
) -> None:
    p = params(*scales, zero_points)
    found = rounded(p)
    assert (found is None) == (p.input1_multiplier == p.input2_multiplier == HALF)
    if found is not None:
        a, b = (B, A) if found.swapped else (A, B)
        np.testing.assert_array_equal(found.numbers(a, b), add(A, B, p))


def test_what_is_not_taken() -> None:
    p = params(0.3, 0.2, 0.4, (1, 2, 3))
    assert rounded(p) is not None
    assert rounded(replace(p, left_shift=19)) is None
    assert rounded(replace(p, input1_multiplier=HALF + 1)) is None
    assert rounded(replace(p, input1_shift=-1)) is None
    assert rounded(replace(p, input2_shift=0)) is None
    assert rounded(replace(p, output_shift=0)) is None
    assert rounded(replace(p, output_shift=-23)) is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("input2_zp", 128, "zero point 128 is outside int8"),
        ("multiplier", -1, "multiplier -1 is outside"),
        ("output_multiplier", 2**31, "multiplier 2147483648 is outside"),
        ("shift", 0, "shift 0 is outside -30 to -1"),
        ("output_shift", -23, "shift -23 is outside -22 to -1"),
        ("clamp", (3, 2), "two ascending int8 values"),
    ],
)
def test_it_checks_itself(field: str, value: object, message: str) -> None:
    numbers = RoundedAdd(0, 0, HALF, -1, HALF, -18, 0)
    with pytest.raises(ValueError, match=message):
        replace(numbers, **{field: value})
