# SPDX-License-Identifier: Apache-2.0
"""Element-wise functions as tables of 256 bytes, each entry as TensorFlow Lite Micro computes it.

The rule: the arithmetic is that of the reference kernel, in its fixed point, never the real function
rounded. The fixed-point functions are those of gemmlowp's `fixedpoint.h`.
"""

import math

import numpy as np

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite.model import Array
from sparsec.frontends.tflite.scaling import float32_product, float32_quotient, round_half_away
from sparsec.quantization.arrays import Int64Array
from sparsec.quantization.requantize import (
    Q31_MAX,
    Q31_MIN,
    divide_by_power_of_two,
    doubling_high_mult,
    quantize_multiplier,
    requantize,
)
from sparsec.quantization.scheme import Quantization

_VALUES: Int64Array = np.arange(-128, 128, dtype=np.int64)
_Q_FROM_INTEGER_BITS = 27
"""Fractional bits of Q4.27, in which sigmoid and tanh take their argument."""


def _table(values: Array) -> Array:
    return np.clip(values, -128, 127).astype(np.int8)


def relu_table(input: Quantization, output: Quantization, low: float, high: float | None) -> Array:
    """A clamp to real bounds and a change of scale (`ReluQuantized`), whose quotient is taken in double."""
    multiplier, shift = quantize_multiplier(input.scale / output.scale)
    scaled = requantize(_VALUES - input.zero_point, multiplier, shift).astype(np.int64)
    lowest = output.zero_point + round_half_away(float32_quotient(low, output.scale))
    highest = 127
    if high is not None:
        highest = output.zero_point + round_half_away(float32_quotient(high, output.scale))
    return _table(
        np.minimum(np.maximum(scaled + output.zero_point, max(-128, lowest)), min(127, highest))
    )


def relu6_table(input: Quantization, output: Quantization) -> Array:
    """A clamp of stored values (`Relu6Quantized`), which knows no change of scale."""
    if input != output:
        raise UnsupportedError(
            "its input and output differ in scale or zero point, which TensorFlow Lite Micro ignores"
        )
    six = round_half_away(float32_quotient(6.0, input.scale)) + input.zero_point
    return _table(np.clip(_VALUES, input.zero_point, min(six, 127)))


def leaky_relu_table(input: Quantization, output: Quantization, alpha: float) -> Array:
    """`QuantizeLeakyRelu`: two multipliers, one on each side of the zero point; alpha may be negative.

    Both are taken in double, as TensorFlow Lite Micro has done since it does so for RELU.
    """
    scale = input.scale * alpha / output.scale
    positive = quantize_multiplier(input.scale / output.scale)
    negative = quantize_multiplier(abs(scale))
    centred = _VALUES - input.zero_point
    above = requantize(centred, *positive).astype(np.int64)
    below = requantize(centred, *negative).astype(np.int64)
    if scale < 0:
        below = -below
    return _table(np.where(centred >= 0, above, below) + output.zero_point)


def logistic_table(input: Quantization, output: Quantization) -> Array:
    """`reference_integer_ops::Logistic`; the result has scale 1/256 and zero point -128."""
    if output.zero_point != -128:
        raise UnsupportedError("the zero point of its output must be -128")
    values, radius = _scaled_to_q4(input)
    centred = _VALUES - input.zero_point
    inner = divide_by_power_of_two(_logistic(values), 23) - 128
    return _table(np.where(centred <= -radius, -128, np.where(centred >= radius, 127, inner)))


def tanh_table(input: Quantization) -> Array:
    """`reference_integer_ops::Tanh`; the result has scale 1/128 and zero point 0."""
    values, radius = _scaled_to_q4(input)
    centred = _VALUES - input.zero_point
    inner = divide_by_power_of_two(_tanh(values), 24)
    return _table(np.where(centred <= -radius, -128, np.where(centred >= radius, 127, inner)))


def _scaled_to_q4(input: Quantization) -> tuple[Int64Array, int]:
    """The 256 arguments in Q4.27, and the distance from the zero point at which the result saturates.

    Arguments beyond that distance are replaced by 0.
    """
    fraction, shift = math.frexp(input.scale * 2**_Q_FROM_INTEGER_BITS)
    if not 0 <= shift <= 62:
        raise UnsupportedError(f"the scale {input.scale} of its input is out of range")
    multiplier = math.floor(fraction * 2**31 + 0.5)
    radius = math.floor(15 * 2**_Q_FROM_INTEGER_BITS / 2**shift)
    centred = _VALUES - input.zero_point
    inside = np.where(np.abs(centred) < radius, centred, 0)
    return requantize(inside, multiplier, shift if radius else 0).astype(np.int64), radius


def _exp_on_negative_values(value: Int64Array, integer_bits: int) -> Int64Array:
    """exp of values at or below 0 with `integer_bits`, in Q0.31."""
    fractional_bits = 31 - integer_bits
    quarter = 1 << (fractional_bits - 2)
    in_quarter = (value & (quarter - 1)) - quarter
    remainder = in_quarter - value
    x = (in_quarter << integer_bits) + (1 << 28)
    x2 = doubling_high_mult(x, x)
    x3 = doubling_high_mult(x2, x)
    x4 = doubling_high_mult(x2, x2)
    third = doubling_high_mult(divide_by_power_of_two(x4, 2) + x3, 715827883)
    result = 1895147668 + doubling_high_mult(x + divide_by_power_of_two(third + x2, 1), 1895147668)
    # exp(-1/4), exp(-1/2), .. exp(-16): one factor for every bit of the quarters taken off.
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for bit, factor in enumerate(factors[: integer_bits + 2], start=fractional_bits - 2):
        result = np.where(remainder & (1 << bit), doubling_high_mult(result, factor), result)
    return np.where(value == 0, Q31_MAX, result)


def _reciprocal_of_half_sum(value: Int64Array) -> Int64Array:
    """2 / (1 + x) in Q2.29 of x in [0, 1) in Q0.31, by three steps of Newton and Raphson."""
    half_denominator = (value + Q31_MAX + 1) >> 1
    x = 1515870810 + doubling_high_mult(half_denominator, -1010580540)
    for _ in range(3):
        error = (1 << 29) - doubling_high_mult(half_denominator, x)
        x = x + _times_power_of_two(doubling_high_mult(x, error), 2)
    return x


def _times_power_of_two(value: Int64Array, exponent: int) -> Int64Array:
    return np.clip(value << exponent, Q31_MIN, Q31_MAX)


def _logistic(value: Int64Array) -> Int64Array:
    """1 / (1 + exp(-x)) in Q0.31 of x in Q4.27."""
    exponential = _exp_on_negative_values(-np.abs(value), 4)
    positive = _times_power_of_two(_reciprocal_of_half_sum(exponential), 1)
    return np.where(value == 0, 1 << 30, np.where(value > 0, positive, Q31_MAX - positive))


def _tanh(value: Int64Array) -> Int64Array:
    """tanh in Q0.31 of x in Q4.27; 2 * x is the same number in Q5.26."""
    exponential = _exp_on_negative_values(-np.abs(value), 5)
    positive = _times_power_of_two(_reciprocal_of_half_sum(exponential) - (1 << 29), 2)
    return np.where(value == 0, 0, np.where(value > 0, positive, -positive))


def hard_swish_table(input: Quantization, output: Quantization) -> Array:
    """`reference_ops::HardSwish`, in 16 bits of fixed point."""
    hires_scale = float32_product(1.0 / 128.0, input.scale)
    output_multiplier, output_shift = _multiplier16(float32_quotient(hires_scale, output.scale))
    unit_scale = float32_quotient(3.0, 32768.0)
    unit_multiplier, unit_shift = _multiplier16(float32_quotient(hires_scale, unit_scale))
    if not -15 <= output_shift <= 0 or not -15 <= unit_shift <= 16:
        raise UnsupportedError("the scales of its input and output are too far apart")
    hires = (_VALUES - input.zero_point) << 7
    preshift = _doubling_high_mult16(hires, output_multiplier)
    unit = _saturate16(hires << max(unit_shift - 1, 0))
    unit = _doubling_high_mult16(unit, unit_multiplier)
    unit = _saturate16(unit << 1) if unit_shift > 0 else unit
    unit = divide_by_power_of_two(unit, max(-unit_shift, 0))
    product = ((unit + (1 << 15)) >> 1) * preshift
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return _table(divide_by_power_of_two(truncated, -output_shift) + output.zero_point)


def _multiplier16(scale: float) -> tuple[int, int]:
    """A scale with a multiplier of 16 bits (`DownScaleInt32ToInt16Multiplier`)."""
    multiplier, shift = quantize_multiplier(scale)
    return min((multiplier + (1 << 15)) >> 16, 2**15 - 1), shift


def _doubling_high_mult16(a: Int64Array, b: int) -> Int64Array:
    return (a * b + (1 << 14)) >> 15


def _saturate16(values: Int64Array) -> Int64Array:
    return np.clip(values, -(2**15), 2**15 - 1)
