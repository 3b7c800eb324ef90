# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` that move elements of a buffer."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import I8, DenseArrayBase, IntegerAttr, MemRefType, i8, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import ui16
from sparsec.ir.kernel import CArgument, RuntimeOp, byte_count, four_axes, image_dims, right_aligned
from sparsec.ir.shapes import (
    shape_of,
    verify_border,
    verify_permutation,
    verify_resize,
    verify_slice,
)
from sparsec.ir.window import BorderAttr, SliceAttr
from sparsec.planning.one_way import NOTHING, one_way, read_first, spans
from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Border, Slice

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

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        offset, loops = self.loops()
        # Bytes next to each other are copied at once.
        together = loops[-1][0] if loops and loops[-1][1] == 1 else 1
        sources = np.array([offset])
        for count, distance in loops[:-1] if together > 1 else loops:
            sources = np.add.outer(sources, np.arange(count) * distance)
        targets = np.arange(sources.size) * together
        rule = one_way if together > 1 else read_first
        return rule(spans(sources, together), spans(targets, together))


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


@irdl_op_definition
class PadOp(RuntimeOp):
    """`sparsec_pad_s8`, for tensors of up to four axes."""

    name = "rt.pad_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_pad_s8"

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    value = prop_def(IntegerAttr[I8])
    border = prop_def(BorderAttr)

    assembly_format = (
        "$input `,` $value $border `into` $output attr-dict `:` type($input) `,` type($output)"
    )

    def __init__(self, input: SSAValue, output: SSAValue, value: int, border: Border):
        super().__init__(
            operands=[input, output],
            properties={"value": IntegerAttr(value, i8), "border": BorderAttr(border)},
        )

    def verify_(self) -> None:
        if len(shape_of(self.input.type)) > 4:
            raise VerifyException("at most four axes can be padded")
        verify_border(self.border.data, self.input.type, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        return (
            self.value.value.data,
            four_axes(self.border.data.low, 0),
            four_axes(shape_of(self.input.type), 1),
            self.input,
            four_axes(shape_of(self.output.type), 1),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        # Row after row of the output, over which the border's value lies first.
        images, rows, *row = right_aligned(shape_of(input.type), 1)
        border = list(
            zip(
                *(right_aligned(n, 0)[:2] for n in (self.border.data.low, self.border.data.high)),
                strict=True,
            )
        )
        numbers = np.arange(images * rows).reshape(images, rows)
        sources = np.pad(numbers, border, constant_values=-1).reshape(-1, 1)
        reads = np.where(sources < 0, NOTHING, spans(sources * prod(row), prod(row)))
        bytes = byte_count(output.type) // len(reads)
        return one_way(reads, spans(np.arange(len(reads)) * bytes, bytes))


@irdl_op_definition
class TransposeOp(RuntimeOp):
    """`sparsec_transpose_s8`, for tensors of up to four axes."""

    name = "rt.transpose_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_transpose_s8"

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    permutation = prop_def(DenseArrayBase.constr(i64))

    assembly_format = (
        "$input $permutation `into` $output attr-dict `:` type($input) `,` type($output)"
    )

    def __init__(self, input: SSAValue, output: SSAValue, permutation: Sequence[int]):
        super().__init__(
            operands=[input, output],
            properties={"permutation": DenseArrayBase.from_list(i64, permutation)},
        )

    def verify_(self) -> None:
        if len(self.permutation) > 4:
            raise VerifyException("at most four axes can be transposed")
        verify_permutation(self.permutation.get_values(), self.input.type, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        shape = shape_of(self.input.type)
        strides = [prod(shape[axis + 1 :]) for axis in self.permutation.get_values()]
        return (
            four_axes(strides, 0),
            self.input,
            four_axes(shape_of(self.output.type), 1),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        shape = shape_of(input.type)
        sources = np.arange(prod(shape)).reshape(shape).transpose(self.permutation.get_values())
        return read_first(spans(sources, 1), spans(np.arange(prod(shape)), 1))


@irdl_op_definition
class ConcatenateOp(RuntimeOp):
    """`sparsec_concatenate_s8`: copies one input to its place, from index `position` on along
    `axis` of the output."""

    name = "rt.concatenate_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_concatenate_s8"

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    axis = prop_def(IntegerAttr.constr(i64))
    position = prop_def(IntegerAttr.constr(i64))

    assembly_format = (
        "$input `axis` $axis `at` $position `into` $output attr-dict `:` "
        "type($input) `,` type($output)"
    )

    def __init__(self, input: SSAValue, output: SSAValue, axis: int, position: int):
        super().__init__(
            operands=[input, output],
            properties={"axis": IntegerAttr(axis, 64), "position": IntegerAttr(position, 64)},
        )

    def verify_(self) -> None:
        input, output = shape_of(self.input.type), shape_of(self.output.type)
        axis, position = self.axis.value.data, self.position.value.data
        if not 0 <= axis < len(output) or len(input) != len(output):
            raise VerifyException(f"axis {axis} does not exist in the input and output")
        for i, (n, m) in enumerate(zip(input, output, strict=True)):
            if (n != m) if i != axis else not 0 <= position <= m - n:
                raise VerifyException(f"input does not fit into the output at {position}")

    def blocks(self) -> tuple[int, int, int, int]:
        """How many blocks are copied, their bytes, those from one to the next in the output, and to the first one."""
        axis = self.axis.value.data
        input, output = shape_of(self.input.type), shape_of(self.output.type)
        inner = prod(output[axis + 1 :])
        return (
            prod(output[:axis]),
            input[axis] * inner,
            output[axis] * inner,
            self.position.value.data * inner,
        )

    def c_arguments(self) -> Sequence[CArgument]:
        return (*self.blocks(), self.input, self.output)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def span_written(self, output: SSAValue) -> tuple[int, int]:
        blocks, size, _, offset = self.blocks()
        return (offset, size) if blocks == 1 else super().span_written(output)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        blocks, size, stride, offset = self.blocks()
        numbers = np.arange(blocks)
        return one_way(spans(numbers * size, size), spans(offset + numbers * stride, size))
