# SPDX-License-Identifier: Apache-2.0
"""How normalisation becomes int8."""

from math import sqrt

import numpy as np
from xdsl.ir import SSAValue

from sparsec.ir import nn, qnn
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import image_shape
from sparsec.quantization.normalization import (
    EXTRA_BITS,
    FRACTION_BITS,
    MAX_EPSILON,
    MAX_SCALED,
    SPREAD_BITS,
    NormalizeParams,
    common_multipliers,
)
from sparsec.rewriting.qdq.conversions.elementwise import TOO_FINE
from sparsec.rewriting.qdq.conversions.signature import Conversions
from sparsec.rewriting.qdq.folding import Array, Folding, fail, integer_clamp


def float_constant(op: nn.NormalizeOp, value: SSAValue) -> Array:
    """The factors or offsets of its channels."""
    constant = value.owner
    if not isinstance(constant, nn.ConstantOp):
        raise fail(op, "its factors are not constant")
    return constant.array.astype(np.float64)


def convert_normalize(f: Folding, op: nn.NormalizeOp) -> None:
    source, output, norm = f.input(op, op.input), f.output_of(op), op.norm.data
    _, width, channels = image_shape(op.input.type)
    count = width * channels // norm.groups
    factor = float_constant(op, op.scale) / output.scale * 2.0 ** (EXTRA_BITS - FRACTION_BITS)
    bias = np.round(float_constant(op, op.bias) / output.scale * 2.0**EXTRA_BITS)
    largest = np.abs(factor) * sqrt(count) * 2.0**FRACTION_BITS
    if np.any(largest >= MAX_SCALED) or np.any(np.abs(bias) >= MAX_SCALED):
        raise fail(op, TOO_FINE)
    epsilon = norm.epsilon / source.quantization.scale**2 * count**2 * 2.0**SPREAD_BITS
    if epsilon > MAX_EPSILON:
        raise fail(op, "its input is too small for its epsilon")
    multiplier, shift = common_multipliers(factor)
    bounds = op.bounds.data if op.bounds is not None else None
    params = NormalizeParams(
        source.quantization.zero_point,
        output.zero_point,
        norm.groups,
        norm.centered,
        round(epsilon),
        integer_clamp(bounds, output),
    )
    layer = layer_of(op)
    new = qnn.NormalizeOp(
        source.value,
        f.constant(op, bias.astype(np.int32), f"{layer}.bias"),
        f.constant(op, multiplier, f"{layer}.multiplier"),
        f.constant(op, shift, f"{layer}.shift"),
        params,
    )
    f.finish(op, f.emit(op, new), output)


NORMALIZE: Conversions = {nn.NormalizeOp: convert_normalize}
