"""The operations of `rt` that pick elements of a buffer."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import ui16
from sparsec.ir.kernel import CArgument, RuntimeOp, four_axes, image_dims
from sparsec.ir.shapes import shape_of, verify_resize, verify_slice
from sparsec.ir.window import SliceAttr
from sparsec.quantization.window import Slice

MAX_LOOPS = 4
"""Loops of the kernel of a slice."""


@irdl_op_definition
class SliceOp(RuntimeOp):
    """`sparsec_slice_s8`: axes that are copied as one count as one of its four loops."""

    name = "rt.slice_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_slice_s8"

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    where = prop_def(SliceAttr)

    assembly_format = "$input $where `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue, where: Slice):
        super().__init__(operands=[input, output], properties={"where": SliceAttr(where)})

    def loops(self) -> tuple[int, list[tuple[int, int]]]:
        """`Slice.loops`."""
        return self.where.data.loops(shape_of(self.input.type), shape_of(self.output.type))

    def verify_(self) -> None:
        verify_slice(self.where.data, self.input.type, self.output.type)
        if len(self.loops()[1]) > MAX_LOOPS:
            raise VerifyException(f"at most {MAX_LOOPS} axes can be sliced")

    def c_arguments(self) -> Sequence[CArgument]:
        offset, loops = self.loops()
        return (
            offset,
            four_axes([distance for _, distance in loops], 0),
            self.input,
            four_axes([count for count, _ in loops], 1),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)


@irdl_op_definition
class ResizeNearestOp(RuntimeOp):
    """`sparsec_resize_nearest_s8`."""

    name = "rt.resize_nearest_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_resize_nearest_s8"

    input = operand_def(MemRefType[I8])
    rows = operand_def(MemRefType.constr(ui16))
    columns = operand_def(MemRefType.constr(ui16))
    output = operand_def(MemRefType[I8])

    assembly_format = (
        "$input `,` $rows `,` $columns `into` $output attr-dict `:` "
        "type($input) `,` type($rows) `,` type($columns) `,` type($output)"
    )

    def __init__(self, input: SSAValue, rows: SSAValue, columns: SSAValue, output: SSAValue):
        super().__init__(operands=[input, rows, columns, output])

    def verify_(self) -> None:
        verify_resize(self.input.type, self.rows.type, self.columns.type, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        return (
            image_dims(self.input.type),
            self.input,
            self.rows,
            self.columns,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)
