"""What the lowerings of all operations share: tensors seen as buffers, and the call that replaces an op."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.dialects import memref
from xdsl.dialects.builtin import (
    StringAttr,
    UnrealizedConversionCastOp,
    i8,
)
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import qnn
from sparsec.ir.attributes import OP
from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.kernel import KernelOp
from sparsec.ir.layer import copy_layer, layer_name
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import buffer_type, reshaped
from sparsec.targets import scratch


def failure(op: Operation, message: str) -> PassFailedException:
    """The exception to raise when `op` has no kernel."""
    return PassFailedException(f"layer '{layer_name(op)}' ({op.name}): {message}")


def required_constant(op: Operation, value: SSAValue, what: str) -> DenseConstantOp:
    """The constant behind `value`; PassFailedException when it is computed."""
    if not isinstance(value.owner, DenseConstantOp):
        raise failure(op, f"{what} must be constant")
    return value.owner


class Lowering:
    """Replaces one tensor operation by kernel calls in front of it.

    Buffers meet tensors in `builtin.unrealized_conversion_cast`, which `bufferize` removes.
    """

    def __init__(self, op: Operation, rewriter: PatternRewriter):
        self.op = op
        self.rewriter = rewriter

    def buffer(self, value: SSAValue, shape: Sequence[int] | None = None) -> SSAValue:
        """`value` as a buffer, seen in another shape if one is given."""
        cast = UnrealizedConversionCastOp.get([value], [buffer_type(value.type)])
        self.rewriter.insert(cast)
        buffer = cast.results[0]
        return buffer if shape is None else self.reshape(buffer, shape)

    def reshape(self, buffer: SSAValue, shape: Sequence[int]) -> SSAValue:
        """The same memory in another shape."""
        if shape_of(buffer.type) == tuple(shape):
            return buffer
        cast = reshaped(buffer, shape)
        self.rewriter.insert(cast)
        return cast.result

    def constant(self, array: np.ndarray[Any, Any], label: StringAttr | None) -> SSAValue:
        """A buffer that holds `array`."""
        constant = qnn.ConstantOp(array, label)
        self.rewriter.insert(constant)
        return self.buffer(constant.result)

    def output(self) -> SSAValue:
        """A new buffer for the result of the operation."""
        return self._allocate(shape_of(self.op.results[0].type), None)

    def scratch(self, size: int) -> SSAValue | None:
        """A new scratch buffer, None when no byte is needed."""
        return self._allocate((size,), scratch.ALIGNMENT) if size else None

    def _allocate(self, shape: Sequence[int], alignment: int | None) -> SSAValue:
        alloc = memref.AllocOp.get(i8, alignment, shape)
        self.rewriter.insert(alloc)
        return alloc.memref

    def call(self, kernel: KernelOp) -> None:
        """Insert the call, under the name of the layer."""
        copy_layer(self.op, kernel)
        kernel.attributes[OP] = StringAttr(self.op.name.removeprefix("qnn."))
        self.rewriter.insert(kernel)

    def finish(self, output: SSAValue) -> None:
        """Replace the operation by the contents of `output`."""
        cast = UnrealizedConversionCastOp.get([output], [self.op.results[0].type])
        self.rewriter.replace(self.op, cast)
