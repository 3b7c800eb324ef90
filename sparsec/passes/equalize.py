# SPDX-License-Identifier: Apache-2.0
"""`equalize`: channels between two layers get ranges alike, so that one scale serves them all.

    %y = nn.conv2d %x, %w1, %b1 -> %z = nn.depthwise_conv2d %y, %w2, %b2
        becomes
    %y = nn.conv2d %x, %w1 / s, %b1 / s -> %z = nn.depthwise_conv2d %y, %w2 * s, %b2

That is cross-layer equalization (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
2019) for weights that have a scale for each output channel. Dividing those of the first layer costs nothing then, and nor
does multiplying depthwise ones: there s is the largest magnitude a of the channel, as calibration sees it. Other layers sum
over the channels under one scale, and both sides share the burden: s = sqrt(a / r), with r the largest of the weights that
read the channel (Xiao et al., "SmoothQuant", 2023). Only what commutes with positive factors may stand between: a clamp at
0, pools, and axes of length 1 that come or go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.ir.attributes import RANGE
from sparsec.ir.constant import constant_array
from sparsec.ir.level import is_float
from sparsec.ir.shapes import shape_of
from sparsec.passes.calibrate import first_inputs, main_of
from sparsec.rewriting.channel_rules import with_scaled_inputs, with_scaled_outputs
from sparsec.rewriting.constants import replace_weights

Array: TypeAlias = np.ndarray[Any, Any]

LARGEST_FACTOR = 256.0
"""A channel that hardly ever is anything but 0 is not blown up farther."""


class Pair(NamedTuple):
    """Two layers of which the second reads each channel of the first."""

    first: nn.WeightedOp
    second: nn.WeightedOp


def pairs(module: ModuleOp) -> list[Pair]:
    """Front to back."""
    found: list[Pair] = []
    for first in main_of(module).body.block.ops:
        if isinstance(first, nn.WeightedOp) and keeps_factors(first):
            second = reader(first.result)
            if second is not None and constants_of(first) and constants_of(second):
                found.append(Pair(first, second))
    return found


def keeps_factors(op: nn.WeightedOp | nn.Pool2dOp) -> bool:
    """Whether a positive factor of what `op` sums up or picks from is one of its result."""
    return op.bounds is None or (op.bounds.data.min, op.bounds.data.max) == (0.0, np.inf)


def constants_of(op: nn.WeightedOp) -> bool:
    """Whether the weights and the bias of `op` are float constants."""
    return constant_array(op.weights) is not None and constant_array(op.bias) is not None


def reader(value: SSAValue) -> nn.WeightedOp | None:
    """The layer that alone reads the channels of `value`, each by weights of its own; None if there is none such."""
    channels = shape_of(value.type)[-1]
    while value.has_one_use():
        [use] = value.uses
        match use.operation:
            case nn.Pool2dOp() as op if keeps_factors(op):
                value = op.result
            case nn.MeanOp() as op:
                value = op.result
            case nn.ReshapeOp() as op:
                value = op.results[0]
                if np.prod(shape_of(value.type)) != channels:
                    return None
            case nn.WeightedOp() as op if use.index == 0 and reads_apart(op, channels):
                return op
            case _:
                return None
        if shape_of(value.type)[-1] != channels:
            return None
    return None


def reads_apart(op: nn.WeightedOp, channels: int) -> bool:
    """Whether `op` has weights for each of so many input channels."""
    if isinstance(op, nn.DepthwiseConv2dOp):
        return True
    return not isinstance(op, nn.TransposeConv2dOp) and shape_of(op.weights.type)[-1] == channels


def factors(pair: Pair, seen: Array) -> Array:
    """By what the first layer of `pair` is divided, whose channels are at most `seen`, [C] float64."""
    weights = np.abs(np.asarray(constant_array(pair.second.weights), np.float64))
    if isinstance(pair.second, nn.DepthwiseConv2dOp):
        wanted = seen
    else:
        read = weights.reshape(-1, len(seen)).max(axis=0)
        wanted = np.sqrt(np.divide(seen, read, out=np.zeros_like(seen), where=read > 0))
    largest = wanted.max(initial=0.0)
    if largest == 0.0:
        return np.ones_like(seen)
    return np.where(wanted > 0, np.maximum(wanted / largest, 1 / LARGEST_FACTOR), 1.0)


def rescale(pair: Pair, by: Array) -> None:
    """Divide the result of the first layer by `by` for each channel, and make up for it in the second."""
    divided = with_scaled_outputs(pair.first, 1 / by, np.zeros_like(by))
    multiplied = with_scaled_inputs(pair.second, by, np.zeros_like(by))
    assert divided is not None and multiplied is not None  # both have constants
    replace_weights(pair.first, *divided)
    replace_weights(pair.second, *multiplied)
    pair.first.attributes.pop(RANGE, None)


def equalize(module: ModuleOp, inputs: Sequence[Array]) -> int:
    """Rescale the channels of `module` by what they are on `inputs`, [N, ..] each; how many pairs of layers that were."""
    found = pairs(module)
    wanted = {pair.first for pair in found}
    seen: dict[nn.WeightedOp, Array] = {}

    def listen(op: Any, results: Sequence[Array]) -> None:
        if op in wanted:
            array = np.abs(results[0].astype(np.float64))
            seen[op] = array.reshape(-1, array.shape[-1]).max(axis=0)

    interpret(module, inputs, listener=listen)
    for pair in found:
        # What was divided before is what the next pair sees: its own factors are about its own result.
        rescale(pair, factors(pair, seen[pair.first]))
    return len(found)


@dataclass(frozen=True)
class EqualizePass(ModulePass):
    """Equalizes by the first arrays of a .npy or .npz file, or the example inputs of a model file, as `calibrate` reads them."""

    name = "equalize"

    file: str = ""
    input_layout: Literal["nchw", "nhwc"] = "nchw"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if is_float(op):
            equalize(op, first_inputs(op, self.name, self.file, self.input_layout))
