# SPDX-License-Identifier: Apache-2.0
"""Layers that only move elements."""

from collections.abc import Mapping, Sequence

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import qnn, rt
from sparsec.ir.constant import constant_array
from sparsec.ir.rt.movement import MAX_LOOPS, MAX_PADDED
from sparsec.ir.shapes import shape_of
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.lowering import Lowering
from sparsec.quantization.window import Loop, permutation_loops


def too_many_loops(what: str, loops: Sequence[Loop]) -> str | None:
    """Why the runtime cannot copy what lies at these distances, None if it can."""
    if len(loops) <= MAX_LOOPS:
        return None
    return f"a {what} of more than {MAX_LOOPS} axes is not supported"


class Pad(Kernel):
    """`sparsec_pad_s8`."""

    function = rt.PadOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.PadOp):
            return NOT_MINE
        _, axes = op.border.data.joined(shape_of(op.input.type), MAX_PADDED)
        if len(axes) > MAX_PADDED:
            return f"a border of more than {MAX_PADDED} axes is not supported"
        return None

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.PadOp)
        low.call(rt.PadOp(low.buffer(op.input), output, op.value.value.data, op.border.data))
        return output


class Transpose(Kernel):
    """`sparsec_transpose_s8`."""

    function = rt.TransposeOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.TransposeOp):
            return NOT_MINE
        loops = permutation_loops(shape_of(op.input.type), op.permutation.get_values())
        return too_many_loops("transpose", loops)

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
        return too_many_loops("slice", loops)

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.SliceOp)
        low.call(rt.SliceOp(low.buffer(op.input), output, op.where.data))
        return output


class Gather(Kernel):
    """`sparsec_gather_s8`, which trusts its constants."""

    function = rt.GatherOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.GatherOp):
            return NOT_MINE
        return None if constant_array(op.indices) is not None else "indices must be constant"

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.GatherOp)
        indices = low.buffer(op.indices)
        low.call(rt.GatherOp(low.buffer(op.input), indices, output, op.axis.value.data))
        return output


class Embedding(Kernel):
    """`sparsec_embedding_s8`."""

    function = rt.EmbeddingOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.EmbeddingOp) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.EmbeddingOp)
        low.call(rt.EmbeddingOp(low.buffer(op.input), low.buffer(op.indices), output))
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
