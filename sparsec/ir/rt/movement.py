# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` that move elements of a buffer."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import I8, I32, DenseArrayBase, IntegerAttr, MemRefType, i8, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import ui16
from sparsec.ir.kernel import (
    CArgument,
    CPointer,
    CStruct,
    RuntimeOp,
    byte_count,
    dims,
    element_dtype,
    four_axes,
    image_dims,
    right_aligned,
    tile,
)
from sparsec.ir.shapes import (
    element_type,
    shape_of,
    verify_border,
    verify_embedding,
    verify_gather,
    verify_permutation,
    verify_resize,
    verify_slice,
)
from sparsec.ir.window import BorderAttr, SliceAttr
from sparsec.planning.one_way import NOTHING, one_way, read_first, spans
from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Border, Loop, Slice, permutation_loops

MAX_LOOPS = 6
"""Loops of the kernels that copy what lies at regular distances."""

MAX_PADDED = 4
"""Axes of the kernel of a border."""

LONG_RUN = 8
"""Bytes beside each other that they copy at once, in whatever order; shorter runs are copied byte by byte."""

SHORT_RUN = 4
"""Elements of the innermost loop below which that loop is around the one before it, if that has more."""


def loop_arguments(loops: Sequence[Loop]) -> tuple[CStruct, CStruct, CStruct, CStruct]:
    """Distances of the two outer loops and of the four inner ones, then how many elements each has."""
    filled = [(1, 0)] * (MAX_LOOPS - len(loops)) + list(loops)
    counts, distances = zip(*filled, strict=True)
    return (
        tile((distances[0], distances[1])),
        dims(*distances[2:]),
        tile((counts[0], counts[1])),
        dims(*counts[2:]),
    )


def copy_overlap(offset: int, loops: Sequence[Loop]) -> Overlap:
    """How the output of loops may lie over their input."""
    (rows, _), (run, step) = [(1, 0), (1, 0), *loops][-2:]
    together = run if step == 1 and run >= LONG_RUN else 1
    sources = np.array(offset)
    for count, distance in loops[:-1] if together > 1 else loops:
        sources = np.add.outer(sources, np.arange(count) * distance)
    targets = np.arange(sources.size).reshape(sources.shape) * together
    if run < SHORT_RUN and run < rows:
        sources, targets = sources.swapaxes(-1, -2), targets.swapaxes(-1, -2)
    rule = one_way if together > 1 else read_first
    return rule(spans(sources, together), spans(targets, together))


@irdl_op_definition
class SliceOp(RuntimeOp):
    """`sparsec_slice_s8`: axes that are copied as one count as one of its six loops."""

    name = "rt.slice_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_slice_s8"

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    where = prop_def(SliceAttr)

    assembly_format = "$input $where `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue, where: Slice):
        super().__init__(operands=[input, output], properties={"where": SliceAttr(where)})

    def loops(self) -> tuple[int, list[Loop]]:
        """`Slice.loops`."""
        return self.where.data.loops(shape_of(self.input.type), shape_of(self.output.type))

    def verify_(self) -> None:
        verify_slice(self.where.data, self.input.type, self.output.type)
        if len(self.loops()[1]) > MAX_LOOPS:
            raise VerifyException(f"at most {MAX_LOOPS} axes can be sliced")

    def c_arguments(self) -> Sequence[CArgument]:
        offset, loops = self.loops()
        outer_strides, strides, outer_dims, counts = loop_arguments(loops)
        return offset, outer_strides, strides, self.input, outer_dims, counts, self.output

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        return copy_overlap(*self.loops())


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
class GatherOp(RuntimeOp):
    """`sparsec_gather_s8`: blocks of what lies inside of the axis."""

    name = "rt.gather_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_gather_s8"

    input = operand_def(MemRefType[I8])
    indices = operand_def(MemRefType.constr(ui16))
    output = operand_def(MemRefType[I8])
    axis = prop_def(IntegerAttr.constr(i64))

    assembly_format = (
        "$input `,` $indices `axis` $axis `into` $output attr-dict `:` "
        "type($input) `,` type($indices) `,` type($output)"
    )

    def __init__(self, input: SSAValue, indices: SSAValue, output: SSAValue, axis: int):
        super().__init__(
            operands=[input, indices, output], properties={"axis": IntegerAttr(axis, 64)}
        )

    def verify_(self) -> None:
        axis = self.axis.value.data
        verify_gather(axis, self.input.type, self.indices.type, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        axis, shape = self.axis.value.data, shape_of(self.input.type)
        (count,) = shape_of(self.indices.type)
        block = prod(shape[axis + 1 :])
        return (
            prod(shape[:axis]),
            shape[axis] * block,
            block,
            self.input,
            self.indices,
            count,
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)


@irdl_op_definition
class EmbeddingOp(RuntimeOp):
    """`sparsec_embedding_s8`."""

    name = "rt.embedding_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_embedding_s8"

    table = operand_def(MemRefType[I8])
    indices = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])

    assembly_format = (
        "$table `,` $indices `into` $output attr-dict `:` "
        "type($table) `,` type($indices) `,` type($output)"
    )

    def __init__(self, table: SSAValue, indices: SSAValue, output: SSAValue):
        super().__init__(operands=[table, indices, output])

    def verify_(self) -> None:
        verify_embedding(self.table.type, self.indices.type, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        rows, row_bytes = shape_of(self.table.type)
        count = prod(shape_of(self.indices.type))
        return rows, row_bytes, self.table, self.indices, count, self.output

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)


@irdl_op_definition
class PadOp(RuntimeOp):
    """`sparsec_pad_s8`, for four axes; of more, those without a border count with the one before."""

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
        verify_border(self.border.data, self.input.type, self.output.type)
        if len(self.joined()[1]) > MAX_PADDED:
            raise VerifyException(f"at most {MAX_PADDED} axes can be padded")

    def joined(self) -> tuple[Border, tuple[int, ...]]:
        """`Border.joined`."""
        return self.border.data.joined(shape_of(self.input.type), MAX_PADDED)

    def c_arguments(self) -> Sequence[CArgument]:
        border, shape = self.joined()
        return (
            self.value.value.data,
            four_axes(border.low, 0),
            four_axes(shape, 1),
            self.input,
            four_axes(border.output_shape(shape), 1),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        # Row after row of the output, over which the border's value lies first.
        around, shape = self.joined()
        images, rows, *row = right_aligned(shape, 1)
        border = list(
            zip(*(right_aligned(n, 0)[:2] for n in (around.low, around.high)), strict=True)
        )
        numbers = np.arange(images * rows).reshape(images, rows)
        sources = np.pad(numbers, border, constant_values=-1).reshape(-1, 1)
        reads = np.where(sources < 0, NOTHING, spans(sources * prod(row), prod(row)))
        bytes = byte_count(output.type) // len(reads)
        return one_way(reads, spans(np.arange(len(reads)) * bytes, bytes))


@irdl_op_definition
class TransposeOp(RuntimeOp):
    """`sparsec_transpose_s8`: axes that stay together count as one of its six loops."""

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
        verify_permutation(self.permutation.get_values(), self.input.type, self.output.type)
        if len(self.loops()) > MAX_LOOPS:
            raise VerifyException(f"at most {MAX_LOOPS} axes can be transposed")

    def loops(self) -> list[Loop]:
        """`permutation_loops`."""
        return permutation_loops(shape_of(self.input.type), self.permutation.get_values())

    def c_arguments(self) -> Sequence[CArgument]:
        outer_strides, strides, outer_dims, counts = loop_arguments(self.loops())
        return outer_strides, strides, self.input, outer_dims, counts, self.output

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        return copy_overlap(0, self.loops())


@irdl_op_definition
class ConcatenateOp(RuntimeOp):
    """`sparsec_concatenate_s8`: copies one input, of bytes or of indices, to its place, from index `position` on along
    `axis` of the output."""

    name = "rt.concatenate_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_concatenate_s8"

    input = operand_def(MemRefType[I8] | MemRefType[I32])
    output = operand_def(MemRefType[I8] | MemRefType[I32])
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
        if element_type(self.input.type) != element_type(self.output.type):
            raise VerifyException(
                f"input and output must have the same elements, got {self.input.type}"
            )
        if not 0 <= axis < len(output) or len(input) != len(output):
            raise VerifyException(f"axis {axis} does not exist in the input and output")
        for i, (n, m) in enumerate(zip(input, output, strict=True)):
            if (n != m) if i != axis else not 0 <= position <= m - n:
                raise VerifyException(f"input does not fit into the output at {position}")

    def blocks(self) -> tuple[int, int, int, int]:
        """How many blocks are copied, their bytes, those from one to the next in the output, and to the first one."""
        axis = self.axis.value.data
        input, output = shape_of(self.input.type), shape_of(self.output.type)
        inner = prod(output[axis + 1 :]) * element_dtype(self.output.type).itemsize
        return (
            prod(output[:axis]),
            input[axis] * inner,
            output[axis] * inner,
            self.position.value.data * inner,
        )

    def c_arguments(self) -> Sequence[CArgument]:
        if element_type(self.output.type) == i8:
            return (*self.blocks(), self.input, self.output)
        source, target = CPointer("const int8_t *", self.input), CPointer("int8_t *", self.output)
        return (*self.blocks(), source, target)

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
