# SPDX-License-Identifier: Apache-2.0
"""Layers that only move elements."""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import qnn, rt
from sparsec.ir.constant import constant_array
from sparsec.ir.rt.movement import MAX_LOOPS
from sparsec.ir.shapes import shape_of
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.lowering import Lowering

MAX_AXES = 4
"""As many loops as the runtime has."""


def too_many_axes(layer: Layer) -> str | None:
    """Why a tensor has more axes than the runtime's loops, None if it has not."""
    type = layer.op.operands[0].type
    if len(shape_of(type)) <= MAX_AXES:
        return None
    return f"tensors of more than four axes are not supported, got {type}"


class Pad(Kernel):
    """`sparsec_pad_s8`."""

    function = rt.PadOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return too_many_axes(layer) if isinstance(layer.op, qnn.PadOp) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.PadOp)
        low.call(rt.PadOp(low.buffer(op.input), output, op.value.value.data, op.border.data))
        return output


class Transpose(Kernel):
    """`sparsec_transpose_s8`."""

    function = rt.TransposeOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return too_many_axes(layer) if isinstance(layer.op, qnn.TransposeOp) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.TransposeOp)
        low.call(rt.TransposeOp(low.buffer(op.input), output, op.permutation.get_values()))
        return output


class Concatenate(Kernel):
    """One `sparsec_concatenate_s8` for each input."""

    function = rt.ConcatenateOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.ConcatOp) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.ConcatOp)
        axis, position = op.axis.value.data, 0
        for value in op.inputs:
            low.call(rt.ConcatenateOp(low.buffer(value), output, axis, position))
            position += shape_of(value.type)[axis]
        return output


class Slice(Kernel):
    """`sparsec_slice_s8`."""

    function = rt.SliceOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.SliceOp):
            return NOT_MINE
        _, loops = op.where.data.loops(shape_of(op.input.type), shape_of(op.result.type))
        if len(loops) > MAX_LOOPS:
            return f"a slice of more than {MAX_LOOPS} axes is not supported"
        return None

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.SliceOp)
        low.call(rt.SliceOp(low.buffer(op.input), output, op.where.data))
        return output


class ResizeNearest(Kernel):
    """`sparsec_resize_nearest_s8`, which trusts its constants."""

    function = rt.ResizeNearestOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.ResizeNearestOp):
            return NOT_MINE
        if any(constant_array(value) is None for value in (op.rows, op.columns)):
            return "rows and columns must be constant"
        return None

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.ResizeNearestOp)
        low.call(
            rt.ResizeNearestOp(
                low.buffer(op.input), low.buffer(op.rows), low.buffer(op.columns), output
            )
        )
        return output
