# SPDX-License-Identifier: Apache-2.0
"""Ranges to scales and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.quantization.ranges import (
    activation_qparams,
    dequantize,
    minimum_weight_scale,
    quantize,
    quantize_bias,
    weight_scales,
)

reals = st.floats(-1e6, 1e6)


@given(reals, reals)
def test_activation_range_is_covered_and_zero_is_exact(a: float, b: float):
    lo, hi = min(a, b), max(a, b)
    scale, zero_point = activation_qparams(lo, hi)
    assert -128 <= zero_point <= 127
    assert scale == np.float32(scale)
    assert dequantize(quantize(0.0, scale, zero_point), scale, zero_point) == 0
    for edge in (lo, hi):
        error = abs(dequantize(quantize(edge, scale, zero_point), scale, zero_point) - edge)
        assert error <= scale * 1.001


@pytest.mark.parametrize(
    ("lo", "hi", "expected"),
    [
        (0.0, 255.0, (1.0, -128)),
        (-255.0, 0.0, (1.0, 127)),
        (-128.0, 127.0, (1.0, 0)),
        (3.0, 255.0, (1.0, -128)),
        (-255.0, -7.0, (1.0, 127)),
        (0.0, 0.0, (1.0, 0)),
        (0.0, 1e-30, (2.0**-23, -128)),
    ],
)
def test_known_ranges(lo: float, hi: float, expected: tuple[float, int]):
    assert activation_qparams(lo, hi) == expected


@pytest.mark.parametrize(("lo", "hi"), [(1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_no_range(lo: float, hi: float):
    with pytest.raises(ValueError, match="range"):
        activation_qparams(lo, hi)


def test_weight_scales_per_channel_and_per_tensor():
    w = np.array([[1.0, -127.0], [63.5, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(weight_scales(w, 0), [1.0, 0.5, 1.0])
    np.testing.assert_array_equal(weight_scales(w, None), [1.0])
    np.testing.assert_array_equal(weight_scales(w, 1), [0.5, 1.0])
    np.testing.assert_array_equal(weight_scales(w, -1), [0.5, 1.0])
    np.testing.assert_array_equal(weight_scales(np.zeros((2, 3)), 0), [2.0**-7] * 2)
    np.testing.assert_array_equal(weight_scales(w, 0, minimum=[0.0, 0.75, 0.0]), [1, 0.75, 1])
    # A bias alone needs little, and would give its row another shift than the others have.
    np.testing.assert_array_equal(weight_scales(w, 0, minimum=[0, 0, 1e-9]), [1, 0.5, 1])
    np.testing.assert_array_equal(weight_scales(w, 0, minimum=[0, 0, 2.0]), [1, 0.5, 2])
    np.testing.assert_array_equal(
        weight_scales(np.zeros((2, 3)), 0, minimum=[0, 0.5]), [2**-7, 0.5]
    )


def test_a_weight_must_be_finite():
    with pytest.raises(ValueError, match="not finite"):
        weight_scales([1.0, float("nan")], None)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8))
def test_the_largest_weight_is_127(values: list[float]):
    q = quantize(values, weight_scales(values, None), 0, lo=-127, hi=127)
    assert np.abs(q.astype(int)).max() == (
        127 if any(abs(v) / 127 >= 2.0**-126 for v in values) else 0
    )


def test_halves_go_to_even_and_beyond_is_clipped():
    np.testing.assert_array_equal(quantize([0.5, 1.5, 2.5, -0.5, -1.5], 1.0, 0), [0, 2, 2, 0, -2])
    # The zero point comes after rounding.
    np.testing.assert_array_equal(quantize([0.5, 1.5], 1.0, 1), [1, 3])
    np.testing.assert_array_equal(quantize([1e30, -1e30], 1.0, 0), [127, -128])
    np.testing.assert_array_equal(quantize([1e30, -1e30], 1.0, 0, lo=-127), [127, -127])


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        quantize([float("nan")], 1.0, 0)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_an_axis_has_its_own_scales(axis: int):
    x = np.arange(-6, 6).reshape(3, 4) * 1.0
    scales = np.linspace(0.25, 1.0, x.shape[axis])
    zero_points = list(range(x.shape[axis]))
    q = quantize(x, scales, zero_points, axis)
    for index in range(x.shape[axis]):
        expected = quantize(x.take(index, axis), scales[index], index)
        np.testing.assert_array_equal(q.take(index, axis), expected)
    exact = dequantize(q, scales, zero_points, axis)
    np.testing.assert_array_equal(quantize(exact, scales, zero_points, axis), q)


def test_bias():
    np.testing.assert_array_equal(quantize_bias([1.0, -2.5], [0.5, 1.0]), [2, -2])
    assert quantize_bias([1.0], 1.0).dtype == np.int32
    np.testing.assert_array_equal(quantize_bias([2.0**31 - 1], 1.0), [2**31 - 1])
    with pytest.raises(ValueError, match="channel 1 does not fit int32: 2147483648"):
        quantize_bias([0.0, 2.0**31], 1.0)
    with pytest.raises(ValueError, match="channel 0"):
        quantize_bias([float("nan")], 1.0)


def test_a_dead_channel_with_a_bias_fits_with_the_minimum_scale():
    w, bias, input_scale = np.full((2, 4), 1e-12), np.array([3.0, -0.5]), 0.02
    with pytest.raises(ValueError, match="does not fit"):
        quantize_bias(bias, input_scale * weight_scales(w, 0))
    scales = weight_scales(w, 0, minimum=minimum_weight_scale(bias, input_scale))
    assert np.abs(quantize_bias(bias, input_scale * scales)).max() <= 2**30
