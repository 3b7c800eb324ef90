# SPDX-License-Identifier: Apache-2.0
"""The short form of a sum: equal on all pairs of bytes or not there, and there for the scales that networks have."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sparsec.quantization import int8
from sparsec.quantization.elementwise import add
from sparsec.quantization.params import AddParams
from sparsec.quantization.short_add import SHIFTS, ShortAdd, shorten

BYTES = np.arange(-128, 128).astype(np.int8)
A, B = BYTES.repeat(256), np.tile(BYTES, 256)
ZERO_POINTS = st.integers(-128, 127)
MULTIPLIERS = st.sampled_from([0, 2**30, 2**31 - 1]) | st.integers(2**30, 2**31 - 1)


def params(
    scale1: float, scale2: float, output_scale: float, zero_points: tuple[int, int, int]
) -> AddParams:
    first, second, last = zero_points
    numbers = int8.add_params(scale1, scale2, output_scale)
    return AddParams(input1_zp=first, input2_zp=second, output_zp=last, **numbers)


@st.composite
def any_params(draw: st.DrawFn) -> AddParams:
    """Whatever `AddParams` takes, most of it within reach of the short form."""
    low, high = sorted((draw(ZERO_POINTS), draw(ZERO_POINTS)))
    return AddParams(
        input1_zp=draw(ZERO_POINTS),
        input1_multiplier=draw(MULTIPLIERS),
        input1_shift=draw(st.integers(-8, 1)),
        input2_zp=draw(ZERO_POINTS),
        input2_multiplier=draw(MULTIPLIERS),
        input2_shift=draw(st.integers(-8, 1)),
        left_shift=draw(st.sampled_from([20, 20, 16, 10, 0])),
        output_zp=draw(ZERO_POINTS),
        output_multiplier=draw(MULTIPLIERS),
        output_shift=draw(st.integers(-30, -8)),
        clamp=draw(st.sampled_from([(-128, 127), (low, high)])),
    )


@settings(max_examples=150)
@given(any_params(), st.sampled_from([1, -1]))
@example(params(0.5, 0.5, 0.5, (-128, 127, -128)), 1)
@example(replace(params(0.1, 0.2, 0.2, (3, 4, 5)), clamp=(7, 7)), 1)
@example(replace(params(0.1, 0.2, 0.2, (3, 4, 5)), input1_multiplier=0), -1)
def test_every_short_form_gives_every_byte(p: AddParams, sign: int) -> None:
    short = shorten(p, sign)
    if short is not None:
        np.testing.assert_array_equal(short(A, B), add(A, B, p, sign))
        if sign == 1:
            np.testing.assert_array_equal(short(A, B), int8.add(A, B, **asdict(p)))


def random_params(rng: np.random.Generator) -> AddParams:
    scales = rng.uniform(0.02, 0.1, 2)
    output_scale = np.hypot(*scales) * rng.uniform(0.7, 1.4)
    first, second, last = map(int, rng.integers(-128, 128, 3))
    return params(float(scales[0]), float(scales[1]), float(output_scale), (first, second, last))


def test_scales_of_networks_have_a_short_form() -> None:
    """With 22 bits behind the point, but for inputs of much larger scale than the output."""
    rng = np.random.default_rng(3)
    shifts = [short and short.shift for short in (shorten(random_params(rng)) for _ in range(150))]
    assert None not in shifts
    assert shifts.count(SHIFTS[1]) >= 145


@pytest.mark.parametrize("sign", [1, -1])
def test_halves_go_away_from_zero(sign: int) -> None:
    """Where scales are powers of two, half of the sums lie between two outputs."""
    p = params(0.25, 0.25, 0.5, (-3, 4, 5))
    short = shorten(p, sign)
    assert short is not None
    halves = [int(short(np.array([a], np.int8), np.array([4], np.int8))[0]) for a in (-4, -2)]
    assert halves == [5 - 1, 5 + 1]
    for exponents in ((-2, -5, -1), (-4, -2, -2), (-3, -3, -4), (-6, -2, -3)):
        s1, s2, output = (2.0**exponent for exponent in exponents)
        assert shorten(params(s1, s2, output, (0, -128, 7)), sign) is not None, exponents


def test_larger_scales_have_fewer_bits_behind_the_point() -> None:
    scales = (0.0512, 0.1137, 0.2131, 0.4127, 100.0)
    found = [shorten(params(scale, 0.0613, 0.0597, (0, 0, 0))) for scale in scales]
    assert [short and short.shift for short in found] == [22, 22, 21, 20, None]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((1, 1, 0, 16), "shift 16 is outside 17 to 22"),
        ((1, 1, 0, 23), "shift 23 is outside 17 to 22"),
        ((1, 1, 0, 22, (5, 4)), "two ascending int8 values"),
        ((2**31, 0, 0, 22), "outside int32"),
        ((0, 0, 2**31, 22), "outside int32"),
        ((0, 0, -(2**31) + 2**21 - 1, 22), "outside int32"),
        ((2**31 - 1, 0, 2**30 + 2**29, 22), "outside int32"),
        ((2**31 - 1, 2**31 - 1, -(2**28), 22), "outside int32"),
    ],
)
def test_a_short_form_checks_itself(numbers: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShortAdd(*numbers)
