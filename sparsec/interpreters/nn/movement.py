# SPDX-License-Identifier: Apache-2.0
"""Layers that move elements."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values
from sparsec.ir import nn
from sparsec.ir.shapes import shape_of
from sparsec.quantization import int8


@register_impls
class NnMovementFunctions(InterpreterFunctions):
    """What these operations mean."""

    @impl(nn.SliceOp)
    def slice(self, interpreter: Interpreter, op: nn.SliceOp, args: Values) -> Values:
        index = op.where.data.index(shape_of(op.result.type))
        batched = shape_of(op.input.type)[:1] == (1,)
        return (args[0][(slice(None), *index[1:]) if batched else index],)

    @impl(nn.ResizeNearestOp)
    def resize_nearest(
        self, interpreter: Interpreter, op: nn.ResizeNearestOp, args: Values
    ) -> Values:
        return (int8.resize_nearest(*args),)

    @impl(nn.GatherOp)
    def gather(self, interpreter: Interpreter, op: nn.GatherOp, args: Values) -> Values:
        return (args[0].take(args[1], op.axis.value.data),)

    @impl(nn.EmbeddingOp)
    def embedding(self, interpreter: Interpreter, op: nn.EmbeddingOp, args: Values) -> Values:
        return (int8.embedding(*args),)

    @impl(nn.PadOp)
    def pad(self, interpreter: Interpreter, op: nn.PadOp, args: Values) -> Values:
        border = tuple(zip(op.border.data.low, op.border.data.high, strict=True))
        return (np.pad(args[0], border, constant_values=op.value.value.data),)

    @impl(nn.ReshapeOp)
    def reshape(self, interpreter: Interpreter, op: nn.ReshapeOp, args: Values) -> Values:
        shape = shape_of(op.result.type)
        return (args[0].reshape((-1, *shape[1:]) if shape else ()),)

    @impl(nn.TransposeOp)
    def transpose(self, interpreter: Interpreter, op: nn.TransposeOp, args: Values) -> Values:
        return (np.ascontiguousarray(args[0].transpose(op.permutation.get_values())),)

    @impl(nn.ConcatOp)
    def concat(self, interpreter: Interpreter, op: nn.ConcatOp, args: Values) -> Values:
        axis = op.axis.value.data
        if axis > 0:  # a constant among the inputs holds one sample for all
            n = max(len(arg) for arg in args)
            args = tuple(np.broadcast_to(arg, (n, *arg.shape[1:])) for arg in args)
        return (np.concatenate(args, axis),)
