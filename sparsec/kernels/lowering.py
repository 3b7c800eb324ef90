# SPDX-License-Identifier: Apache-2.0
"""What the calls of all kernels share: tensors seen as buffers, constants, and the call that replaces an operation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from xdsl.dialects import memref
from xdsl.dialects.builtin import StringAttr, UnrealizedConversionCastOp, i8
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import qnn, rt
from sparsec.ir.attributes import OP
from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.kernel import KernelOp
from sparsec.ir.layer import copy_layer, layer_name
from sparsec.ir.layouts import laid_out
from sparsec.ir.shapes import element_type, shape_of
from sparsec.ir.views import buffer_type, part_of, reshaped
from sparsec.kernels.layer import OPERANDS
from sparsec.layouts.activations import ChannelMajor
from sparsec.targets import scratch
from sparsec.targets.cpu import Cpu


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

    def __init__(self, op: Operation, rewriter: PatternRewriter, cpu: Cpu):
        """The calls are for `cpu`."""
        self.op = op
        self.rewriter = rewriter
        self.cpu = cpu

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

    def part(self, buffer: SSAValue, offset: int, shape: Sequence[int]) -> SSAValue:
        """The elements of `buffer` from `offset` on in `shape`."""
        if offset == 0 and shape_of(buffer.type) == tuple(shape):
            return buffer
        view = part_of(buffer, offset, shape)
        self.rewriter.insert(view)
        return view.result

    def constant(self, array: np.ndarray[Any, Any], label: StringAttr | None) -> SSAValue:
        """A buffer that holds `array`."""
        constant = qnn.ConstantOp(array, label)
        self.rewriter.insert(constant)
        return self.buffer(constant.result)

    def constants(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, SSAValue]:
        """Buffers that hold what was laid out for a layer with weights, by name.

        What is called like an operand of the layer and made of the same elements is that, or takes its place under its
        label; all else belongs to the weights.
        """
        assert isinstance(self.op, qnn.WeightedOp)
        found: dict[str, SSAValue] = {}
        for name, array in arrays.items():
            operand: SSAValue = getattr(self.op, name) if name in OPERANDS else self.op.weights
            owner = required_constant(self.op, operand, name)
            if name not in OPERANDS or array.dtype != owner.array.dtype:
                label = required_constant(self.op, self.op.weights, "weights").label
                label = None if label is None else StringAttr(f"{label.data}.{name}")
                found[name] = self.constant(array, label)
            elif array.shape == owner.array.shape and np.shares_memory(array, owner.array):
                found[name] = self.buffer(operand)
            else:
                found[name] = self.constant(np.ascontiguousarray(array), owner.label)
        return found

    def output(self) -> SSAValue:
        """A new buffer for the result of the operation."""
        type = self.op.results[0].type
        return self._allocate(element_type(type), shape_of(type), None)

    def laid_out(self, shape: Sequence[int], layout: ChannelMajor) -> SSAValue:
        """A new buffer for an image of `shape` that lies as `layout` says."""
        memory = self._allocate(i8, (layout.bytes(tuple(shape)),), None)
        self.rewriter.insert(view := laid_out(memory, tuple(shape), layout))
        return view.result

    def read(self, value: SSAValue, shape: Sequence[int], layout: ChannelMajor) -> SSAValue:
        """`value` as a buffer that lies as `layout` says: a conversion."""
        buffer = self.laid_out(shape, layout)
        self.call(rt.ToChannelMajorOp(self.buffer(value, shape), buffer))
        return buffer

    def nhwc(self, output: SSAValue) -> SSAValue:
        """A new buffer for the result of the operation, to which `output` is converted."""
        result = self.output()
        shape = shape_of(output.type)
        self.call(rt.FromChannelMajorOp(output, self.reshape(result, shape)))
        return result

    def scratch(self, size: int) -> SSAValue | None:
        """A new scratch buffer, None when no byte is needed."""
        return self._allocate(i8, (size,), scratch.ALIGNMENT) if size else None

    def allocate(self, element: Attribute, length: int) -> SSAValue:
        """A new buffer of `length` elements."""
        alloc = memref.AllocOp.get(element, None, [length])
        self.rewriter.insert(alloc)
        return alloc.memref

    def _allocate(
        self, element: Attribute, shape: Sequence[int], alignment: int | None
    ) -> SSAValue:
        alloc = memref.AllocOp.get(element, alignment, shape)
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
