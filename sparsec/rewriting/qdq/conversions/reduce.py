# SPDX-License-Identifier: Apache-2.0
"""How reductions become int8."""

from sparsec.ir import nn, qnn
from sparsec.ir.shapes import MAX_MEAN, reduction, shape_of
from sparsec.quantization.params import Rescale
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import AS_THEY_ARE
from sparsec.rewriting.qdq.conversions.elementwise import TOO_FINE
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.folding import Folding, fail

INT32_LIMIT = 2**31


def convert_sum(f: Folding, op: nn.MeanOp | nn.SumOp) -> None:
    source, output = f.input(op, op.input), f.output_of(op)
    _, count, _ = reduction(op.input.type, op.result.type)
    if count > MAX_MEAN:
        raise fail(op, f"it reduces {count} values, at most {MAX_MEAN} are possible")
    divisor = count if isinstance(op, nn.MeanOp) else 1
    q = source.quantization
    try:
        multiplier, shift = quantize_multiplier(q.scale / (output.scale * divisor))
        params = Rescale(q.zero_point, multiplier, shift, output.zero_point)
    except ValueError as error:
        raise fail(op, TOO_FINE) from error
    if 255 * count << max(shift, 0) >= INT32_LIMIT:  # the sum, shifted, could leave int32
        raise fail(op, TOO_FINE)
    f.finish(op, f.emit(op, qnn.MeanOp(source.value, params, int8_type(op.result))), output)


def convert_extreme(f: Folding, op: nn.ReduceMaxOp | nn.ReduceMinOp) -> None:
    source = f.input(op, op.input)
    make = qnn.ReduceMaxOp if isinstance(op, nn.ReduceMaxOp) else qnn.ReduceMinOp
    new = make(source.value, int8_type(op.result))
    f.finish(op, f.emit(op, new), source.quantization)


def convert_arg(f: Folding, op: nn.ArgMaxOp | nn.ArgMinOp) -> None:
    source = f.input(op, op.input)
    make = qnn.ArgMaxOp if isinstance(op, nn.ArgMaxOp) else qnn.ArgMinOp
    f.finish(op, f.emit(op, make(source.value, shape_of(op.result.type))), AS_THEY_ARE)


REDUCE: Conversions = {
    nn.MeanOp: convert_sum,
    nn.SumOp: convert_sum,
    nn.ReduceMaxOp: convert_extreme,
    nn.ReduceMinOp: convert_extreme,
    nn.ArgMaxOp: convert_arg,
    nn.ArgMinOp: convert_arg,
}
