# SPDX-License-Identifier: Apache-2.0
"""What the sparse fully connected kernels mean: the layer that their arrays hold."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters.kernels import one_row, spoil, store
from sparsec.ir import rt
from sparsec.ir.rt.sparse_fc import SparseFullyConnectedOp


@register_impls
class SparseFcFunctions(InterpreterFunctions):
    """Each by its layout."""

    @impl(rt.FullyConnectedTableOp)
    def table(
        self, _: Interpreter, op: rt.FullyConnectedTableOp, args: PythonValues
    ) -> PythonValues:
        return fully_connected(op, args)

    @impl(rt.FullyConnected1x4Op)
    def row_blocks(
        self, _: Interpreter, op: rt.FullyConnected1x4Op, args: PythonValues
    ) -> PythonValues:
        return fully_connected(op, args)

    @impl(rt.FullyConnected4x1Op)
    def column_blocks(
        self, _: Interpreter, op: rt.FullyConnected4x1Op, args: PythonValues
    ) -> PythonValues:
        return fully_connected(op, args)

    @impl(rt.FullyConnected4x1W16Op)
    def column_blocks_w16(
        self, _: Interpreter, op: rt.FullyConnected4x1W16Op, args: PythonValues
    ) -> PythonValues:
        return fully_connected(op, args)

    @impl(rt.FullyConnectedDenseOp)
    def dense(
        self, _: Interpreter, op: rt.FullyConnectedDenseOp, args: PythonValues
    ) -> PythonValues:
        return fully_connected(op, args)

    @impl(rt.FullyConnectedGatherOp)
    def gather(
        self, _: Interpreter, op: rt.FullyConnectedGatherOp, args: PythonValues
    ) -> PythonValues:
        return fully_connected(op, args)

    @impl(rt.FullyConnectedGather1x4Op)
    def gather_blocks(
        self, _: Interpreter, op: rt.FullyConnectedGather1x4Op, args: PythonValues
    ) -> PythonValues:
        entries, scratch, *others = args
        spoil([scratch])
        return fully_connected(op, (entries, *others))

    @impl(rt.FullyConnected1x16Op)
    def vectors(
        self, _: Interpreter, op: rt.FullyConnected1x16Op, args: PythonValues
    ) -> PythonValues:
        return fully_connected(op, args)


def fully_connected(op: SparseFullyConnectedOp, args: PythonValues) -> PythonValues:
    """Unpack the layer, then compute it."""
    *others, x, rows, output = args
    arrays = dict(zip(op.arrays, (rows, *others), strict=True))
    w, numbers = op.LAYOUT.unpack(arrays, op.matrix_shape)
    y = one_row(x, w, numbers.bias, numbers.multiplier, numbers.shift, op.requant.data)
    return store(output, y)
