# SPDX-License-Identifier: Apache-2.0
"""Numbers that a model computes from its shapes: every shape is known, so they are known too."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.signature import Operator


def size(builder: Builder, call: Call) -> object:
    """One size of a tensor, or all of them."""
    shape = call.tensor("self").shape
    return shape[call.integer("dim")] if call.given("dim") else list(shape)


def number_of_elements(builder: Builder, call: Call) -> object:
    """numel."""
    result = 1
    for n in call.tensor("self").shape:
        result *= n
    return result


def _floor_divided(a: float, b: float) -> float:
    return a // b


def _remainder(a: float, b: float) -> float:
    return a % b


def of_numbers(function: Callable[..., Any]) -> Operator:
    """An operator on Python numbers."""

    def build(builder: Builder, call: Call) -> object:
        values = list(call.arguments.values())
        if not all(isinstance(value, int | float) for value in values):
            raise UnsupportedError("arithmetic on something other than numbers")
        return cast(object, function(*values))

    return build


def get_item(builder: Builder, call: Call) -> object:
    """One of several results."""
    values, index = list(call.arguments.values())
    if not isinstance(index, int) or not isinstance(values, list):
        raise UnsupportedError("an index into something other than a list")
    return cast(list[object], values)[index]


def nothing(builder: Builder, call: Call) -> object:
    """A check that holds, as every shape is known."""
    return None


SCALAR: Mapping[str, Operator] = {
    "aten.sym_size": size,
    "aten.sym_numel": number_of_elements,
    "aten.sym_constrain_range": nothing,
    "aten.sym_constrain_range_for_size": nothing,
    "aten._assert_scalar": nothing,
    "aten._assert_tensor_metadata": nothing,
    "_operator.getitem": get_item,
    "_operator.add": of_numbers(operator.add),
    "_operator.sub": of_numbers(operator.sub),
    "_operator.mul": of_numbers(operator.mul),
    "_operator.floordiv": of_numbers(_floor_divided),
    "_operator.mod": of_numbers(_remainder),
    "_operator.neg": of_numbers(operator.neg),
    "_operator.eq": of_numbers(operator.eq),
    "_operator.ne": of_numbers(operator.ne),
    "_operator.lt": of_numbers(operator.lt),
    "_operator.le": of_numbers(operator.le),
    "_operator.gt": of_numbers(operator.gt),
    "_operator.ge": of_numbers(operator.ge),
}
