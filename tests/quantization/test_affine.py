# SPDX-License-Identifier: Apache-2.0
"""Conversions between float32 and int8 as TensorFlow Lite's reference kernels define them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.quantization.affine import BYTES, affine_dequantize, affine_quantize

scales = st.floats(2.0**-20, 2.0**10, width=32)
zero_points = st.integers(-128, 127)


def reference(x: float, scale: float, zero_point: int) -> int:
    """`TfLiteRound(x / scale) + zero_point`, clamped, one number at a time."""
    quotient = float(np.float32(x) / np.float32(scale))
    rounded = int(math.copysign(math.floor(abs(quotient) + 0.5), quotient))
    return min(max(rounded + zero_point, -128), 127)


@given(st.floats(-1000, 1000, width=32), scales, zero_points)
def test_one_number(x: float, scale: float, zero_point: int) -> None:
    assert affine_quantize(x, scale, zero_point) == reference(x, scale, zero_point)


@given(st.integers(-300, 300), st.sampled_from([0.125, 0.5, 1.0, 4.0]), zero_points)
def test_halves_go_away_from_zero(n: int, scale: float, zero_point: int) -> None:
    away = n + 1 if n >= 0 else n
    found = affine_quantize((n + 0.5) * scale, scale, zero_point)
    assert found == np.clip(away + zero_point, -128, 127)


@given(scales, zero_points)
def test_every_byte_comes_back(scale: float, zero_point: int) -> None:
    real = affine_dequantize(BYTES, scale, zero_point)
    assert real.dtype == np.float32
    assert np.array_equal(affine_quantize(real, scale, zero_point), BYTES)


def test_what_c_leaves_undefined_saturates() -> None:
    x = [-math.inf, -3e38, 3e38, math.inf]
    assert affine_quantize(x, 1e-3, 5).tolist() == [-128, -128, 127, 127]


def test_the_largest_float_below_a_half_is_not_rounded_up() -> None:
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert affine_quantize([below, -below], 1.0, 0).tolist() == [0, 0]


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        affine_quantize([1.0, math.nan], 1.0, 0)
