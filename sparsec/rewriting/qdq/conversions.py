# SPDX-License-Identifier: Apache-2.0
"""How each operation of `nn` becomes int8: one function and one entry of `CONVERSIONS` for each.

A multiplier is a ratio of scales in float64, split into mantissa and shift; a bias is rounded to
int32 at the scale input * weight.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from sparsec.ir import nn, qnn
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.quantization.functions import FUNCTIONS
from sparsec.quantization.int8 import add_params, lookup_table, softmax_params
from sparsec.quantization.params import FULL_RANGE, AddParams, Requant, SoftmaxParams
from sparsec.quantization.ranges import quantize, quantize_bias
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.softmax import MAX_ROW
from sparsec.rewriting.qdq.folding import Array, Folding, Stored, fail, integer_clamp, rescaling

UNIT_INTERVAL = Quantization((1 / 256,), -128)
SIGNED_UNIT_INTERVAL = Quantization((1 / 128,), 0)
FIXED_OUTPUT = {
    "softmax": UNIT_INTERVAL,
    "sigmoid": UNIT_INTERVAL,
    "hardsigmoid": UNIT_INTERVAL,
    "tanh": SIGNED_UNIT_INTERVAL,
}
"""Functions whose results always have the same range, with TFLite's quantization of it."""


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
    if output == source.quantization and params.clamp == FULL_RANGE:
        f.finish(op, source.value, output)  # the bounds lie outside of what int8 holds
        return
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
