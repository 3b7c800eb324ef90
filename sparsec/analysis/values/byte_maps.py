# SPDX-License-Identifier: Apache-2.0
"""Operations of `qnn` that map each byte of one tensor to a byte of the result.

The rule: a map is its 256 results, so that what one or two of them do is known exactly.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Operation, SSAValue

from sparsec.analysis.values.elementwise import BYTES, PairOp, compute, operands_of, tables
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.qnn.elementwise import ElementwiseOp, SumOp
from sparsec.quantization import int8
from sparsec.quantization.params import FULL_RANGE, Clamp, Rescale

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ByteMap:
    """`table` int8[256] is what an operation gives for -128 to 127 in `source`, as far as they occur."""

    source: SSAValue
    table: Array


def byte_map(op: Operation) -> ByteMap | None:
    """The map that `op` is, if it is one: a table, a rescale, or a pair with one number or itself."""
    match op:
        case qnn.RescaleOp():
            return ByteMap(op.input, rescale_table(op.params.data))
        case qnn.LookupOp():
            table = constant_array(op.table)
            return None if table is None else ByteMap(op.input, table)
        case qnn.AddOp() | ElementwiseOp() | qnn.PreluOp():
            return _pair_map(op)
        case _:
            return None


def _pair_map(op: PairOp) -> ByteMap | None:
    lhs, rhs = operands_of(op)
    if lhs is rhs:
        return ByteMap(lhs, compute(op, BYTES, BYTES))
    for source in (lhs, rhs):
        known = None if source.type != op.result.type else tables(op, source)
        if known is None:
            continue
        low, high = clamp_of(source)
        seen = known[0][:, low + 128 : high + 129]
        if (seen == seen[0]).all():
            return ByteMap(source, known[0][0])
    return None


def rescale_table(p: Rescale) -> Array:
    """What a rescale gives for -128 to 127."""
    return int8.requantize_tensor(
        BYTES,
        input_zp=p.input_zp,
        multiplier=p.multiplier,
        shift=p.shift,
        output_zp=p.output_zp,
        clamp=p.clamp,
    )


def clamp_of(value: SSAValue) -> Clamp:
    """The lowest and highest value that the operation behind `value` can give."""
    while isinstance(
        value.owner,
        qnn.ReshapeOp
        | qnn.TransposeOp
        | qnn.SliceOp
        | qnn.ResizeNearestOp
        | qnn.GatherOp
        | qnn.ReduceExtremeOp,
    ):
        value = value.owner.input
    match value.owner:
        case qnn.WeightedOp() | qnn.Pool2dOp() as op:
            return op.requant.data.clamp
        case (
            qnn.AddOp()
            | SumOp()
            | qnn.MulOp()
            | qnn.PreluOp()
            | qnn.RescaleOp()
            | qnn.MeanOp()
            | qnn.NormalizeOp()
            | qnn.ResampleOp()
        ) as op:
            return op.params.data.clamp
        case qnn.LookupOp() as op if (table := constant_array(op.table)) is not None:
            return int(table.min()), int(table.max())
        case qnn.MaximumOp() as op if (bounds := _bounds(op)) is not None:
            return bounds[0], 127
        case qnn.MinimumOp() as op if (bounds := _bounds(op)) is not None:
            return -128, bounds[1]
        case _:
            return FULL_RANGE


def _bounds(op: qnn.MaximumOp | qnn.MinimumOp) -> Clamp | None:
    """Of the constant operand."""
    for value in (op.lhs, op.rhs):
        array = constant_array(value)
        if array is not None:
            return int(array.min()), int(array.max())
    return None
