# SPDX-License-Identifier: Apache-2.0
"""How functions of two tensors become int8."""

from xdsl.ir import Operation

from sparsec.ir import nn, qnn
from sparsec.ir.shapes import shape_of
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams, MulParams, PreluParams
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Bounds, Quantization
from sparsec.rewriting.qdq.conversions.activation import TRUTH
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.folding import Folding, fail, integer_clamp

TOO_FINE = (
    "the range of its result is too small for those of its inputs: calibrate with other inputs or, "
    "where it divides, keep the divisor away from 0"
)


def bounds_of(op: nn.ArithmeticOp) -> Bounds | None:
    return op.bounds.data if op.bounds is not None else None


def sum_params(
    op: nn.ArithmeticOp, lhs: Quantization, rhs: Quantization, output: Quantization
) -> AddParams:
    """The numbers of a sum or a difference."""
    try:
        numbers = add_params(lhs.scale, rhs.scale, output.scale)
    except ValueError as error:
        raise fail(op, TOO_FINE) from error
    if numbers["output_shift"] > 0:  # the sum, shifted, could leave int32
        raise fail(op, TOO_FINE)
    return AddParams(
        input1_zp=lhs.zero_point,
        input2_zp=rhs.zero_point,
        output_zp=output.zero_point,
        clamp=integer_clamp(bounds_of(op), output),
        **numbers,
    )


def convert_sum(f: Folding, op: nn.AddOp | nn.SubOp) -> None:
    lhs, rhs, output = f.input(op, op.lhs), f.input(op, op.rhs), f.output_of(op)
    params = sum_params(op, lhs.quantization, rhs.quantization, output)
    whole = shape_of(op.lhs.type) == shape_of(op.rhs.type)
    if isinstance(op, nn.AddOp) and whole:
        new: Operation = qnn.AddOp(lhs.value, rhs.value, params)
    else:
        make = qnn.BroadcastAddOp if isinstance(op, nn.AddOp) else qnn.SubOp
        new = make(lhs.value, rhs.value, params, int8_type(op.result))
    f.finish(op, f.emit(op, new), output)


def product_scale(op: Operation, scale: float) -> tuple[int, int]:
    """Multiplier and shift of a product. PassFailedException where its result is too fine for it."""
    try:
        multiplier, shift = quantize_multiplier(scale)
        MulParams(0, 0, multiplier, shift, 0)
    except ValueError as error:
        raise fail(op, TOO_FINE) from error
    return multiplier, shift


def convert_mul(f: Folding, op: nn.MulOp) -> None:
    lhs, rhs, output = f.input(op, op.lhs), f.input(op, op.rhs), f.output_of(op)
    q1, q2 = lhs.quantization, rhs.quantization
    params = MulParams(
        q1.zero_point,
        q2.zero_point,
        *product_scale(op, q1.scale * q2.scale / output.scale),
        output.zero_point,
        integer_clamp(bounds_of(op), output),
    )
    f.finish(op, f.emit(op, qnn.MulOp(lhs.value, rhs.value, params, int8_type(op.result))), output)


def convert_extreme(f: Folding, op: nn.MaximumOp | nn.MinimumOp) -> None:
    lhs, rhs = f.input(op, op.lhs), f.input(op, op.rhs)
    output = f.output_of(op, default=lhs.quantization)
    values = [f.rescaled(op, source, output) for source in (lhs, rhs)]
    make = qnn.MaximumOp if isinstance(op, nn.MaximumOp) else qnn.MinimumOp
    f.finish(op, f.emit(op, make(values[0], values[1], int8_type(op.result))), output)


def convert_select(f: Folding, op: nn.SelectOp) -> None:
    lhs, rhs = f.input(op, op.lhs), f.input(op, op.rhs)
    output = f.output_of(op, default=lhs.quantization)
    # What stands for 0 is 0.
    mask = f.rescaled(op, f.input(op, op.mask), TRUTH)
    first, second = (f.rescaled(op, source, output) for source in (lhs, rhs))
    new = qnn.SelectOp(mask, first, second, int8_type(op.result))
    f.finish(op, f.emit(op, new), output)


def convert_prelu(f: Folding, op: nn.PreluOp) -> None:
    source, alpha, output = f.input(op, op.input), f.input(op, op.alpha), f.output_of(op)
    q, slopes = source.quantization, alpha.quantization
    params = PreluParams(
        q.zero_point,
        slopes.zero_point,
        *product_scale(op, q.scale / output.scale),
        *product_scale(op, q.scale * slopes.scale / output.scale),
        output.zero_point,
    )
    f.finish(op, f.emit(op, qnn.PreluOp(source.value, alpha.value, params)), output)


ELEMENTWISE: Conversions = {
    nn.AddOp: convert_sum,
    nn.SubOp: convert_sum,
    nn.MulOp: convert_mul,
    nn.MaximumOp: convert_extreme,
    nn.MinimumOp: convert_extreme,
    nn.PreluOp: convert_prelu,
    nn.SelectOp: convert_select,
}
