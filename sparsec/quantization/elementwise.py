# SPDX-License-Identifier: Apache-2.0
"""Element-wise int8 operators of two tensors, exact to TensorFlow Lite Micro's reference kernels.

The rule: operands broadcast as in numpy, and nothing is rounded but by `requantize`.
"""

import numpy as np

from sparsec.quantization.arrays import Int8Array, Int32Array, Int64Array
from sparsec.quantization.params import AddParams, Clamp, MulParams, PreluParams
from sparsec.quantization.requantize import requantize


def multiply(a: Int8Array, b: Int8Array, p: MulParams) -> Int8Array:
    """`arm_elementwise_mul_s8`."""
    product = _centred(a, p.input1_zp) * _centred(b, p.input2_zp)
    return _finish(requantize(product, p.multiplier, p.shift), p.output_zp, p.clamp)


def add(a: Int8Array, b: Int8Array, p: AddParams, sign: int = 1) -> Int8Array:
    """`a + sign * b`: the terms are rounded before the sign applies (`reference_ops::Sub`)."""
    term1 = requantize(
        _centred(a, p.input1_zp) << p.left_shift, p.input1_multiplier, p.input1_shift
    )
    term2 = requantize(
        _centred(b, p.input2_zp) << p.left_shift, p.input2_multiplier, p.input2_shift
    )
    total = term1.astype(np.int64) + sign * term2.astype(np.int64)
    return _finish(requantize(total, p.output_multiplier, p.output_shift), p.output_zp, p.clamp)


def prelu(x: Int8Array, alpha: Int8Array, p: PreluParams) -> Int8Array:
    """`x`, or `x * alpha` where x is below its zero point (`BroadcastPrelu4DSlow`)."""
    centred = _centred(x, p.input_zp)
    above = requantize(centred, p.multiplier, p.shift)
    product = centred * _centred(alpha, p.alpha_zp)
    below = requantize(product, p.alpha_multiplier, p.alpha_shift)
    return _finish(np.where(centred >= 0, above, below), p.output_zp, p.clamp)


def _centred(x: Int8Array, zero_point: int) -> Int64Array:
    return x.astype(np.int64) - zero_point


def _finish(values: Int32Array, zero_point: int, clamp: Clamp) -> Int8Array:
    return np.clip(values.astype(np.int64) + zero_point, *clamp).astype(np.int8)
