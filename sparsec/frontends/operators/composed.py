# SPDX-License-Identifier: Apache-2.0
"""Calls that stand for several operations element by element, made of these."""

from collections.abc import Mapping

import numpy as np

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.operators.elementwise import (
    X,
    applied,
    difference,
    divisor,
    folded,
    operand,
    product,
    reciprocal,
    rounded_quotient,
    scaled,
    summed,
)
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Parameter, Tensor
from sparsec.ir.expression import apply


def floor_divide(builder: Builder, call: Call) -> Tensor:
    """The largest whole number not above the quotient."""
    return rounded_quotient(builder, operand(call, "self"), operand(call, "other"), "floor")


def remainder(rounding: str) -> Operator:
    """What a quotient that is rounded leaves."""

    def build(builder: Builder, call: Call) -> Tensor:
        value = operand(call, "self")
        number = divisor(operand(call, "other"), value)
        whole = apply("*", apply(rounding, apply("/", X, number)), number)
        return applied(builder, value, apply("-", X, whole))

    return build


def add_product(builder: Builder, call: Call) -> Tensor:
    """self + value * tensor1 * tensor2."""
    factors = product_of(builder, operand(call, "tensor1"), operand(call, "tensor2"))
    return total(builder, operand(call, "self"), scaled(builder, factors, call.number("value", 1)))


def add_quotient(builder: Builder, call: Call) -> Tensor:
    """self + value * tensor1 / tensor2."""
    inverse = reciprocal(builder, operand(call, "tensor2"))
    quotient = product_of(builder, operand(call, "tensor1"), inverse)
    return total(builder, operand(call, "self"), scaled(builder, quotient, call.number("value", 1)))


def interpolate(builder: Builder, call: Call) -> Tensor:
    """self + weight * (end - self)."""
    start, end, weight = (operand(call, name) for name in ("self", "end", "weight"))
    if isinstance(start, Parameter) and isinstance(end, Parameter):
        way: Tensor = folded(np.subtract, end, start)
    else:
        way = difference(builder, end, start, 1)
    return total(builder, start, product_of(builder, way, weight))


def product_of(builder: Builder, left: Tensor, right: Tensor) -> Tensor:
    """left * right, of any two tensors."""
    if isinstance(left, Parameter) and isinstance(right, Parameter):
        return folded(np.multiply, left, right)
    return product(builder, left, right)


def total(builder: Builder, left: Tensor, right: Tensor) -> Tensor:
    """left + right, of any two tensors."""
    if isinstance(left, Parameter) and isinstance(right, Parameter):
        return folded(np.add, left, right)
    return summed(builder, left, right)


COMPOSED: Mapping[str, Operator] = {
    "aten.floor_divide": floor_divide,
    "aten.remainder": remainder("floor"),
    "aten.fmod": remainder("trunc"),
    "aten.addcmul": add_product,
    "aten.addcdiv": add_quotient,
    "aten.lerp": interpolate,
}
