# SPDX-License-Identifier: Apache-2.0
"""Einstein sums of one or two tensors, as products of matrices.

The one rule: letters of both operands and of the result number the matrices, those of both operands alone are summed over.
"""

from collections.abc import Mapping, Sequence
from math import prod

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.attention import product_of
from sparsec.frontends.operators.shape import permuted, reshaped
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Parameter, Tensor


def letters_of(equation: str, count: int) -> tuple[list[str], str]:
    """The letters of each of `count` operands, and those of the result."""
    given, _, result = equation.replace(" ", "").partition("->")
    operands = given.split(",")
    plain = all(each.isalpha() for each in (*operands, result))
    repeated = any(len(set(each)) < len(each) for each in (*operands, result))
    if "->" not in equation or not plain or repeated or len(operands) != count:
        raise UnsupportedError(f"an einsum of '{equation}'")
    return operands, result


def ordered(value: Tensor, letters: str, wanted: str) -> Tensor:
    """`value` with the axes of `letters` as `wanted`."""
    return permuted(value, [letters.index(letter) for letter in wanted])


def einsum(builder: Builder, call: Call) -> Tensor:
    """einsum of one tensor, which orders its axes, or of two."""
    operands, equation = call.tensors("tensors"), call.text("equation")
    letters, result = letters_of(equation, len(operands))
    if len(operands) == 1 and sorted(letters[0]) == sorted(result):
        return ordered(operands[0], letters[0], result)
    if len(operands) != 2:
        raise UnsupportedError(f"an einsum of '{equation}'")
    (left, right), (first, second) = operands, letters
    if isinstance(left, Parameter):
        left, right, first, second = right, left, second, first
    both = [letter for letter in result if letter in first and letter in second]
    summed = [letter for letter in first if letter in second and letter not in result]
    rows = [letter for letter in result if letter in first and letter not in second]
    columns = [letter for letter in result if letter in second and letter not in first]
    if {*first, *second} != {*both, *summed, *rows, *columns} or not summed:
        raise UnsupportedError(f"an einsum of '{equation}' adds up more than products")
    size = {
        **dict(zip(first, left.shape, strict=True)),
        **dict(zip(second, right.shape, strict=True)),
    }

    def sizes(names: Sequence[str]) -> list[int]:
        return [size[name] for name in names]

    # Rows of a product with weights may have any number of axes: the batch stays one of its own.
    shown = sizes(rows) if isinstance(right, Parameter) and not both else [prod(sizes(rows))]
    batch, depth = sizes(both), prod(sizes(summed))
    left = ordered(left, first, "".join((*both, *rows, *summed)))
    right = ordered(right, second, "".join((*both, *summed, *columns)))
    found = product_of(
        builder,
        reshaped(builder, left, (*batch, *shown, depth)),
        reshaped(builder, right, (*batch, depth, prod(sizes(columns)))),
    )
    names = "".join((*both, *rows, *columns))
    return ordered(reshaped(builder, found, sizes(list(names))), names, result)


EINSUM: Mapping[str, Operator] = {"aten.einsum": einsum}
