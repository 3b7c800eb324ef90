# SPDX-License-Identifier: Apache-2.0
"""What the passes that round may change: each value a little, by its own scale.

A bound on the outputs that holds for all errors at once says nothing: they meet the weights of every layer behind them. So
each layer is judged by itself, on the numbers that the rounded network feeds it. `quantize` must leave the layers as they
are, and may move what lies between them, and their weights, by half a step; more only where a value lies outside of the
range that calibration measured, by as much. No step may be larger than those ranges ask for. `fold-qdq` may move what a
layer gives by `FOLDED_STEPS`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import Attribute, Block, Operation, SSAValue

from sparsec.analysis.values.ranges import range_of
from sparsec.interpreters.run import interpret, interpreter_of
from sparsec.interpreters.signature import main_function
from sparsec.ir import nn
from sparsec.ir.attributes import LAYER
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.passes.quantize import NO_LAYER
from sparsec.quantization.ranges import dequantize
from sparsec.quantization.scheme import Quantization
from sparsec.rewriting.qdq.conversions.activation import FIXED_OUTPUT

Array: TypeAlias = np.ndarray[Any, Any]
Values: TypeAlias = Mapping[SSAValue, Array]

FOLDED_STEPS = 1
"""Steps of its scale by which an int8 layer may differ from the rounded result of the float one: its bias and its
multiplier are rounded too, and so are sums on their way."""

FLOAT_ERROR = 1e-5
"""Rounding to float32, as a part of the largest value."""

_SMALLEST_STEP = 2.0**-23
"""No measured range has a smaller one."""

_SCALE_ERROR = 1 + 2.0**-20
"""Scales are float32."""


class SemanticsError(Exception):
    """A pass changed what the network computes."""


def check_quantize(before: ModuleOp, after: ModuleOp, inputs: Sequence[Array]) -> None:
    """Raises SemanticsError, naming the layer, unless `after` is `before` but for roundings, on `inputs`, [1, ..] each."""
    _CheckQuantize(before, after, inputs).run()


def check_biases(before: ModuleOp, after: ModuleOp) -> None:
    """Raises SemanticsError, naming the layer, unless `after` is `before` but for the biases of layers with weights."""
    for old, new in zip(layers_of(before), layers_of(after), strict=True):
        for index, (was, value) in enumerate(zip(old.operands, new.operands, strict=True)):
            if isinstance(old, nn.WeightedOp) and index == 2:
                continue
            arrays = [constant_array(each) for each in (was, value)]
            first, second = (np.zeros(0) if array is None else array for array in arrays)
            same = (old.name, old.properties) == (new.name, new.properties)
            if not same or not np.array_equal(first, second):
                raise SemanticsError(f"more than the bias of {layer_of(old)} changed")


def values_of(module: ModuleOp, inputs: Sequence[Array]) -> dict[SSAValue, Array]:
    """All values of `main` of a module of tensors."""
    values: dict[SSAValue, Array] = dict(zip(main_function(module).args, inputs, strict=True))
    interpret(
        module,
        inputs,
        listener=lambda op, found: values.update(zip(op.results, found, strict=True)),
    )
    return values


def block_of(module: ModuleOp) -> Block:
    """The body of `main`."""
    return main_function(module).body.block


def layers_of(module: ModuleOp) -> list[Operation]:
    """The operations of `main` that compute something, and its end."""
    return [op for op in block_of(module).ops if not isinstance(op, NO_LAYER)]


def source_of(value: SSAValue) -> SSAValue:
    """`value` as it was before it was rounded."""
    while isinstance(value.owner, nn.DequantizeOp):
        quantize = value.owner.input.owner
        if not isinstance(quantize, nn.QuantizeOp):
            break
        value = quantize.input
    return value


def seen_of(value: SSAValue) -> SSAValue:
    """What the next layer sees of a value: a maximum hides the low numbers, so that those may be cut off before it."""
    while value.has_one_use():
        user = next(iter(value.uses)).operation
        if not user.has_trait(nn.MovesData):
            break
        value = user.results[0]
    return value


def is_constant(value: SSAValue) -> bool:
    """Whether `value` is a number that the network has, stored in int8 or not."""
    owner = value.owner
    return isinstance(owner, nn.ConstantOp) or (
        isinstance(owner, nn.DequantizeOp) and isinstance(owner.input.owner, nn.ConstantOp)
    )


def name_of(value: SSAValue) -> str:
    """The layer that gives `value`."""
    return "the input" if isinstance(value.owner, Block) else layer_of(value.owner)


def largest(array: Array) -> float:
    """The largest magnitude."""
    return float(np.abs(array).max(initial=0.0))


def steps_along(quantization: Quantization, ndim: int) -> Array:
    """The scales, to broadcast over a tensor of `ndim` axes."""
    shape = [1] * ndim
    if quantization.axis is not None:
        shape[quantization.axis] = -1
    return np.array(quantization.scales).reshape(shape)


class _CheckQuantize:
    def __init__(self, before: ModuleOp, after: ModuleOp, inputs: Sequence[Array]):
        self.before, self.after = before, after
        self.values: Values = values_of(after, inputs)
        self.interpreter = interpreter_of(before)
        self.known = {
            op.quantization.data for op in block_of(before).ops if isinstance(op, nn.QuantizeOp)
        }
        """What the network brings itself, whose ranges nobody here knows."""
        self.same: dict[SSAValue, SSAValue] = {}
        """The values of `before` that the layers of `after` have, by these."""
        self.widths: dict[Quantization, tuple[float, float]] = {}
        """What has a quantization, from the lowest to the highest number, 0 included."""

    def run(self) -> None:
        layers = [layers_of(module) for module in (self.before, self.after)]
        names = [[op.name for op in found] for found in layers]
        if names[0] != names[1]:
            raise SemanticsError("pass quantize changed the layers")
        arguments = zip(block_of(self.after).args, block_of(self.before).args, strict=True)
        self.same.update(arguments)
        for old, new in zip(*layers, strict=True):
            self.check_layer(old, new)
            self.same.update(zip(new.results, old.results, strict=True))
        for op in block_of(self.after).ops:
            if isinstance(op, nn.QuantizeOp) and op.quantization.data not in self.known:
                self.check_pair(op)
        for quantization, (low, high) in self.widths.items():
            self.check_step(quantization, high - low)

    def check_layer(self, old: Operation, new: Operation) -> None:
        """The layer reads and computes what it did."""
        for was, value in zip(old.operands, new.operands, strict=True):
            if is_constant(was):
                self.check_constant(new, was, value)
            elif self.same.get(source_of(value)) is not source_of(was):
                raise SemanticsError(f"pass quantize changed what {layer_of(new)} reads")
        if not new.results:
            return
        arguments = tuple(self.values[value] for value in new.operands)
        [expected] = self.interpreter.run_op(old, arguments)
        difference = largest(self.values[new.results[0]] - expected)
        if not difference <= FLOAT_ERROR * largest(expected):
            raise SemanticsError(f"pass quantize changed what {layer_of(new)} computes")

    def check_constant(self, op: Operation, was: SSAValue, value: SSAValue) -> None:
        """Half a step, no larger than need be."""
        old, new = self.constant_of(was), self.values[value]
        if not isinstance(value.owner, nn.DequantizeOp) or not isinstance(was.owner, nn.ConstantOp):
            if not np.array_equal(old, new):
                raise SemanticsError(f"pass quantize changed a constant of {layer_of(op)}")
            return
        quantization = value.owner.quantization.data
        allowed = steps_along(quantization, old.ndim) / 2 + FLOAT_ERROR * largest(old)
        if not np.all(np.abs(old - new) <= allowed):
            raise SemanticsError(
                f"pass quantize changed a constant of {layer_of(op)} by {largest(old - new):.3g}, "
                f"half a step is {max(quantization.scales) / 2:.3g}"
            )
        if isinstance(op, nn.WeightedOp):
            self.check_weight_steps(op, old, quantization)
        else:
            self.widen(quantization, float(old.min()), float(old.max()))

    def constant_of(self, value: SSAValue) -> Array:
        """The number that `before` has."""
        assert isinstance(value.owner, Operation)
        operands = tuple(self.constant_of(operand) for operand in value.owner.operands)
        return self.interpreter.run_op(value.owner, operands)[0]

    def check_weight_steps(self, op: nn.WeightedOp, weights: Array, by: Quantization) -> None:
        """127 steps reach the largest weight, or 2^30 steps of a sum the bias."""
        rows = weights[np.newaxis] if by.axis is None else np.moveaxis(weights, by.axis, 0)
        largest_weights = np.abs(rows.reshape(len(rows), -1)).max(axis=1)
        needed = largest_weights / 127
        source = op.input.owner
        if isinstance(source, nn.DequantizeOp):
            for_bias = np.abs(self.values[op.bias]) / (source.quantization.data.scale * 2**30)
            needed = np.maximum(needed, for_bias.max() if by.axis is None else for_bias)
        # Of a channel without weights any scale is right.
        if np.any((np.array(by.scales) > needed * _SCALE_ERROR) & (largest_weights > 0)):
            raise SemanticsError(
                f"pass quantize gave the weights of {layer_of(op)} larger steps than they need"
            )

    def check_pair(self, op: nn.QuantizeOp) -> None:
        """Half a step, and what lies outside of the measured range."""
        origin = source_of(op.input)
        measured = range_of(self.same[origin]) if origin in self.same else None
        if measured is None:
            return
        by = op.quantization.data
        for use in op.result.uses:
            if isinstance(use.operation, nn.DequantizeOp) and use.operation.quantization.data != by:
                raise SemanticsError(f"pass quantize reads {name_of(origin)} in another scale")
        low, high = min(measured[0], 0.0), max(measured[1], 0.0)
        self.widen(by, low, high)
        x = self.values[op.input]
        rounded = dequantize(self.values[op.result], by.scale, by.zero_point)
        seen = range_of(seen_of(self.same[origin])) or measured
        outside = np.maximum(np.maximum(min(seen[0], 0.0) - x, x - max(seen[1], 0.0)), 0.0)
        # The last step of a function's range is not held: 1 is 255/256.
        steps = 1.0 if by in FIXED_OUTPUT.values() else 0.5
        allowed = steps * by.scale + outside + FLOAT_ERROR * largest(x)
        if not np.all(np.abs(x - rounded) <= allowed):
            raise SemanticsError(
                f"pass quantize changed {name_of(origin)} by {largest(x - rounded):.3g} where a step "
                f"is {by.scale:.3g}"
            )

    def widen(self, by: Quantization, low: float, high: float) -> None:
        """Note that `by` has to hold [low, high]."""
        known = self.widths.get(by, (0.0, 0.0))
        self.widths[by] = min(known[0], low), max(known[1], high)

    def check_step(self, by: Quantization, width: float) -> None:
        """255 steps reach no further than need be."""
        if by in FIXED_OUTPUT.values() or width == 0:
            return
        if by.scale > max(width / 255, _SMALLEST_STEP) * _SCALE_ERROR:
            raise SemanticsError(
                f"pass quantize chose a step of {by.scale:.3g} for a range of {width:.3g}, "
                f"which {width / 255:.3g} would do for"
            )


def check_fold(
    before: ModuleOp, after: ModuleOp, inputs: Sequence[Array], int8_inputs: Sequence[Array]
) -> None:
    """Raises SemanticsError, naming the layer, unless each int8 layer of `after` rounds as `before` does, on one sample.

    `before` goes on from what `after` computes, so that differences do not add up.
    """
    stored, interpreter = values_of(after, int8_inputs), interpreter_of(before)
    partners = folded_pairs(before, after)
    values: dict[SSAValue, Array] = dict(zip(block_of(before).args, inputs, strict=True))
    for op in list(block_of(before).ops)[:-1]:
        found = interpreter.run_op(op, tuple(values[value] for value in op.operands))
        if (partner := partners.get(op)) is not None:
            expected, got = (array.astype(np.int32) for array in (found[0], stored[partner]))
            difference = int(np.abs(got.reshape(expected.shape) - expected).max(initial=0))
            if difference > FOLDED_STEPS:
                raise SemanticsError(
                    f"pass fold-qdq changed {layer_of(op)} by {difference} steps of its scale, "
                    f"{FOLDED_STEPS} may be rounding"
                )
            found = (got.reshape(expected.shape).astype(np.int8),)
        values.update(zip(op.results, found, strict=True))


def folded_pairs(before: ModuleOp, after: ModuleOp) -> dict[Operation, SSAValue]:
    """The int8 value of `after` for each quantize of `before`, of layers that have as many of one as of the other."""
    quantizes, results = (
        by_layer(op for op in block_of(module).ops if op.results and is_int8(op.results[0]))
        for module in (before, after)
    )
    found: dict[Operation, SSAValue] = {}
    for layer, ops in quantizes.items():
        partners = results.get(layer, [])
        if [shape_of(op.results[0].type) for op in ops] == [
            shape_of(op.results[0].type) for op in partners
        ]:
            found |= {op: new.results[0] for op, new in zip(ops, partners, strict=True)}
    return found


def is_int8(value: SSAValue) -> bool:
    """Whether `value` is a tensor of int8."""
    return value.type == TensorType(i8, shape_of(value.type))


def by_layer(ops: Iterator[Operation]) -> dict[Attribute, list[Operation]]:
    """Operations by the layer that they say they belong to."""
    found: defaultdict[Attribute, list[Operation]] = defaultdict(list)
    for op in ops:
        if LAYER in op.attributes:
            found[op.attributes[LAYER]].append(op)
    return found
