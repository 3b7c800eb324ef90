# SPDX-License-Identifier: Apache-2.0
"""`round-constant-channels`: a channel that never changes becomes a number that int8 holds exactly.

    %y = nn.conv2d %x, %w1, %b1              a channel of %w1 is all zeros, so %y is b there
    %z = nn.depthwise_conv2d %y, %w2, %b2    with a border of zeros

b becomes a step b' of %y's range that is not zero, and the weights that read the channel are multiplied by b / b': the same
real numbers. b' is the nearest one, but where those weights have one scale with those of other channels, as in all layers
but depthwise ones: there it is so large that they are not larger than the others, which else were left no precision.

`fold-constant-channels` cannot take such a channel into %b2, as what it adds differs between the border and the middle.
Pruning leaves many of them, small ones, and batch normalization behind has scaled them up by hundreds: half a step of %y is
worth whole ranges of %z then, the same for every input.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from sparsec.analysis.values.ranges import range_of
from sparsec.analysis.values.real_intervals import RealInterval, real_intervals
from sparsec.ir import nn
from sparsec.ir.shapes import shape_of
from sparsec.passes.equalize import constants_of, keeps_factors
from sparsec.passes.quantize import quantization_for
from sparsec.quantization.scheme import Quantization
from sparsec.rewriting.channel_rules import (
    Floats,
    float64_constant,
    with_scaled_inputs,
    with_scaled_outputs,
)
from sparsec.rewriting.constants import replace_weights

ReadsChannels: TypeAlias = nn.LinearOp | nn.Conv2dOp | nn.DepthwiseConv2dOp
"""Layers whose weights can be scaled for each channel of the input, also in groups."""


@dataclass(frozen=True)
class Readers:
    """Layers that read the channels of a value by weights of their own, also where these come again and again, and the
    largest interval that all between them and the value hold."""

    layers: tuple[nn.WeightedOp, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    def joined(self, other: "Readers") -> "Readers":
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Readers((*self.layers, *other.layers), low, high)


def nearest_step(values: Floats, quantization: Quantization, between: Readers) -> Floats:
    """The numbers nearest to `values` that int8 holds and that pass what is `between`, of the same sign; 0 for 0, and where
    there is no such number."""
    (scale,), zero = quantization.scales, quantization.zero_point
    least = math.ceil(max(-128 - zero, between.low / scale))
    most = math.floor(min(127 - zero, between.high / scale))
    steps = np.rint(values / scale)
    steps = np.where(steps == 0, np.sign(values), steps)
    steps = np.clip(steps, min(least, 0), max(most, 0))
    return steps * scale


def passes_factors(op: Operation, channels: int) -> bool:
    """Whether a positive factor of each of so many channels in front of `op` is one behind it, where a channel may come
    again and again."""
    match op:
        case nn.Pool2dOp():
            return keeps_factors(op)
        case nn.PadOp():
            return op.value.value.data == 0 and shape_of(op.result.type)[-1] == channels
        case nn.MeanOp() | nn.ReshapeOp():
            return shape_of(op.results[0].type)[-1] % channels == 0
        case _:
            return False


def readers(value: SSAValue) -> Readers | None:
    """What reads `value`; None if anything but layers does, or what `passes_factors` in front of them."""
    channels = shape_of(value.type)[-1]
    found = Readers()
    for use in value.uses:
        op = use.operation
        if passes_factors(op, channels):
            behind = readers(op.results[0])
            measured = range_of(op.results[0])
            if behind is not None and measured is not None:
                behind = behind.joined(Readers((), *measured))
        elif isinstance(op, ReadsChannels) and use.index == 0 and constants_of(op):
            behind = Readers((op,))
        else:
            behind = None
        if behind is None:
            return None
        found = found.joined(behind)
    return found


def excess(op: nn.WeightedOp, values: Floats, most: float) -> Floats:
    """By how much the constant channels among those that `op` reads have to grow, at least 1 each: so that weights for them
    are no larger than those beside them under the same scale, which have to be as large as int8 of magnitude `most` needs.

    `values` are those of the constant channels, 0 for others.
    """
    weights = float64_constant(op.weights)
    assert weights is not None
    if isinstance(op, nn.DepthwiseConv2dOp):
        return np.ones(len(values))
    read = shape_of(op.input.type)[-1]
    groups = read // weights.shape[-1]
    # [groups, output of the group, channel of the group]
    largest = np.abs(weights).reshape(groups, len(weights) // groups, -1, weights.shape[-1]).max(2)
    sizes = np.tile(np.abs(values), read // len(values)).reshape(groups, 1, -1)
    held: Floats = largest * np.where(sizes > 0, sizes / most, 1.0)
    needed: Floats = np.max(held, axis=2, keepdims=True)
    ratio = np.divide(largest, needed, out=np.ones_like(largest), where=needed > 0)
    return np.maximum(ratio.max(axis=1), 1.0).reshape(-1, len(values)).max(axis=0)


def round_constants(op: nn.WeightedOp, result: RealInterval) -> None:
    """Round the constant channels of the result of `op`, where all that reads them can make up for it."""
    measured = range_of(op.result)
    wanted = result.fixed & (result.low != 0)
    if measured is None or not any(measured) or not wanted.any() or not constants_of(op):
        return
    behind = readers(op.result)
    if behind is None or not behind.layers:
        return
    values = np.where(wanted, result.low, 0.0)
    most = max(map(abs, measured))
    growth = np.max([excess(each, values, most) for each in behind.layers], axis=0)
    rounded = nearest_step(values * growth, quantization_for(measured), behind)
    changed = (rounded != 0) & (rounded != values)
    if not changed.any():
        return
    factor = np.where(changed, values, 1.0) / np.where(changed, rounded, 1.0)
    replaced = with_scaled_outputs(op, np.where(changed, 0.0, 1.0), np.where(changed, rounded, 0.0))
    assert replaced is not None  # it has constants
    replace_weights(op, *replaced)
    for each in behind.layers:
        factors = np.tile(factor, shape_of(each.input.type)[-1] // len(factor))
        scaled = with_scaled_inputs(each, factors, np.zeros_like(factors))
        assert scaled is not None  # nothing is shifted
        replace_weights(each, *scaled)


@dataclass(frozen=True)
class RoundConstantChannelsPass(ModulePass):
    """Rounds constant channels of a float network that has measured ranges."""

    name = "round-constant-channels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.walk():
            if isinstance(function, FuncOp) and function.body.blocks:
                block = function.body.block
                known = real_intervals(block)
                for layer in [each for each in block.ops if isinstance(each, nn.WeightedOp)]:
                    round_constants(layer, known[layer.result])
