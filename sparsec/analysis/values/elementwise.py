# SPDX-License-Identifier: Apache-2.0
"""Operations of `qnn` on two tensors element by element: what they compute and how far it reaches.

The rule: every value comes from the oracle's own functions, so that a bound or a table is exact.
"""

from itertools import product
from math import prod
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import SSAValue

from sparsec.analysis.values.weighted_layer import Mask
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.qnn.elementwise import ElementwiseOp, SumOp
from sparsec.ir.shapes import shape_of
from sparsec.quantization import elementwise
from sparsec.quantization.params import AddParams
from sparsec.quantization.requantize import Q31_MAX

Array: TypeAlias = np.ndarray[Any, Any]
PairOp: TypeAlias = qnn.AddOp | ElementwiseOp | qnn.PreluOp
"""Their operands broadcast."""

BYTES: Array = np.arange(-128, 128).astype(np.int8)


def operands_of(op: PairOp) -> tuple[SSAValue, SSAValue]:
    """The two operands, in order."""
    return (op.input, op.alpha) if isinstance(op, qnn.PreluOp) else (op.lhs, op.rhs)


def compute(op: PairOp, a: Array, b: Array) -> Array:
    """The result for operands that numpy broadcasts."""
    match op:
        case qnn.AddOp():
            return elementwise.add(a, b, op.params.data)
        case SumOp():
            return elementwise.add(a, b, op.params.data, op.SIGN)
        case qnn.MulOp():
            return elementwise.multiply(a, b, op.params.data)
        case qnn.PreluOp():
            return elementwise.prelu(a, b, op.params.data)
        case qnn.MaximumOp():
            return np.maximum(a, b)
        case qnn.MinimumOp():
            return np.minimum(a, b)
        case _:
            raise ValueError(f"{op.name} is not known element by element")


def is_monotone(op: PairOp) -> bool:
    """Whether no number can leave int32, so that the result rises or falls with each operand.

    For `qnn.prelu`, on either side of the zero point.
    """
    match op:
        case qnn.AddOp() | SumOp():
            return _sum_fits(op.params.data)
        case qnn.MulOp():
            return op.params.data.multiplier >= 0
        case qnn.PreluOp():
            return min(op.params.data.multiplier, op.params.data.alpha_multiplier) >= 0
        case _:
            return True


def _sum_fits(p: AddParams) -> bool:
    term1, term2 = (
        (255 << p.left_shift) << max(shift, 0) for shift in (p.input1_shift, p.input2_shift)
    )
    multipliers = (p.input1_multiplier, p.input2_multiplier, p.output_multiplier)
    return (term1 + term2) << max(p.output_shift, 0) <= Q31_MAX and min(multipliers) >= 0


def extremes(
    op: PairOp, a: tuple[Array, Array], b: tuple[Array, Array]
) -> tuple[Array, Array] | None:
    """The lowest and highest results for operands between (low, high); None if nothing is known.

    A function that rises or falls with each operand has its extremes at the corners.
    """
    if not is_monotone(op):
        return None
    values = list(a)
    if isinstance(op, qnn.PreluOp):  # its two halves meet at the zero point
        values.append(np.clip(np.full_like(a[0], op.params.data.input_zp), *a))
    results = np.stack([compute(op, x, y) for x, y in product(values, b)])
    return results.min(axis=0), results.max(axis=0)


def tables(op: PairOp, source: SSAValue) -> tuple[Array, Array] | None:
    """int8[V, 256] and the row for each element of the constant that `source` meets.

    Each row is what `op` gives for -128 to 127 in `source`. None without a constant.
    """
    lhs, rhs = operands_of(op)
    constant = constant_array(rhs if source is lhs else lhs)
    if lhs is rhs or constant is None:
        return None
    values, rows = np.unique(constant, return_inverse=True)
    column = values[:, np.newaxis]
    found = compute(op, BYTES, column) if source is lhs else compute(op, column, BYTES)
    return found, rows.reshape(constant.shape)


def reads(op: PairOp, source: SSAValue, wanted: Mask) -> Mask:
    """Which elements of `source` the `wanted` results depend on."""
    known = tables(op, source)
    if known is not None:
        found, rows = known
        wanted = wanted & (found != found[:, :1]).any(axis=1)[rows]
    shape = shape_of(source.type)
    places = np.broadcast_to(np.arange(prod(shape)).reshape(shape), wanted.shape)
    read = np.zeros(shape, np.bool_)
    read.reshape(-1)[places[wanted]] = True
    return read
