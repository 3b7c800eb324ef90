# SPDX-License-Identifier: Apache-2.0
"""Which real values each channel of a float network can take, for every possible input.

Interval arithmetic in float64 from the arguments on, channel by channel, the last axis being the channels. The rule: an
operation that is not known here may give any value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.hints import isa

from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.shapes import shape_of

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RealInterval:
    """The lowest and the highest value of each channel, both inclusive, [C] each; infinite where nothing is known."""

    low: Floats
    high: Floats

    @property
    def fixed(self) -> npt.NDArray[np.bool_]:
        """Channels that are the same number for every input, everywhere."""
        return np.asarray(np.isfinite(self.low) & (self.low == self.high))

    def with_border(self, value: float = 0.0) -> "RealInterval":
        """What a border of `value` makes of it."""
        return RealInterval(np.minimum(self.low, value), np.maximum(self.high, value))

    def clamped(self, bounds: BoundsAttr | None) -> "RealInterval":
        if bounds is None:
            return self
        low, high = bounds.data.min, bounds.data.max
        return RealInterval(np.clip(self.low, low, high), np.clip(self.high, low, high))


def real_intervals(block: Block) -> dict[SSAValue, RealInterval]:
    """The interval of every tensor of real numbers in `block` that has channels."""
    known: dict[SSAValue, RealInterval] = {}
    for argument in block.args:
        note(argument, known, None)
    for op in block.ops:
        for result in op.results:
            note(result, known, interval_of(op, known))
    return known


def note(
    value: SSAValue, known: dict[SSAValue, RealInterval], interval: RealInterval | None
) -> None:
    """`interval` of `value`, or that nothing is known of it."""
    type = value.type
    if not isa(type, TensorType[Attribute]) or not (shape := shape_of(type)):
        return
    channels = shape[-1]
    if interval is None or len(interval.low) != channels:
        interval = RealInterval(np.full(channels, -np.inf), np.full(channels, np.inf))
    known[value] = interval


def interval_of(op: Operation, known: Mapping[SSAValue, RealInterval]) -> RealInterval | None:
    """The interval of the result of `op`; None if nothing is known of it."""
    if not op.operands:
        return None
    source = known.get(op.operands[0])
    if source is None:
        return None
    match op:
        case nn.Conv2dOp() | nn.DepthwiseConv2dOp() | nn.LinearOp():
            sums = weighted(op, source)
            return None if sums is None else sums.clamped(op.bounds)
        case nn.ClampOp():
            return source.clamped(op.bounds)
        case nn.MaxPool2dOp() | nn.AvgPool2dOp():
            # Neither counts what lies beyond the image.
            return source.clamped(op.bounds)
        case nn.PadOp() if shape_of(op.result.type)[-1] == len(source.low):
            return source.with_border(op.value.value.data)
        case nn.MeanOp() | nn.ReduceMaxOp() | nn.ReduceMinOp():
            return source
        case nn.AddOp() if op.lhs.type == op.rhs.type and op.rhs in known:
            other = known[op.rhs]
            return RealInterval(source.low + other.low, source.high + other.high).clamped(op.bounds)
        case nn.ReshapeOp():
            # Elements stay in order: channels that are laid side by side come again and again.
            times, left = divmod(shape_of(op.result.type)[-1], len(source.low))
            if left:
                return None
            return RealInterval(np.tile(source.low, times), np.tile(source.high, times))
        case _:
            return None


def weighted(
    op: nn.Conv2dOp | nn.DepthwiseConv2dOp | nn.LinearOp, source: RealInterval
) -> RealInterval | None:
    """The sums of a layer, before its clamp; None if its weights are no constants."""
    weights, bias = constant_array(op.weights), constant_array(op.bias)
    if weights is None or bias is None:
        return None
    if not isinstance(op, nn.LinearOp) and any(op.window.data.padding):
        source = source.with_border()
    weights, bias = weights.astype(np.float64), bias.astype(np.float64)
    if isinstance(op, nn.DepthwiseConv2dOp):
        # [taps, output], each output with its one channel.
        taps = weights.reshape(-1, weights.shape[-1]).T[:, :, np.newaxis]
        read = np.arange(len(taps)) // (len(taps) // len(source.low))
        low, high = (
            source.low[read, np.newaxis, np.newaxis],
            source.high[read, np.newaxis, np.newaxis],
        )
    else:
        # [output, taps, channel], each output with the channels of its group.
        taps = weights.reshape(len(weights), -1, weights.shape[-1])
        groups = len(source.low) // taps.shape[-1]
        of_group = np.arange(len(taps)) // (len(taps) // groups)
        low = source.low.reshape(groups, 1, -1)[of_group]
        high = source.high.reshape(groups, 1, -1)[of_group]
    at_low, at_high = (_product(taps, bound) for bound in (low, high))
    lowest, highest = np.minimum(at_low, at_high), np.maximum(at_low, at_high)
    return RealInterval(lowest.sum(axis=(1, 2)) + bias, highest.sum(axis=(1, 2)) + bias)


def _product(weights: Floats, bound: Floats) -> Floats:
    """Products in which a weight of zero takes nothing in, whatever there is."""
    with np.errstate(invalid="ignore"):
        return np.where(weights == 0, 0.0, weights * bound)
