# SPDX-License-Identifier: Apache-2.0
"""Values as functions, element by element, of the tensor they come from."""

from dataclasses import dataclass
from math import isfinite

from xdsl.ir import SSAValue

from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.expression import Number, Term, Variable, apply
from sparsec.quantization.scheme import Bounds

X = Variable()


@dataclass(frozen=True)
class FunctionOf:
    """A value as a function of each element of `source`; without one it is a number."""

    source: SSAValue | None
    term: Term


def clamped(term: Term, bounds: Bounds | None) -> Term:
    """`term` within `bounds`."""
    if bounds is None:
        return term
    if isfinite(bounds.min) and isfinite(bounds.max):
        return apply("clamp", term, bounds.min, bounds.max)
    if isfinite(bounds.min):
        return apply("maximum", term, bounds.min)
    return apply("minimum", term, bounds.max) if isfinite(bounds.max) else term


def function_of(value: SSAValue) -> FunctionOf:
    """What `value` is, as far as it comes from one tensor."""
    array = constant_array(value)
    if array is not None and array.size == 1:
        return FunctionOf(None, Number(float(array.item())))
    match value.owner:
        case nn.ActivationOp() as op:
            return FunctionOf(op.input, op.term)
        case nn.ClampOp() as op:
            return FunctionOf(op.input, clamped(X, op.bounds.data))
        case _:
            return FunctionOf(value, X)
