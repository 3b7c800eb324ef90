# SPDX-License-Identifier: Apache-2.0
"""How layers that move elements become int8."""

from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn, qnn
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.quantization.ranges import quantize
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.folding import Folding, fail


def convert_slice(f: Folding, op: nn.SliceOp) -> None:
    source = f.input(op, op.input)
    new = qnn.SliceOp(source.value, op.where.data, shape_of(op.result.type))
    f.finish(op, f.emit(op, new), source.quantization)


def index_constant(f: Folding, op: Operation, value: SSAValue) -> SSAValue:
    """The same constant of integers."""
    constant = value.owner
    if not isinstance(constant, nn.ConstantOp):
        raise fail(op, "its indices are not constant")
    return f.constant(op, constant.array, constant.name_in_model or f"{layer_of(op)}.indices")


def convert_resize_nearest(f: Folding, op: nn.ResizeNearestOp) -> None:
    source = f.input(op, op.input)
    rows, columns = (index_constant(f, op, value) for value in (op.rows, op.columns))
    new = qnn.ResizeNearestOp(source.value, rows, columns)
    f.finish(op, f.emit(op, new), source.quantization)


def convert_gather(f: Folding, op: nn.GatherOp) -> None:
    source = f.input(op, op.input)
    new = qnn.GatherOp(source.value, index_constant(f, op, op.indices), op.axis.value.data)
    f.finish(op, f.emit(op, new), source.quantization)


def convert_embedding(f: Folding, op: nn.EmbeddingOp) -> None:
    table, indices = f.input(op, op.input), f.input(op, op.indices)
    new = qnn.EmbeddingOp(table.value, indices.value)
    f.finish(op, f.emit(op, new), table.quantization)


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


MOVEMENT: Conversions = {
    nn.SliceOp: convert_slice,
    nn.ResizeNearestOp: convert_resize_nearest,
    nn.GatherOp: convert_gather,
    nn.EmbeddingOp: convert_embedding,
    nn.PadOp: convert_pad,
    nn.ReshapeOp: convert_reshape,
    nn.TransposeOp: convert_transpose,
    nn.ConcatOp: convert_concat,
}
