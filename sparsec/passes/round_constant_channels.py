# SPDX-License-Identifier: Apache-2.0
"""`round-constant-channels`: a channel that never changes becomes a number that int8 holds exactly.

    %y = nn.conv2d %x, %w1, %b1              a channel of %w1 is all zeros, so %y is b there
    %z = nn.depthwise_conv2d %y, %w2, %b2    with a border of zeros

b becomes the nearest step of %y's range that is not zero, and the weights of %w2 that read the channel are multiplied by
b / b': the same real numbers. `fold-constant-channels` cannot take such a channel into %b2, as what it adds differs between
the border and the middle. Pruning leaves many of them, small ones, and batch normalization behind has scaled them up by
hundreds: half a step of %y is worth whole ranges of %z then, the same for every input.
"""

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from sparsec.analysis.values.ranges import range_of
from sparsec.analysis.values.real_intervals import RealInterval, real_intervals
from sparsec.ir import nn
from sparsec.ir.shapes import shape_of
from sparsec.passes.equalize import constants_of, keeps_factors, reads_apart
from sparsec.passes.quantize import quantization_for
from sparsec.quantization.scheme import Quantization
from sparsec.rewriting.channel_rules import Floats, with_scaled_inputs, with_scaled_outputs
from sparsec.rewriting.constants import replace_weights


def nearest_step(values: Floats, quantization: Quantization) -> Floats:
    """The numbers nearest to `values` that int8 holds, of the same sign; 0 for 0, and where there is no such number."""
    (scale,), zero = quantization.scales, quantization.zero_point
    steps = np.rint(values / scale)
    steps = np.where(steps == 0, np.sign(values), steps)
    return np.clip(steps, -128 - zero, 127 - zero) * scale


def readers(value: SSAValue) -> list[nn.WeightedOp] | None:
    """The layers that read each channel of `value` by weights of its own; None if anything else reads it."""
    channels = shape_of(value.type)[-1]
    found: list[nn.WeightedOp] = []
    for use in value.uses:
        op = use.operation
        if isinstance(op, nn.Pool2dOp) and keeps_factors(op):
            behind = readers(op.result)
        elif isinstance(op, nn.MeanOp):
            behind = readers(op.result) if shape_of(op.result.type)[-1:] == (channels,) else None
        elif (
            isinstance(op, nn.WeightedOp)
            and use.index == 0
            and reads_apart(op, channels)
            and constants_of(op)
        ):
            behind = [op]
        else:
            behind = None
        if behind is None:
            return None
        found += behind
    return found


def round_constants(op: nn.WeightedOp, result: RealInterval) -> None:
    """Round the constant channels of the result of `op`, where all that reads them can make up for it."""
    measured = range_of(op.result)
    wanted = result.fixed & (result.low != 0)
    if measured is None or not wanted.any() or not constants_of(op):
        return
    values = np.where(wanted, result.low, 0.0)
    rounded = nearest_step(values, quantization_for(measured))
    changed = (rounded != 0) & (rounded != values)
    behind = readers(op.result)
    if not behind or not changed.any():
        return
    factor = np.where(changed, values, 1.0) / np.where(changed, rounded, 1.0)
    replaced = with_scaled_outputs(op, np.where(changed, 0.0, 1.0), np.where(changed, rounded, 0.0))
    assert replaced is not None  # it has constants
    replace_weights(op, *replaced)
    for each in behind:
        scaled = with_scaled_inputs(each, factor, np.zeros_like(factor))
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
