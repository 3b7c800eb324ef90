# SPDX-License-Identifier: Apache-2.0
"""Constants that scale and shift the channels of a layer with weights, from before it or behind it, become its own.

A rule of `fuse-layers`, see `fusion_rules.py`. Inputs that are normalised, (x - mean) / std, and results that are scaled,
gamma * y, cost nothing then, and nothing is rounded in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.shapes import shape_of
from sparsec.quantization.window import Window
from sparsec.rewriting.channel_rules import with_scaled_inputs, with_scaled_outputs
from sparsec.rewriting.constants import constant_of
from sparsec.rewriting.fusion_rules import take_range

Array: TypeAlias = np.ndarray[Any, Any]
Affining: TypeAlias = nn.MulOp | nn.AddOp | nn.SubOp | nn.DepthwiseConv2dOp

ONE, ZERO = np.ones(1), np.zeros(1)


@dataclass(frozen=True)
class Affine:
    """`value` times `factor` plus `offset`, which broadcast."""

    value: SSAValue
    factor: Array
    offset: Array


def affine_of(op: Affining) -> Affine | None:
    """What `op` is of one of its operands before it is clamped, if constants say the rest."""
    if isinstance(op, nn.DepthwiseConv2dOp):
        weights, bias = constant_array(op.weights), constant_array(op.bias)
        if weights is None or bias is None or op.window.data != Window():
            return None
        plain = weights.shape == (1, 1, 1, shape_of(op.input.type)[-1])
        return Affine(op.input, weights, bias) if plain else None
    lhs, rhs = constant_array(op.lhs), constant_array(op.rhs)
    if isinstance(op, nn.SubOp):
        if lhs is not None:
            return None if rhs is not None else Affine(op.rhs, -ONE, lhs)
        return None if rhs is None else Affine(op.lhs, ONE, -rhs)
    value, array = (op.lhs, rhs) if lhs is None else (op.rhs, lhs)
    if array is None:
        return None
    return Affine(value, array, ZERO) if isinstance(op, nn.MulOp) else Affine(value, ONE, array)


def by_channel(array: Array, shape: Sequence[int]) -> Array | None:
    """`array` as one number for each index of the last axis of `shape`, float64; None if it differs along others."""
    rows = np.broadcast_to(array, shape).reshape(-1, shape[-1])
    return None if np.any(rows != rows[0]) else rows[0].astype(np.float64)


@dataclass(frozen=True)
class Channels:
    """`value` times `factor` plus `offset` for each index of its last axis, [C] float64."""

    value: SSAValue
    factor: Array
    offset: Array


def channels_of(op: nn.ArithmeticOp) -> Channels | None:
    """What `op` does to the channels of one of its operands before it is clamped; None if it is not the same for all pixels."""
    found = affine_of(op) if isinstance(op, nn.MulOp | nn.AddOp | nn.SubOp) else None
    if found is None or found.value.type != op.result.type:
        return None
    shape = shape_of(op.result.type)
    factor, offset = by_channel(found.factor, shape), by_channel(found.offset, shape)
    return None if factor is None or offset is None else Channels(found.value, factor, offset)


def affine_behind(layer: nn.WeightedOp, op: nn.ArithmeticOp) -> Sequence[Operation] | None:
    """What scales and shifts the output channels of `layer`."""
    found = channels_of(op)
    if found is None or layer.bounds is not None:
        return None
    numbers = with_scaled_outputs(layer, found.factor, found.offset)
    if numbers is None:
        return None
    constants, fused = with_weights(layer, layer.input, *numbers)
    fused.bounds = op.bounds
    take_range(fused, op.result)
    return [*constants, fused]


def affine_before(op: nn.ArithmeticOp, layer: nn.WeightedOp) -> Sequence[Operation] | None:
    """What scales and shifts the input channels of `layer`; a shift only where no padding is read beside it."""
    found = channels_of(op)
    if found is None or op.bounds is not None or layer.input is not op.result:
        return None
    numbers = with_scaled_inputs(layer, found.factor, found.offset)
    if numbers is None:
        return None
    constants, fused = with_weights(layer, found.value, *numbers)
    return [*constants, fused]


def with_weights(
    layer: nn.WeightedOp, input: SSAValue, weights: Array, bias: Array
) -> tuple[list[nn.ConstantOp], nn.WeightedOp]:
    """`layer` on `input` with other numbers under the same names, and these as constants."""
    constants: list[nn.ConstantOp] = []
    for old, array in ((layer.weights, weights), (layer.bias, bias)):
        label = old.owner.label if isinstance(old.owner, nn.ConstantOp) else None
        constants.append(constant_of(array, np.float32, label))
    operands = [input, *(constant.result for constant in constants)]
    return constants, layer.clone(dict(zip(layer.operands, operands, strict=True)))
