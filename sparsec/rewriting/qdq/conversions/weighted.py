# SPDX-License-Identifier: Apache-2.0
"""How layers with weights become int8."""

from dataclasses import dataclass, replace

import numpy as np
from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn, qnn
from sparsec.ir.layer import layer_of
from sparsec.quantization.params import Requant
from sparsec.quantization.ranges import quantize, quantize_bias
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Quantization
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.folding import Array, Folding, Stored, fail, integer_clamp


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
    """The numbers of a layer with weights: int8 weights, and for each output channel (or for all) what it adds and
    how it is scaled. `names` are those of the four arrays."""

    source: Stored
    weights: Array
    bias: Array
    multiplier: Array
    shift: Array
    names: tuple[str, str, str, str]
    requant: Requant
    output: Quantization

    def operands(
        self, f: Folding, op: Operation
    ) -> tuple[SSAValue, SSAValue, SSAValue, SSAValue, SSAValue]:
        """The operands of the layer in int8."""
        weights, bias, multiplier, shift = (
            f.constant(op, array, name)
            for array, name in zip(
                (self.weights, self.bias, self.multiplier, self.shift), self.names, strict=True
            )
        )
        return self.source.value, weights, bias, multiplier, shift

    def part(self, value: SSAValue, weights: Array, outputs: slice, name: str) -> "Weights":
        """A layer of some of the outputs, with these weights, on `value`; `name` tells its arrays from others."""
        names = tuple(f"{each}.{name}" for each in self.names)
        return replace(
            self,
            source=Stored(value, self.source.quantization),
            weights=weights,
            bias=self.bias[outputs],
            multiplier=self.multiplier[outputs],
            shift=self.shift[outputs],
            names=(names[0], names[1], names[2], names[3]),
        )


def fold_weights(f: Folding, op: nn.WeightedOp, channel_axis: int, expand: bool) -> Weights:
    """The numbers of `op`; `expand` gives a per-tensor scale to each channel."""
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
        source,
        array,
        bias_array,
        multiplier,
        shift,
        (label, bias.name_in_model or f"{layer}.bias", f"{layer}.multiplier", f"{layer}.shift"),
        Requant(source.quantization.zero_point, output.zero_point, integer_clamp(bounds, output)),
        output,
    )


def convert_depthwise(f: Folding, op: nn.DepthwiseConv2dOp) -> None:
    w = fold_weights(f, op, channel_axis=3, expand=True)
    operands = w.operands(f, op)
    new = qnn.DepthwiseConv2dOp(*operands, w.requant, op.window.data, int8_type(op.result))
    f.finish(op, f.emit(op, new), w.output)


def convert_linear(f: Folding, op: nn.LinearOp) -> None:
    w = fold_weights(f, op, channel_axis=0, expand=False)
    new = qnn.LinearOp(*w.operands(f, op), w.requant, int8_type(op.result))
    f.finish(op, f.emit(op, new), w.output)


WEIGHTED: Conversions = {
    nn.DepthwiseConv2dOp: convert_depthwise,
    nn.LinearOp: convert_linear,
}
