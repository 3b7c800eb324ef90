# SPDX-License-Identifier: Apache-2.0
"""How layers with weights become int8."""

from dataclasses import dataclass

import numpy as np
from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn, qnn
from sparsec.ir.layer import layer_of
from sparsec.quantization.params import Requant
from sparsec.quantization.ranges import quantize, quantize_bias
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Quantization
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.folding import Array, Folding, fail, integer_clamp


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


WEIGHTED: Conversions = {
    nn.Conv2dOp: convert_conv2d,
    nn.DepthwiseConv2dOp: convert_depthwise,
    nn.LinearOp: convert_linear,
}
