# SPDX-License-Identifier: Apache-2.0
"""What the golden data and the comparison with C leave open: preparation, errors, tables, batches."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.quantization import int8

IDENTITY: dict[str, Any] = {"multiplier": 2**30, "shift": 1, "input_zp": 0, "output_zp": 0}


def random_int8(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(-128, 128, shape, np.int8)


@given(*[st.integers(1, 12)] * 3, *[st.integers(0, 3)] * 2, st.integers(1, 3))
def test_output_size_counts_positions(n: int, k: int, s: int, before: int, after: int, d: int):
    last = n + before + after - d * (k - 1) - 1
    positions = len(range(0, last + 1, s))
    if positions:
        assert int8.output_size(n, k, s, before, after, d) == positions
    else:
        with pytest.raises(ValueError, match="does not fit"):
            int8.output_size(n, k, s, before, after, d)


def test_a_batch_is_its_samples():
    # 60 samples of 40 x 40 x 27 columns: more than one im2col chunk.
    x, w = random_int8(0, 60, 40, 40, 3), random_int8(1, 5, 3, 3, 3)
    params: dict[str, Any] = {**IDENTITY, "shift": -7, "input_zp": 5}
    whole = int8.convolve(x, w, padding=(1, 1, 1, 1), **params)
    for index in (0, 29, 59):
        one = int8.convolve(x[index : index + 1], w, padding=(1, 1, 1, 1), **params)
        np.testing.assert_array_equal(whole[index : index + 1], one)


def test_int32_accumulators_wrap():
    x, w = np.zeros((1, 1), np.int8), np.zeros((1, 1), np.int8)
    x[:], w[:] = 127, 127
    bias = np.array([2**31 - 1], np.int32)
    half: dict[str, Any] = {**IDENTITY, "shift": 0}
    assert int8.fully_connected(x, w, bias, **half) == -128
    assert int8.accumulator_bound(w, bias, 0) > 2**31 - 1


@given(st.integers(0, 99), st.integers(-128, 127))
def test_no_accumulator_exceeds_its_bound(seed: int, zero_point: int):
    w, bias = random_int8(seed, 3, 7), np.array([-9, 0, 9], np.int32)
    bound = int8.accumulator_bound(w, bias, zero_point)
    for x in (random_int8(seed, 7), np.where(w[0] > 0, 127, -128), np.where(w[0] > 0, -128, 127)):
        terms = w.astype(int) * (x.astype(int) - zero_point)
        plain = np.abs(np.cumsum(w.astype(int) * x.astype(int), axis=1))
        assert (np.abs(np.cumsum(terms, axis=1) + bias[:, None]) <= bound[:, None]).all()
        assert (plain <= bound[:, None]).all()
    depthwise = int8.accumulator_bound(w.T.reshape(1, 7, 1, 3), bias, zero_point, channel_axis=-1)
    np.testing.assert_array_equal(depthwise, bound)
    np.testing.assert_array_equal(int8.accumulator_bound(w, None, zero_point), bound - np.abs(bias))


def test_add_params_are_tflites():
    # The numbers of CMSIS-NN's own `add` case: both inputs half as wide as the output.
    assert int8.add_params(0.5, 0.5, 1.0) == {
        "input1_multiplier": 2**30,
        "input1_shift": 0,
        "input2_multiplier": 2**30,
        "input2_shift": 0,
        "left_shift": 20,
        "output_multiplier": 2**30,
        "output_shift": -19,
    }


def test_softmax_params_are_tflites():
    # The numbers of CMSIS-NN's own `softmax` case.
    expected = {"multiplier": 1077952640, "shift": 19, "diff_min": -3968}
    assert int8.softmax_params(float(np.float32(1 / 255))) == expected
    capped = {"multiplier": 2**31 - 1, "shift": 31, "diff_min": 0}
    assert int8.softmax_params(1e6) == capped
    with pytest.raises(ValueError, match="too small"):
        int8.softmax_params(2.0**-26)


@given(st.integers(0, 99), st.floats(0.001, 0.3))
def test_softmax_is_softmax(seed: int, scale: float):
    x = random_int8(seed, 2, 3, 10)
    real = np.exp(scale * x.astype(float))
    expected = 256 * real / real.sum(axis=-1, keepdims=True) - 128
    actual = int8.softmax(x, **int8.softmax_params(scale))
    assert np.abs(actual - np.minimum(expected, 127)).max() <= 1


def test_softmax_of_long_rows():
    params = int8.softmax_params(0.1)
    longest = np.zeros((1, 511), np.int8)
    assert (int8.softmax(longest, **params) == -127).all()
    assert (int8.softmax(np.zeros((1, 512), np.int8), **params) == -128).all()
    one_in_many = np.full((1, 600), -128, np.int8)
    one_in_many[0, 7] = 127
    expected = np.full((1, 600), -128)
    expected[0, 7] = 127
    assert np.array_equal(int8.softmax(one_in_many, **params), expected)


@pytest.mark.parametrize("pool", [int8.max_pool, int8.avg_pool])
def test_a_window_must_see_the_input(pool: Any):
    x = np.zeros((1, 2, 2, 1), np.int8)
    with pytest.raises(ValueError, match="only padding"):
        pool(x, kernel=(2, 2), strides=(1, 1), padding=(2, 0, 0, 0))


def test_average_rounds_half_away_from_zero_and_skips_padding():
    x = np.array([1, 2, -1, -2, -128, -127], np.int8).reshape(1, 1, 6, 1)
    mean = int8.avg_pool(x, kernel=(1, 2), strides=(1, 2))
    np.testing.assert_array_equal(mean.ravel(), [2, -2, -128])
    padded = int8.avg_pool(x, kernel=(1, 2), strides=(1, 2), padding=(0, 1, 0, 1))
    np.testing.assert_array_equal(padded.ravel(), [1, 1, -65, -127])


def test_mean_sums_before_it_scales():
    x = np.array([[2, -2], [3, -3]], np.int8).reshape(1, 2, 1, 2)
    # Less the zero point 1 that is 3 and -7, and 3/2 and -7/2: the product with a multiplier rounds halves up.
    result = int8.mean(
        x, (1, 2), input_zp=1, multiplier=1 << 30, shift=0, output_zp=10, clamp=(8, 127)
    )
    np.testing.assert_array_equal(result, [[[[12, 8]]]])


def test_shapes_must_suit():
    x = np.zeros((1, 4, 4, 3), np.int8)
    with pytest.raises(ValueError, match="the input has 3 channels, the weights 2"):
        int8.convolve(x, np.zeros((5, 1, 1, 2), np.int8), **IDENTITY)
    with pytest.raises(ValueError, match="do not suit 3 input channels"):
        int8.depthwise_convolve(x, np.zeros((1, 1, 1, 4), np.int8), **IDENTITY)
    with pytest.raises(ValueError, match="does not fit"):
        int8.convolve(x, np.zeros((5, 5, 5, 3), np.int8), **IDENTITY)
    with pytest.raises(ValueError, match="cannot add"):
        int8.add(x, x[:, :1], **int8.add_params(1, 1, 1), input1_zp=0, input2_zp=0, output_zp=0)


def test_requantize_tensor():
    x = np.array([-128, -1, 0, 1, 127], np.int8)
    same = int8.requantize_tensor(x, input_zp=0, multiplier=2**30, shift=1, output_zp=0)
    np.testing.assert_array_equal(same, x)
    half = int8.requantize_tensor(x, input_zp=-128, multiplier=2**30, shift=0, output_zp=-128)
    np.testing.assert_array_equal(half, [-128, -64, -64, -63, 0])
    clamped = int8.requantize_tensor(
        x, input_zp=0, multiplier=2**30, shift=1, output_zp=10, clamp=(0, 20)
    )
    np.testing.assert_array_equal(clamped, [0, 9, 10, 11, 20])


def test_pad():
    x = np.ones((2, 1, 1, 2), np.int8)
    padded = int8.pad(x, padding=(1, 2, 3, 4), value=-7)
    assert padded.shape == (2, 5, 7, 2)
    assert padded.dtype == np.int8
    np.testing.assert_array_equal(padded[:, 1, 2], x[:, 0, 0])
    assert (padded == -7).sum() == padded.size - x.size


def test_a_table_is_the_function():
    table = int8.lookup_table(np.tanh, 0.0625, 3, 0.03, -11)
    assert table.shape == (256,)
    assert table.dtype == np.int8
    for q in range(-128, 128):
        expected = round(math.tanh((q - 3) * 0.0625) / 0.03) - 11
        assert table[q + 128] == max(-128, min(127, expected))
    x = random_int8(0, 2, 3, 4)
    np.testing.assert_array_equal(int8.lookup(x, table), table[x.astype(int) + 128])


def test_a_table_of_a_function_that_has_no_value_everywhere():
    def roots(x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.sqrt(x)

    table = int8.lookup_table(roots, 0.5, -28, 0.1, 5)
    assert set(table[:101].tolist()) == {5}  # below 0 as at 0
    assert table[-1] == 5 + round(math.sqrt(77.5) / 0.1)
    poles = int8.lookup_table(lambda x: np.where(x > 0, np.inf, -np.inf), 1.0, 0, 0.1, 5)
    assert poles.tolist() == [-128] * 129 + [127] * 127
    with pytest.raises(ValueError, match="no value for any input in its range"):
        int8.lookup_table(lambda x: x * np.nan, 1.0, 0, 1.0, 0)
