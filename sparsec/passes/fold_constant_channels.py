# SPDX-License-Identifier: Apache-2.0
"""`fold-constant-channels`: what a channel that never changes gives its readers becomes part of their bias.

    %y = nn.depthwise_conv2d %x, %w1, %b1   a channel of %w1 is all zeros, so %y is b there
    %z = nn.conv2d %y, %w2, %b2

Weights of %w2 that read the channel become zero, and %b2 takes w * b in; likewise where a clamp proves that a channel is
always at its bound. Pruning leaves many such channels, and batch normalization often has scaled them up until a step of
int8 in one is worth a whole range behind it: in real numbers they cost nothing. Channels that nothing reads any more are
removed from the int8 network by `eliminate-dead-channels`. Where a border of zeros lies around a channel that is not zero,
its readers stay.
"""

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass

from sparsec.analysis.values.real_intervals import RealInterval, real_intervals
from sparsec.ir import nn
from sparsec.rewriting.channel_rules import Floats, with_scaled_inputs, with_scaled_outputs
from sparsec.rewriting.constants import replace_weights


def fold_inputs(op: nn.WeightedOp, source: RealInterval) -> bool:
    """Take constant channels of the input of `op` into its bias; whether there was anything to take."""
    fixed = source.fixed
    if not isinstance(op, nn.LinearOp | nn.Conv2dOp | nn.DepthwiseConv2dOp) or not fixed.any():
        return False
    has_border = not isinstance(op, nn.LinearOp) and any(op.window.data.padding)
    if has_border:
        fixed = fixed & (source.low == 0)
    return _replace(
        op, with_scaled_inputs(op, np.where(fixed, 0.0, 1.0), np.where(fixed, source.low, 0.0))
    )


def fix_outputs(op: nn.WeightedOp, result: RealInterval) -> bool:
    """Make constant channels of the result of `op` biases without weights; whether there were weights."""
    fixed = result.fixed
    if not isinstance(op, nn.LinearOp | nn.Conv2dOp | nn.DepthwiseConv2dOp) or not fixed.any():
        return False
    scaled = with_scaled_outputs(op, np.where(fixed, 0.0, 1.0), np.zeros(len(fixed)))
    if scaled is None:
        return False
    weights, bias = scaled
    return _replace(op, (weights, np.where(fixed, result.low, bias)))


def _replace(op: nn.WeightedOp, new: tuple[Floats, Floats] | None) -> bool:
    """Give `op` new weights and biases where weights change: no constant is made anew for nothing."""
    if new is None:
        return False
    old = with_scaled_outputs(op, np.ones(len(new[1])), np.zeros(len(new[1])))
    if old is None or np.array_equal(old[0], new[0]):
        return False
    replace_weights(op, new[0] + 0.0, new[1])  # without -0.0
    return True


@dataclass(frozen=True)
class FoldConstantChannelsPass(ModulePass):
    """Folds constant channels of a float network into the biases that follow."""

    name = "fold-constant-channels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.walk():
            if isinstance(function, FuncOp) and function.body.blocks:
                block = function.body.block
                known = real_intervals(block)
                for layer in [each for each in block.ops if isinstance(each, nn.WeightedOp)]:
                    fix_outputs(layer, known[layer.result])
                    fold_inputs(layer, known[layer.input])
