# SPDX-License-Identifier: Apache-2.0
"""What operations that pick elements mean, as `qnn` and as kernel calls."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters.kernels import store
from sparsec.ir import qnn, rt
from sparsec.ir.shapes import shape_of
from sparsec.quantization import int8


@register_impls
class MovementFunctions(InterpreterFunctions):
    """A leading 1 in the types of `qnn` stands for any batch."""

    @impl(qnn.SliceOp)
    def slice(self, _: Interpreter, op: qnn.SliceOp, args: PythonValues) -> PythonValues:
        source, sizes = shape_of(op.input.type), shape_of(op.result.type)
        index = op.where.data.index(sizes)
        batched = source[:1] == (1,)  # and so is the result
        return (args[0][(slice(None), *index[1:]) if batched else index],)

    @impl(qnn.ResizeNearestOp)
    def resize_nearest(
        self, _: Interpreter, op: qnn.ResizeNearestOp, args: PythonValues
    ) -> PythonValues:
        return (int8.resize_nearest(*args),)

    @impl(qnn.GatherOp)
    def gather(self, _: Interpreter, op: qnn.GatherOp, args: PythonValues) -> PythonValues:
        x, indices = args
        return (x.take(indices, op.axis.value.data),)

    @impl(qnn.EmbeddingOp)
    def embedding(self, _: Interpreter, op: qnn.EmbeddingOp, args: PythonValues) -> PythonValues:
        return (int8.embedding(*args),)

    @impl(rt.EmbeddingOp)
    def embedding_s8(self, _: Interpreter, op: rt.EmbeddingOp, args: PythonValues) -> PythonValues:
        table, indices, output = args
        return store(output, int8.embedding(table, indices))

    @impl(rt.SliceOp)
    def slice_s8(self, _: Interpreter, op: rt.SliceOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, x[op.where.data.index(output.shape)])

    @impl(rt.ResizeNearestOp)
    def resize_nearest_s8(
        self, _: Interpreter, op: rt.ResizeNearestOp, args: PythonValues
    ) -> PythonValues:
        x, rows, columns, output = args
        return store(output, int8.resize_nearest(x, rows, columns))

    @impl(rt.GatherOp)
    def gather_s8(self, _: Interpreter, op: rt.GatherOp, args: PythonValues) -> PythonValues:
        x, indices, output = args
        return store(output, x.take(indices, op.axis.value.data))
