# SPDX-License-Identifier: Apache-2.0
"""How functions of each value on its own, and softmax become int8."""

from sparsec.ir import nn, qnn
from sparsec.ir.expression import COMPARISONS, Apply, evaluate
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.quantization.int8 import lookup_table, softmax_params
from sparsec.quantization.params import FULL_RANGE, SoftmaxParams
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.softmax import MAX_ROW
from sparsec.rewriting.qdq.conversions.signature import Conversions
from sparsec.rewriting.qdq.folding import Folding, fail, rescaling

UNIT_INTERVAL = Quantization((1 / 256,), -128)
SIGNED_UNIT_INTERVAL = Quantization((1 / 128,), 0)
TRUTH = Quantization((1.0,), 0)
"""Of comparisons, which give 0 or 1."""
FIXED_OUTPUT = {
    "softmax": UNIT_INTERVAL,
    "sigmoid": UNIT_INTERVAL,
    "hardsigmoid": UNIT_INTERVAL,
    "tanh": SIGNED_UNIT_INTERVAL,
    **dict.fromkeys(COMPARISONS, TRUTH),
}
"""Functions whose results always have the same range, with TFLite's quantization of it."""


def fixed_output(op: nn.ActivationOp) -> Quantization | None:
    """What the result of `op` is always quantized as; None if that depends on its range."""
    term = op.term
    return FIXED_OUTPUT.get(term.name) if isinstance(term, Apply) else None


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
    try:
        table = lookup_table(
            lambda x: evaluate(term, x), q.scale, q.zero_point, output.scale, output.zero_point
        )
    except ValueError as error:
        raise fail(op, str(error)) from error
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


ACTIVATION: Conversions = {
    nn.ClampOp: convert_clamp,
    nn.ActivationOp: convert_activation,
    nn.SoftmaxOp: convert_softmax,
}
