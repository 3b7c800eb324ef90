"""`fold-qdq`: a layer between dequantize and quantize becomes one int8 operation.

    nn.dequantize -> nn.conv2d -> nn.quantize        becomes        qnn.conv2d

The numbers come from the scales on both sides, whoever chose them: calibration, training with
quantization in the loop, or an imported Q/DQ graph. A multiplier is a ratio of scales in float64,
split into mantissa and shift; a bias is rounded to int32 at the scale input * weight.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, ModuleOp, TensorType, i8
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import nn, qnn
from sparsec.ir.layer import copy_layer, layer_of
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.quantization.functions import FUNCTIONS
from sparsec.quantization.int8 import add_params, lookup_table, softmax_params
from sparsec.quantization.params import (
    FULL_RANGE,
    AddParams,
    Clamp,
    Requant,
    Rescale,
    SoftmaxParams,
)
from sparsec.quantization.ranges import quantize, quantize_bias
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Bounds, Quantization
from sparsec.quantization.softmax import MAX_ROW

Array: TypeAlias = np.ndarray[Any, Any]

UNIT_INTERVAL = Quantization((1 / 256,), -128)
SIGNED_UNIT_INTERVAL = Quantization((1 / 128,), 0)
FIXED_OUTPUT = {
    "softmax": UNIT_INTERVAL,
    "sigmoid": UNIT_INTERVAL,
    "hardsigmoid": UNIT_INTERVAL,
    "tanh": SIGNED_UNIT_INTERVAL,
}
"""Functions whose results always have the same range, with TFLite's quantization of it."""

MOVES_DATA = (nn.ReshapeOp, nn.TransposeOp, nn.MaxPool2dOp)
"""Layers that select or order values: they commute with quantization."""


def fail(op: Operation, message: str) -> PassFailedException:
    """An error about the layer `op` belongs to."""
    return PassFailedException(f"{layer_of(op)}: {message}")


def integer_clamp(bounds: Bounds | None, quantization: Quantization) -> Clamp:
    """`bounds` in the int8 values of a tensor with `quantization`."""
    if bounds is None:
        return FULL_RANGE
    low, high = (
        int(quantize(bound, quantization.scale, quantization.zero_point))
        for bound in (bounds.min, bounds.max)
    )
    return low, high


def rescaling(source: Quantization, target: Quantization, bounds: Bounds | None = None) -> Rescale:
    """The numbers that take int8 values from one quantization to another."""
    multiplier, shift = quantize_multiplier(source.scale / target.scale)
    clamp = integer_clamp(bounds, target)
    return Rescale(source.zero_point, multiplier, shift, target.zero_point, clamp)


@dataclass(frozen=True)
class Stored:
    """The int8 value that stands for a float value of the graph."""

    value: SSAValue
    quantization: Quantization


@dataclass
class Folding:
    """One function on its way from `nn` to `qnn`: which float values are already stored in int8."""

    block: Block
    stored: dict[SSAValue, Stored] = field(default_factory=dict[SSAValue, Stored])
    int8: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def run(self) -> list[Quantization]:
        """Convert every operation; returns the quantization of each result of the function."""
        old = list(self.block.ops)
        for op in old:
            self.convert(op)
        terminator = old[-1]
        results: list[Quantization] = []
        for index, operand in enumerate(terminator.operands):
            result = self.result(terminator, operand)
            terminator.operands[index] = result.value
            results.append(result.quantization)
        for op in reversed(old[:-1]):
            Rewriter.erase_op(op)
        return results

    def result(self, terminator: Operation, operand: SSAValue) -> Stored:
        """What the function returns for `operand`."""
        if operand in self.stored:
            return self.stored[operand]
        if isinstance(operand.owner, nn.QuantizeOp):
            return Stored(self.int8[operand], operand.owner.quantization.data)
        if isinstance(operand.owner, Operation):
            raise fail(operand.owner, "the result of the network is not quantized")
        raise PassFailedException("the network returns an input that is not quantized")

    def emit(self, op: Operation, new: Operation) -> SSAValue:
        """Insert `new` in the place of `op`; returns its result."""
        Rewriter.insert_op(new, InsertPoint.before(op))
        copy_layer(op, new)
        if op.results:
            new.results[0].name_hint = op.results[0].name_hint
        return new.results[0]

    def constant(self, op: Operation, array: Array, label: str) -> SSAValue:
        """A constant that belongs to the layer `op`."""
        constant = qnn.ConstantOp(array, label)
        Rewriter.insert_op(constant, InsertPoint.before(op))
        return constant.result

    def input(self, op: Operation, value: SSAValue) -> Stored:
        """The int8 form of an operand of `op`."""
        if value not in self.stored:
            raise fail(op, "its input is not quantized: give calibration data, or a Q/DQ pair")
        return self.stored[value]

    def rescaled(self, op: Operation, source: Stored, target: Quantization) -> SSAValue:
        """`source` in another quantization."""
        if source.quantization == target:
            return source.value
        return self.emit(op, qnn.RescaleOp(source.value, rescaling(source.quantization, target)))

    def output_of(self, op: Operation, default: Quantization | None = None) -> Quantization:
        """The quantization that the users of a layer ask for, else `default`."""
        for use in op.results[0].uses:
            if isinstance(use.operation, nn.QuantizeOp):
                return use.operation.quantization.data
        if default is None:
            raise fail(op, "its result is not quantized: give calibration data, or a Q/DQ pair")
        return default

    def finish(self, op: Operation, value: SSAValue, quantization: Quantization) -> None:
        """Remember `value` as the int8 form of the result of `op`."""
        self.stored[op.results[0]] = Stored(value, quantization)

    def convert(self, op: Operation) -> None:
        """Emit the int8 form of one operation."""
        convert = CONVERSIONS.get(type(op))
        if convert is not None:
            convert(self, op)
        elif not isinstance(op, nn.ConstantOp | func.ReturnOp):
            raise fail(op, f"{op.name} has no int8 form")


def convert_quantize(f: Folding, op: nn.QuantizeOp) -> None:
    target = op.quantization.data
    if op.input in f.stored:
        f.int8[op.result] = f.rescaled(op, f.stored[op.input], target)
    elif isinstance(op.input.owner, Block):
        Rewriter.replace_value_with_new_type(op.input, TensorType(i8, shape_of(op.input.type)))
        f.stored[op.input] = Stored(op.input, target)
        f.int8[op.result] = op.input
    elif not isinstance(op.input.owner, nn.ConstantOp):
        raise fail(op.input.owner, "it cannot be quantized")


def quantized_constant(op: Operation, value: SSAValue) -> tuple[Array, Quantization, str]:
    """(int8 array, quantization, label) of a constant operand of `op`."""
    dequantize = value.owner
    if isinstance(dequantize, nn.DequantizeOp):
        quantization = dequantize.quantization.data
        source = dequantize.input.owner
        if isinstance(source, nn.ConstantOp):
            return source.array, quantization, source.name_in_model or layer_of(op)
        if isinstance(source, nn.QuantizeOp) and isinstance(source.input.owner, nn.ConstantOp):
            constant, scheme = source.input.owner, source.quantization.data
            scales = scheme.scales if scheme.axis is not None else scheme.scale
            array = quantize(constant.array, scales, scheme.zero_point, scheme.axis)
            return array, quantization, constant.name_in_model or layer_of(op)
    raise fail(op, "its weights are not quantized constants")


def convert_dequantize(f: Folding, op: nn.DequantizeOp) -> None:
    source = op.input.owner
    quantization = op.quantization.data
    if op.input in f.int8:
        f.stored[op.result] = Stored(f.int8[op.input], quantization)
    elif isinstance(source, nn.ConstantOp) and quantization.axis is None:
        if not is_weight(op):
            value = f.constant(op, source.array, source.name_in_model or layer_of(op))
            f.stored[op.result] = Stored(value, quantization)
    elif isinstance(source, Block):
        f.stored[op.result] = Stored(op.input, quantization)


def is_weight(op: nn.DequantizeOp) -> bool:
    """Whether only layers with weights use this value, as their weights."""
    return all(
        isinstance(use.operation, nn.WeightedOp) and use.index == 1 for use in op.result.uses
    )


@dataclass(frozen=True)
class Weights:
    """The int8 operands of a layer with weights."""

    operands: tuple[SSAValue, SSAValue, SSAValue, SSAValue, SSAValue]
    requant: Requant
    output: Quantization


def fold_weights(f: Folding, op: nn.WeightedOp, channel_axis: int, expand: bool) -> Weights:
    """Input, weights, bias, multiplier and shift of `op`; `expand` gives a per-tensor scale to each
    channel."""
    source = f.input(op, op.input)
    array, scheme, label = quantized_constant(op, op.weights)
    if scheme.zero_point != 0 or scheme.axis not in (None, channel_axis):
        raise fail(op, "its weights must be symmetric, per tensor or per output channel")
    bias = op.bias.owner
    if not isinstance(bias, nn.ConstantOp):
        raise fail(op, "its bias is not a constant")
    channels = array.shape[channel_axis]
    weight_scales = np.array(scheme.scales, np.float64)
    if expand:
        weight_scales = np.broadcast_to(weight_scales, channels)
    output = f.output_of(op)
    try:
        bias_array = quantize_bias(
            bias.array, np.broadcast_to(weight_scales * source.quantization.scale, channels)
        )
    except ValueError as error:
        raise fail(op, str(error)) from error
    pairs = [
        quantize_multiplier(source.quantization.scale * scale / output.scale)
        for scale in weight_scales.tolist()
    ]
    multiplier, shift = np.array(pairs, np.int32).T
    layer = layer_of(op)
    bounds = op.bounds.data if op.bounds is not None else None
    return Weights(
        (
            source.value,
            f.constant(op, array, label),
            f.constant(op, bias_array, bias.name_in_model or f"{layer}.bias"),
            f.constant(op, multiplier, f"{layer}.multiplier"),
            f.constant(op, shift, f"{layer}.shift"),
        ),
        Requant(source.quantization.zero_point, output.zero_point, integer_clamp(bounds, output)),
        output,
    )


def int8_type(value: SSAValue) -> TensorType[Any]:
    """The int8 type of the shape of a float value."""
    return TensorType(i8, shape_of(value.type))


def convert_conv2d(f: Folding, op: nn.Conv2dOp) -> None:
    w = fold_weights(f, op, channel_axis=0, expand=True)
    new = qnn.Conv2dOp(*w.operands, w.requant, op.window.data, int8_type(op.result))
    f.finish(op, f.emit(op, new), w.output)


def convert_depthwise(f: Folding, op: nn.DepthwiseConv2dOp) -> None:
    w = fold_weights(f, op, channel_axis=3, expand=True)
    new = qnn.DepthwiseConv2dOp(*w.operands, w.requant, op.window.data, int8_type(op.result))
    f.finish(op, f.emit(op, new), w.output)


def convert_linear(f: Folding, op: nn.LinearOp) -> None:
    w = fold_weights(f, op, channel_axis=0, expand=False)
    new = qnn.LinearOp(*w.operands, w.requant, int8_type(op.result))
    f.finish(op, f.emit(op, new), w.output)


def convert_add(f: Folding, op: nn.AddOp) -> None:
    lhs, rhs = f.input(op, op.lhs), f.input(op, op.rhs)
    output = f.output_of(op)
    params = AddParams(
        input1_zp=lhs.quantization.zero_point,
        input2_zp=rhs.quantization.zero_point,
        output_zp=output.zero_point,
        clamp=integer_clamp(op.bounds.data if op.bounds is not None else None, output),
        **add_params(lhs.quantization.scale, rhs.quantization.scale, output.scale),
    )
    f.finish(op, f.emit(op, qnn.AddOp(lhs.value, rhs.value, params)), output)


def convert_pool(f: Folding, op: nn.MaxPool2dOp | nn.AvgPool2dOp) -> None:
    source = f.input(op, op.input)
    q = source.quantization
    bounds = op.bounds.data if op.bounds is not None else None
    requant = Requant(q.zero_point, q.zero_point, integer_clamp(bounds, q))
    make = qnn.MaxPool2dOp if isinstance(op, nn.MaxPool2dOp) else qnn.AvgPool2dOp
    new = make(source.value, op.pool.data, requant, int8_type(op.result))
    f.finish(op, f.emit(op, new), q)


def convert_clamp(f: Folding, op: nn.ClampOp) -> None:
    source = f.input(op, op.input)
    output = f.output_of(op, default=source.quantization)
    params = rescaling(source.quantization, output, op.bounds.data)
    f.finish(op, f.emit(op, qnn.RescaleOp(source.value, params)), output)


def convert_activation(f: Folding, op: nn.ActivationOp) -> None:
    name = op.function.data
    source = f.input(op, op.input)
    output = f.output_of(op, default=FIXED_OUTPUT.get(name))
    q = source.quantization
    table = lookup_table(FUNCTIONS[name], q.scale, q.zero_point, output.scale, output.zero_point)
    constant = f.constant(op, table, f"{layer_of(op)}.table")
    f.finish(op, f.emit(op, qnn.LookupOp(source.value, constant)), output)


def convert_softmax(f: Folding, op: nn.SoftmaxOp) -> None:
    source = f.input(op, op.input)
    row = shape_of(op.input.type)[-1]
    if row > MAX_ROW:
        raise fail(op, f"a softmax over {row} values is not exact in int8, at most {MAX_ROW} are")
    try:
        params = SoftmaxParams(**softmax_params(source.quantization.scale))
    except ValueError as error:
        raise fail(op, str(error)) from error
    f.finish(op, f.emit(op, qnn.SoftmaxOp(source.value, params)), FIXED_OUTPUT["softmax"])


def convert_pad(f: Folding, op: nn.PadOp) -> None:
    source = f.input(op, op.input)
    q = source.quantization
    value = int(quantize(op.value.value.data, q.scale, q.zero_point))
    f.finish(op, f.emit(op, qnn.PadOp(source.value, value, op.border.data)), q)


def convert_reshape(f: Folding, op: nn.ReshapeOp) -> None:
    source = f.input(op, op.input)
    new = qnn.ReshapeOp(source.value, shape_of(op.result.type))
    f.finish(op, f.emit(op, new), source.quantization)


def convert_transpose(f: Folding, op: nn.TransposeOp) -> None:
    source = f.input(op, op.input)
    new = qnn.TransposeOp(source.value, op.permutation.get_values())
    f.finish(op, f.emit(op, new), source.quantization)


def convert_concat(f: Folding, op: nn.ConcatOp) -> None:
    inputs = [f.input(op, value) for value in op.inputs]
    output = f.output_of(op, default=inputs[0].quantization)
    values = [f.rescaled(op, source, output) for source in inputs]
    new = qnn.ConcatOp(values, op.axis.value.data, int8_type(op.result))
    f.finish(op, f.emit(op, new), output)


CONVERSIONS: dict[type[Operation], Callable[[Folding, Any], None]] = {
    nn.QuantizeOp: convert_quantize,
    nn.DequantizeOp: convert_dequantize,
    nn.Conv2dOp: convert_conv2d,
    nn.DepthwiseConv2dOp: convert_depthwise,
    nn.LinearOp: convert_linear,
    nn.AddOp: convert_add,
    nn.MaxPool2dOp: convert_pool,
    nn.AvgPool2dOp: convert_pool,
    nn.ClampOp: convert_clamp,
    nn.ActivationOp: convert_activation,
    nn.SoftmaxOp: convert_softmax,
    nn.PadOp: convert_pad,
    nn.ReshapeOp: convert_reshape,
    nn.TransposeOp: convert_transpose,
    nn.ConcatOp: convert_concat,
}


def hoist_quantize(block: Block) -> None:
    """Quantize before layers that only move data, unless their input is quantized already.

    A Q/DQ graph that treats max pooling as part of the convolution before it, or a network that
    transposes its input first, quantizes too late for an int8 form of the moving layer.
    """
    pending = [op for op in block.ops if isinstance(op, nn.QuantizeOp)]
    while pending:
        op = pending.pop()
        mover = op.input.owner
        if not isinstance(mover, MOVES_DATA) or op.quantization.data.axis is not None:
            continue
        if isinstance(mover.input.owner, nn.DequantizeOp | nn.ConstantOp):
            continue
        before = nn.QuantizeOp(mover.input, op.quantization.data)
        between = nn.DequantizeOp(before.result, op.quantization.data)
        moved = mover.clone({mover.input: between.result})
        Rewriter.insert_op((before, between, moved), InsertPoint.before(mover))
        op.operands[0] = moved.results[0]
        if not mover.results[0].uses:
            Rewriter.erase_op(mover)
        pending.append(before)


def attach(attributes: ArrayAttr[DictionaryAttr] | None, all: Sequence[Quantization]) -> Attribute:
    """Argument or result attributes with the quantization added and the float range removed."""
    old = [dict(a.data) for a in attributes] if attributes is not None else [{} for _ in all]
    for entry, quantization in zip(old, all, strict=True):
        entry.pop("nn.range", None)
        entry[qnn.QUANTIZATION] = QuantizationAttr(quantization)
    return ArrayAttr([DictionaryAttr(entry) for entry in old])


def fold_function(function: func.FuncOp) -> None:
    """Convert one function with its signature."""
    block = function.body.block
    hoist_quantize(block)
    folding = Folding(block)
    results = folding.run()
    inputs: list[Quantization] = []
    for argument in block.args:
        if argument not in folding.stored:
            raise PassFailedException(
                f"input {argument.index} of the network is not quantized: "
                "give calibration data, or a Q/DQ pair"
            )
        inputs.append(folding.stored[argument].quantization)
    terminator = block.last_op
    assert terminator is not None
    function.function_type = FunctionType.from_lists(
        [argument.type for argument in block.args], [v.type for v in terminator.operands]
    )
    function.properties["arg_attrs"] = attach(function.arg_attrs, inputs)
    function.properties["res_attrs"] = attach(function.res_attrs, results)


@dataclass(frozen=True)
class FoldQdqPass(ModulePass):
    """Replaces every layer and its Q/DQ neighbours by one operation of `qnn`.

    PassFailedException, naming the layer, where a value is not quantized.
    """

    name = "fold-qdq"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and any(
                type(inner) in CONVERSIONS or isinstance(inner, nn.BatchNormOp)
                for inner in function.body.walk()
            ):
                fold_function(function)
