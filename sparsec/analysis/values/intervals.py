# SPDX-License-Identifier: Apache-2.0
"""Which int8 values each element of a `qnn` network can take, for every possible input.

Interval arithmetic from the arguments on: every operation grows with its inputs, or is a table of
256 values. The rule: an operation that is not known here may give any value.
"""

from dataclasses import dataclass
from math import prod
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import Attribute, Block, Operation, SSAValue

from sparsec.analysis.values.byte_maps import byte_map, clamp_of
from sparsec.analysis.values.elementwise import PairOp, extremes, operands_of
from sparsec.analysis.values.movement import picked
from sparsec.analysis.values.weighted_layer import Mask, weighted_layer
from sparsec.ir import qnn
from sparsec.ir.qnn.elementwise import ElementwiseOp
from sparsec.ir.shapes import axes_reduced, shape_of
from sparsec.quantization import int8

Int8Array: TypeAlias = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Interval:
    """The lowest and the highest value of each element, both inclusive and of the tensor's shape."""

    low: Int8Array
    high: Int8Array

    @property
    def fixed(self) -> Mask:
        """Elements that are the same for every input."""
        return np.asarray(self.low == self.high)

    @property
    def fixed_channels(self) -> Mask:
        """[C]: channels (of the last axis) whose elements are all fixed."""
        return np.asarray(self.fixed.reshape(-1, prod(self.low.shape[-1:])).all(axis=0))


Intervals: TypeAlias = dict[SSAValue, Interval]


def is_activation(value: SSAValue) -> bool:
    """Whether `value` is an int8 tensor."""
    # Not `isa`, which takes a constraint apart for each value.
    type = value.type
    return isinstance(type, TensorType) and cast(TensorType[Attribute], type).element_type == i8


def intervals(block: Block) -> Intervals:
    """The interval of each int8 tensor of a function."""
    found: Intervals = {v: _full(v) for v in block.args if is_activation(v)}
    for op in block.ops:
        for result in op.results:
            if is_activation(result):
                found[result] = _full(result)
        known = _interval(op, found) if any(map(is_activation, op.results)) else None
        if known is not None:
            found[op.results[0]] = known
    return found


def _full(value: SSAValue, low: int = -128, high: int = 127) -> Interval:
    shape = shape_of(value.type)
    return Interval(np.full(shape, low, np.int8), np.full(shape, high, np.int8))


def _interval(op: Operation, found: Intervals) -> Interval | None:
    match op:
        case qnn.ConstantOp():
            return Interval(op.array, op.array) if is_activation(op.result) else None
        case qnn.WeightedOp():
            return _weighted(op, found[op.input])
        case _ if (known := byte_map(op)) is not None:
            return _table(known.table, found[known.source])
        case qnn.AddOp() | ElementwiseOp() | qnn.PreluOp():
            return _pair(op, found)
        case qnn.MaxPool2dOp() | qnn.AvgPool2dOp():
            pool, clamp = op.pool.data, op.requant.data.clamp
            reduce = int8.max_pool if isinstance(op, qnn.MaxPool2dOp) else int8.avg_pool
            low, high = (
                reduce(
                    x, kernel=pool.kernel, strides=pool.strides, padding=pool.padding, clamp=clamp
                )
                for x in (found[op.input].low, found[op.input].high)
            )
            return Interval(low, high)
        case qnn.MeanOp():
            return _mean(op, found[op.input])
        case qnn.ReduceExtremeOp():
            axes = axes_reduced(op.input.type, op.result.type)
            reduce = np.max if isinstance(op, qnn.ReduceMaxOp) else np.min
            source = found[op.input]
            low, high = (reduce(x, axes, keepdims=True) for x in (source.low, source.high))
            return Interval(low, high)
        case qnn.SoftmaxOp():
            return _softmax(op, found[op.input])
        case _:
            return _moved(op, found)


def _moved(op: Operation, found: Intervals) -> Interval | None:
    """Of an operation that only moves values, or adds constant ones."""

    def both(value: SSAValue) -> tuple[Int8Array, Int8Array]:
        return found[value].low, found[value].high

    match op:
        case qnn.PadOp():
            widths = list(zip(op.border.data.low, op.border.data.high, strict=True))
            value = op.value.value.data
            low, high = (np.pad(x, widths, constant_values=value) for x in both(op.input))
        case qnn.ReshapeOp():
            low, high = (x.reshape(shape_of(op.result.type)) for x in both(op.input))
        case qnn.TransposeOp():
            low, high = (x.transpose(op.permutation.get_values()) for x in both(op.input))
        case qnn.SliceOp() | qnn.ResizeNearestOp() | qnn.GatherOp():
            low, high = (picked(op, x) for x in both(op.input))
            if low is None or high is None:
                return None
        case qnn.ConcatOp():
            axis = op.axis.value.data
            low = np.concatenate([found[value].low for value in op.inputs], axis)
            high = np.concatenate([found[value].high for value in op.inputs], axis)
        case _:
            return None
    return Interval(low, high)


def _weighted(op: qnn.WeightedOp, source: Interval) -> Interval:
    layer, clamp = weighted_layer(op), op.requant.data.clamp
    anything = _full(op.result, *clamp)
    if layer is None:
        return anything
    proven, shape = layer.proven(), shape_of(op.result.type)
    lowest, highest = layer.accumulate(
        source.low.reshape(layer.input_size), source.high.reshape(layer.input_size)
    )
    # Where an accumulator may wrap, its bounds say nothing; zeros keep the shifts valid.
    low, high = (
        layer.results(np.where(proven, bound, 0)).reshape(shape) for bound in (lowest, highest)
    )
    return Interval(np.where(proven, low, anything.low), np.where(proven, high, anything.high))


def _table(table: Int8Array, source: Interval) -> Interval:
    # [a, b]: the extreme of table[a..b], meant for a <= b.
    reached = np.tri(256, dtype=np.bool_).T
    below = np.minimum.accumulate(np.where(reached, table, np.int8(127)), axis=1)
    above = np.maximum.accumulate(np.where(reached, table, np.int8(-128)), axis=1)
    low, high = source.low.astype(np.int64) + 128, source.high.astype(np.int64) + 128
    return Interval(below[low, high], above[low, high])


def _pair(op: PairOp, found: Intervals) -> Interval:
    lhs, rhs = (found[value] for value in operands_of(op))
    bounds = extremes(op, (lhs.low, lhs.high), (rhs.low, rhs.high))
    return _full(op.result, *clamp_of(op.result)) if bounds is None else Interval(*bounds)


def _mean(op: qnn.MeanOp, source: Interval) -> Interval:
    p = op.params.data
    axes = axes_reduced(op.input.type, op.result.type)
    largest = 255 * prod(shape_of(op.input.type)[axis] for axis in axes) << max(p.shift, 0)
    if p.multiplier < 0 or largest >= 2**30:  # the sum, shifted, may wrap
        return _full(op.result, *p.clamp)
    low, high = (
        int8.mean(
            x,
            axes,
            input_zp=p.input_zp,
            multiplier=p.multiplier,
            shift=p.shift,
            output_zp=p.output_zp,
            clamp=p.clamp,
        )
        for x in (source.low, source.high)
    )
    return Interval(low, high)


def _softmax(op: qnn.SoftmaxOp, source: Interval) -> Interval | None:
    if not source.fixed.all():
        return None
    p = op.params.data
    result = int8.softmax(source.low, multiplier=p.multiplier, shift=p.shift, diff_min=p.diff_min)
    return Interval(result, result)
