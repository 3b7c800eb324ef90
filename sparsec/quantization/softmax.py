# SPDX-License-Identifier: Apache-2.0
"""The int8 softmax of CMSIS-NN (`arm_softmax_s8`), bit by bit, for rows of any length.

The rule: every intermediate is the int32 fixed-point value of the C code; only `exp` is looked up, as a row of int8
has at most 256 distinct distances from its maximum. The output has scale 1/256 and zero point -128.
"""

import math

import numpy as np

from sparsec.quantization.arrays import Int8Array, Int64Array
from sparsec.quantization.requantize import (
    Q31_MAX,
    Q31_MIN,
    divide_by_power_of_two,
    doubling_high_mult,
    quantize_multiplier,
    wrap_int32,
)

MAX_ROW = 511
"""The longest row that CMSIS-NN takes for any input: with 512 equal values CMSIS-NN shifts an int32 by 32, which C leaves
undefined. From 256 on it may subtract 1 from 1 << 31 as int32, which C leaves undefined too, but which wraps to the
mask that is meant wherever integers wrap."""

_INTEGER_BITS = 5
_ACCUMULATOR_BITS = 12


def softmax_params(input_scale: float) -> dict[str, int]:
    """`multiplier`, `shift` and `diff_min` of `softmax` as TFLite Micro prepares them (beta 1).

    Raises ValueError if the scale is too small (2**-26 or less) to be prepared.
    """
    real = min(input_scale * 2 ** (31 - _INTEGER_BITS), 2**31 - 1.0)
    if not real > 1:
        raise ValueError(f"an input scale of {input_scale} is too small for softmax")
    # Not quantize_multiplier alone: a scale near 2**31 has shift 31, which is legal here as diff is shifted, not val.
    multiplier, shift = quantize_multiplier(math.ldexp(real, -1))
    shift += 1
    radius = ((1 << _INTEGER_BITS) - 1) * 2 ** (31 - _INTEGER_BITS) / 2**shift
    return {"multiplier": multiplier, "shift": shift, "diff_min": -math.floor(radius)}


def softmax(x: Int8Array, *, multiplier: int, shift: int, diff_min: int) -> Int8Array:
    """Softmax over the last axis of `x`, of any shape.

    Where the sum of exponentials of a row reaches 512, none of its results reaches half a step of 1/256, and each is 0:
    C is undefined there (see MAX_ROW), and the runtime has a kernel of its own.
    """
    return softmax_by(exponentials(multiplier, shift, diff_min), x)


def softmax_by(table: Int64Array, x: Int8Array, mask: Int8Array | None = None) -> Int8Array:
    """`softmax` by its `exponentials`; with a mask, which broadcasts, over the values for which that is not 0.

    Others become -128, which stands for 0, and so does a row of which nothing is left.
    """
    taken = np.True_ if mask is None else np.broadcast_to(mask != 0, x.shape)
    x = np.where(taken, x, np.int8(-128))
    distance = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    exponential = np.where(taken, table[distance], 0)
    total = divide_by_power_of_two(exponential, _ACCUMULATOR_BITS).sum(axis=-1, keepdims=True)
    small = total >= 2**28
    total = np.minimum(total, 2**28 - 1)
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    reciprocal = _one_over_one_plus((total << headroom) - 2**31)
    scaled = divide_by_power_of_two(
        doubling_high_mult(reciprocal, exponential), _ACCUMULATOR_BITS + 23 - headroom
    )
    return np.where(taken & ~small, np.clip(scaled - 128, -128, 127), -128).astype(np.int8)


def exponentials(multiplier: int, shift: int, diff_min: int) -> Int64Array:
    """int64[256]: entry d is exp of the distance d below the maximum in Q0.31, and 0 beyond `diff_min`."""
    distance = np.arange(256, dtype=np.int64)
    scaled = doubling_high_mult(wrap_int32(-distance << shift), multiplier)
    return np.where(distance <= -diff_min, _exp_on_negative_values(scaled), 0)


def _exp_on_negative_values(value: Int64Array) -> Int64Array:
    """exp of Q5.26 values at or below 0, in Q0.31 (`arm_nn_exp_on_negative_values`)."""
    quarter = 1 << 24
    in_quarter = (value & (quarter - 1)) - quarter
    remainder = in_quarter - value
    x = (in_quarter << 5) + (1 << 28)
    x2 = doubling_high_mult(x, x)
    x3 = doubling_high_mult(x2, x)
    x4 = doubling_high_mult(x2, x2)
    third = doubling_high_mult(divide_by_power_of_two(x4, 2) + x3, 715827883)
    result = 1895147668 + doubling_high_mult(x + divide_by_power_of_two(third + x2, 1), 1895147668)
    # exp(-1/4), exp(-1/2), .. exp(-16): one factor for every bit of the quarters taken off.
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for bit, factor in enumerate(factors, start=24):
        result = np.where(remainder & (1 << bit), doubling_high_mult(result, factor), result)
    return np.where(value == 0, Q31_MAX, result)


def _one_over_one_plus(value: Int64Array) -> Int64Array:
    """1 / (1 + x) of x in [0, 1), all in Q0.31 (`arm_nn_one_over_one_plus_x_for_x_in_0_1`)."""
    half_denominator = (value + Q31_MAX + 1) >> 1
    x = 1515870810 + doubling_high_mult(half_denominator, -1010580540)
    for _ in range(3):
        error = (1 << 29) - doubling_high_mult(half_denominator, x)
        x = x + _multiply_by_power_of_two(doubling_high_mult(x, error), 2)
    return _multiply_by_power_of_two(x, 1)


def _multiply_by_power_of_two(value: Int64Array, exponent: int) -> Int64Array:
    return np.clip(value << exponent, Q31_MIN, Q31_MAX)
