# SPDX-License-Identifier: Apache-2.0
"""What products of two matrices that are computed mean, and attention, as `qnn` and as kernel calls."""

from math import prod
from typing import Any, TypeAlias

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters.kernels import spoil, store
from sparsec.ir import qnn, rt
from sparsec.ir.shapes import shape_of
from sparsec.quantization.attention import HIDDEN, attention, place_results
from sparsec.quantization.matmul import MatmulParams, matmul
from sparsec.quantization.softmax import exponentials, softmax_by

Array: TypeAlias = np.ndarray[Any, Any]


def product(
    lhs: Array,
    rhs: Array,
    transposed: tuple[bool, bool],
    p: MatmulParams,
    addend: Array | None = None,
) -> Array:
    """The products of matrices that may lie transposed."""
    left, right = (
        array.swapaxes(-1, -2) if flag else array
        for array, flag in zip((lhs, rhs), transposed, strict=True)
    )
    return matmul(left, right, p, addend)


@register_impls
class MatmulFunctions(InterpreterFunctions):
    """A leading 1 in the types of `qnn` stands for any batch."""

    @impl(qnn.MatmulOp)
    def matmul(self, _: Interpreter, op: qnn.MatmulOp, args: PythonValues) -> PythonValues:
        addend = None if op.addend is None else args[2]
        return (product(args[0], args[1], op.transposed, op.params.data, addend),)

    @impl(rt.BatchMatmulOp)
    def batch_matmul_s8(
        self, _: Interpreter, op: rt.BatchMatmulOp, args: PythonValues
    ) -> PythonValues:
        lhs, rhs, output, *scratch = args
        spoil(scratch)
        return store(output, product(lhs, rhs, op.transposed, op.params.data), scratch)

    @impl(qnn.AttentionOp)
    def attention(self, _: Interpreter, op: qnn.AttentionOp, args: PythonValues) -> PythonValues:
        query, key, value, *mask = args
        p = op.softmax.data
        a, table = op.over.data, exponentials(p.multiplier, p.shift, p.diff_min)
        tensors = [
            array.reshape(-1, prod(shape_of(operand.type)))
            for array, operand in zip((query, key, value), op.operands, strict=False)
        ]
        seen = mask[0] if mask else None
        found = attention(tensors, seen, a, op.scores.data, table, op.values.data)
        shape = shape_of(op.result.type)
        results = np.concatenate([place_results(each, a).reshape(shape) for each in found])
        return (results if shape[:1] == (1,) else results.reshape(shape),)

    @impl(rt.MaskedSoftmaxOp)
    def masked_softmax_s8(
        self, _: Interpreter, op: rt.MaskedSoftmaxOp, args: PythonValues
    ) -> PythonValues:
        x, mask, table, output = args
        return store(
            output, softmax_by(table.astype(np.int64), x, (mask != HIDDEN).astype(np.int8))
        )

    @impl(rt.AttentionOp)
    def attention_s8(self, _: Interpreter, op: rt.AttentionOp, args: PythonValues) -> PythonValues:
        *inputs, table, output, scratch = args[:6]
        mask = args[6] if op.mask is not None else None
        spoil([scratch])
        a = op.over.data
        tensors = [array.reshape(1, -1) for array in inputs]
        (found,) = attention(tensors, mask, a, op.scores.data, table, op.values.data)
        return store(output, place_results(found, a), [scratch])
