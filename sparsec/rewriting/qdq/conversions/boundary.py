# SPDX-License-Identifier: Apache-2.0
"""How quantize and dequantize become int8, and images of bytes."""

from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import Block
from xdsl.rewriter import Rewriter

from sparsec.ir import nn, qnn
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.quantization.scheme import Quantization
from sparsec.rewriting.qdq.conversions.signature import Conversions
from sparsec.rewriting.qdq.folding import Folding, Stored, fail


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


BYTES = Quantization((1.0,), -128)
"""Of an image of bytes: each is its number."""


def convert_from_uint8(f: Folding, op: nn.FromUint8Op) -> None:
    source, output = f.input(op, op.input), f.output_of(op, default=BYTES)
    stored = Stored(f.emit(op, qnn.FromUint8Op(source.value)), BYTES)
    f.finish(op, f.rescaled(op, stored, output), output)


def is_weight(op: nn.DequantizeOp) -> bool:
    """Whether only layers with weights use this value, as their weights."""
    return all(
        isinstance(use.operation, nn.WeightedOp) and use.index == 1 for use in op.result.uses
    )


BOUNDARY: Conversions = {
    nn.QuantizeOp: convert_quantize,
    nn.DequantizeOp: convert_dequantize,
    nn.FromUint8Op: convert_from_uint8,
}
