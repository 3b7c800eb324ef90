# SPDX-License-Identifier: Apache-2.0
"""How functions of each value on its own, and softmax become int8."""

import numpy as np
from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn, qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.expression import COMPARISONS, Apply, Number, Term, Variable, evaluate
from sparsec.ir.layer import layer_of
from sparsec.quantization.int8 import lookup_table, softmax_params
from sparsec.quantization.params import FULL_RANGE, SoftmaxParams
from sparsec.quantization.scheme import FIXED_SCALES, Quantization
from sparsec.rewriting.qdq.conversions.signature import Conversions
from sparsec.rewriting.qdq.folding import Folding, fail, rescaling

TRUTH = Quantization((1.0,), 0)
"""Of comparisons, which give 0 or 1."""
FIXED_OUTPUT = {**FIXED_SCALES, **dict.fromkeys(COMPARISONS, TRUTH)}
"""Functions whose results always have the same quantization."""


def fixed_output(op: nn.ActivationOp) -> Quantization | None:
    """What the result of `op` is always quantized as; None if that depends on its range."""
    term = op.term
    return FIXED_OUTPUT.get(term.name) if isinstance(term, Apply) else None


def line_of(term: Term) -> tuple[float, float] | None:
    """(a, b) where the function is a * x + b, else None."""
    match term:
        case Variable():
            return 1.0, 0.0
        case Number(value):
            return 0.0, value
        case Apply("+" | "-" | "*" | "/" as sign, (left, right)):
            return _line(sign, line_of(left), line_of(right))
        case _:
            return None


def _line(
    sign: str, left: tuple[float, float] | None, right: tuple[float, float] | None
) -> tuple[float, float] | None:
    if left is None or right is None:
        return None
    (a, b), (c, d) = left, right
    match sign:
        case "+":
            return a + c, b + d
        case "-":
            return a - c, b - d
        case "*" if a == 0 or c == 0:
            return a * d + c * b, b * d
        case "/" if c == 0 and d != 0:
            return a / d, b / d
        case _:
            return None


def carried(quantization: Quantization, term: Term) -> Quantization | None:
    """The quantization in which the int8 numbers of an operand are those of `term` of it too.

    None where there is none: `term` is no rising line, or its zero is not among the numbers of int8.
    """
    line = line_of(term)
    if line is None or not line[0] > 0:
        return None
    scale = float(np.float32(quantization.scale * line[0]))
    zero_point = round(quantization.zero_point - line[1] / scale)
    return Quantization((scale,), zero_point) if -128 <= zero_point <= 127 else None


def convert_clamp(f: Folding, op: nn.ClampOp) -> None:
    source = f.input(op, op.input)
    output = f.output_of(op, default=source.quantization)
    params = rescaling(source.quantization, output, op.bounds.data)
    if output == source.quantization and params.clamp == FULL_RANGE:
        f.finish(op, source.value, output)  # the bounds lie outside of what int8 holds
        return
    f.finish(op, f.emit(op, qnn.RescaleOp(source.value, params)), output)


def convert_activation(f: Folding, op: nn.ActivationOp) -> None:
    source = f.input(op, op.input)
    output = f.output_of(op, default=fixed_output(op))
    q, term = source.quantization, op.term
    if output == carried(q, term):
        f.finish(op, source.value, output)
        return
    try:
        table = lookup_table(
            lambda x: evaluate(term, x), q.scale, q.zero_point, output.scale, output.zero_point
        )
    except ValueError as error:
        raise fail(op, str(error)) from error
    constant = f.constant(op, table, f"{layer_of(op)}.table")
    f.finish(op, f.emit(op, qnn.LookupOp(source.value, constant)), output)


def convert_softmax(f: Folding, op: nn.SoftmaxOp | nn.MaskedSoftmaxOp) -> None:
    source = f.input(op, op.input)
    try:
        params = SoftmaxParams(**softmax_params(source.quantization.scale))
    except ValueError as error:
        raise fail(op, str(error)) from error
    if isinstance(op, nn.SoftmaxOp):
        new: Operation = qnn.SoftmaxOp(source.value, params)
    else:
        new = qnn.MaskedSoftmaxOp(source.value, mask_of(f, op), params)
    f.finish(op, f.emit(op, new), FIXED_OUTPUT["softmax"])


def mask_of(f: Folding, op: nn.MaskedSoftmaxOp) -> SSAValue:
    array = constant_array(op.mask)
    if array is None:
        raise fail(op, "its mask is not constant")
    return f.constant(op, array, f"{layer_of(op)}.mask")


ACTIVATION: Conversions = {
    nn.ClampOp: convert_clamp,
    nn.ActivationOp: convert_activation,
    nn.SoftmaxOp: convert_softmax,
    nn.MaskedSoftmaxOp: convert_softmax,
}
