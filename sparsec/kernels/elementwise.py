# SPDX-License-Identifier: Apache-2.0
"""Layers on two tensors element by element, and those that map each element by itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from xdsl.ir import Operation, SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import cmsis, qnn, rt
from sparsec.ir.kernel import KernelOp
from sparsec.ir.rt.elementwise import MAX_AXES
from sparsec.ir.shapes import shape_of
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.loops import Loops, elements, vectors
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.quantization.broadcast import Shape, broadcast_shape, merged
from sparsec.quantization.softmax import MAX_ROW
from sparsec.targets.cpu import VectorUnit


def is_whole(layer: Layer) -> bool:
    """Whether both tensors have the shape of the result."""
    lhs, rhs, *_ = layer.op.operands
    return shape_of(lhs.type) == shape_of(rhs.type)


class ElementwiseAdd(Kernel):
    """`arm_elementwise_add_s8`."""

    function = cmsis.ElementwiseAddOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.AddOp) else NOT_MINE

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        if unit == "mve":
            return "", vectors(work, 4)
        return "", elements(work, (4, 1) if unit == "dsp" else (1,))

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.AddOp)
        low.call(
            cmsis.ElementwiseAddOp(low.buffer(op.lhs), low.buffer(op.rhs), output, op.params.data)
        )
        return output


class ElementwiseMul(Kernel):
    """`arm_elementwise_mul_s8`, for whole tensors."""

    function = cmsis.ElementwiseMulOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.MulOp) and is_whole(layer) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.MulOp)
        low.call(
            cmsis.ElementwiseMulOp(low.buffer(op.lhs), low.buffer(op.rhs), output, op.params.data)
        )
        return output


class Broadcast(Kernel, ABC):
    """A function of two tensors that broadcast, by as many loops as the runtime has."""

    @abstractmethod
    def is_mine(self, layer: Layer) -> bool:
        """Whether it computes `layer`."""

    @abstractmethod
    def call(self, op: Operation, lhs: SSAValue, rhs: SSAValue, output: SSAValue) -> KernelOp:
        """What computes `op` of two buffers."""

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if not self.is_mine(layer):
            return NOT_MINE
        return too_many_axes(len(operand_shapes(layer)[0]))

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        shapes = operand_shapes(layer)
        lhs, rhs, *_ = layer.op.operands
        low.call(
            self.call(
                layer.op,
                low.buffer(lhs, shapes[0]),
                low.buffer(rhs, shapes[1]),
                low.reshape(output, broadcast_shape(*shapes)),
            )
        )
        return output


def too_many_axes(axes: int) -> str | None:
    """Why the runtime has no loops for operands of so many axes, None if it has."""
    if axes <= MAX_AXES:
        return None
    return f"its operands broadcast along {axes} axes in turn, at most {MAX_AXES} can"


def operand_shapes(layer: Layer) -> tuple[Shape, ...]:
    """Those of the operands, in as few axes as it takes."""
    return merged(*(shape_of(operand.type) for operand in layer.op.operands))


class Mul(Broadcast):
    """`sparsec_mul_s8`, where an operand is repeated."""

    function = rt.MulOp.C_FUNCTION

    def is_mine(self, layer: Layer) -> bool:
        return isinstance(layer.op, qnn.MulOp) and not is_whole(layer)

    def call(self, op: Operation, lhs: SSAValue, rhs: SSAValue, output: SSAValue) -> KernelOp:
        assert isinstance(op, qnn.MulOp)
        return rt.MulOp(lhs, rhs, output, op.params.data)


class Sum(Broadcast):
    """`sparsec_add_s8`: sums where an operand is repeated, and differences."""

    function = rt.AddOp.C_FUNCTION

    def is_mine(self, layer: Layer) -> bool:
        return isinstance(layer.op, qnn.SubOp | qnn.BroadcastAddOp)

    def call(self, op: Operation, lhs: SSAValue, rhs: SSAValue, output: SSAValue) -> KernelOp:
        assert isinstance(op, qnn.SubOp | qnn.BroadcastAddOp)
        return rt.AddOp(lhs, rhs, output, op.params.data, op.SIGN)


class Maximum(Broadcast):
    """`sparsec_maximum_s8`."""

    function = rt.MaximumOp.C_FUNCTION

    def is_mine(self, layer: Layer) -> bool:
        return isinstance(layer.op, qnn.MaximumOp)

    def call(self, op: Operation, lhs: SSAValue, rhs: SSAValue, output: SSAValue) -> KernelOp:
        return rt.MaximumOp(lhs, rhs, output)


class Minimum(Broadcast):
    """`sparsec_minimum_s8`."""

    function = rt.MinimumOp.C_FUNCTION

    def is_mine(self, layer: Layer) -> bool:
        return isinstance(layer.op, qnn.MinimumOp)

    def call(self, op: Operation, lhs: SSAValue, rhs: SSAValue, output: SSAValue) -> KernelOp:
        return rt.MinimumOp(lhs, rhs, output)


class Select(Kernel):
    """`sparsec_select_s8`."""

    function = rt.SelectOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if not isinstance(layer.op, qnn.SelectOp):
            return NOT_MINE
        return too_many_axes(len(operand_shapes(layer)[0]))

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output, shapes = low.output(), operand_shapes(layer)
        mask, lhs, rhs = (low.buffer(*each) for each in zip(layer.op.operands, shapes, strict=True))
        low.call(rt.SelectOp(mask, lhs, rhs, low.reshape(output, broadcast_shape(*shapes))))
        return output


class Prelu(Broadcast):
    """`sparsec_prelu_s8`."""

    function = rt.PreluOp.C_FUNCTION

    def is_mine(self, layer: Layer) -> bool:
        return isinstance(layer.op, qnn.PreluOp)

    def call(self, op: Operation, lhs: SSAValue, rhs: SSAValue, output: SSAValue) -> KernelOp:
        assert isinstance(op, qnn.PreluOp)
        return rt.PreluOp(lhs, rhs, output, op.params.data)


class Lookup(Kernel):
    """`sparsec_lookup_s8`."""

    function = rt.LookupOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.LookupOp) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.LookupOp)
        low.call(rt.LookupOp(low.buffer(op.input), low.buffer(op.table), output))
        return output


class FromUint8(Kernel):
    """`sparsec_from_uint8_s8`."""

    function = rt.FromUint8Op.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.FromUint8Op) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.FromUint8Op)
        low.call(rt.FromUint8Op(low.buffer(op.input), output))
        return output


class Requantize(Kernel):
    """`sparsec_requantize_s8`."""

    function = rt.RequantizeOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.RescaleOp) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.RescaleOp)
        low.call(rt.RequantizeOp(low.buffer(op.input), output, op.params.data))
        return output


class Softmax(Kernel):
    """`arm_softmax_s8`, for the rows it computes without overflow."""

    function = cmsis.SoftmaxOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if not isinstance(layer.op, qnn.SoftmaxOp):
            return NOT_MINE
        row = shape_of(layer.op.input.type)[-1]
        if row > MAX_ROW:
            return NOT_MINE
        return None

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.SoftmaxOp)
        low.call(cmsis.SoftmaxOp(low.buffer(op.input), output, op.params.data))
        return output


class LongSoftmax(Kernel):
    """`sparsec_softmax_s8`, for longer rows."""

    function = rt.SoftmaxOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if not isinstance(layer.op, qnn.SoftmaxOp):
            return NOT_MINE
        return None if shape_of(layer.op.input.type)[-1] > MAX_ROW else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.SoftmaxOp)
        low.call(rt.SoftmaxOp(low.buffer(op.input), output, op.params.data))
        return output
