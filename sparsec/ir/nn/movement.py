# SPDX-License-Identifier: Apache-2.0
"""Layers that pick, order or join elements."""

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    DenseArrayBase,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    TensorType,
    f64,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure

from sparsec.ir.constant import ui16
from sparsec.ir.nn.types import F32Tensor, I32Tensor, MovesData
from sparsec.ir.shapes import (
    element_type,
    image_shape,
    shape_of,
    verify_border,
    verify_concatenation,
    verify_embedding,
    verify_gather,
    verify_indices,
    verify_permutation,
    verify_reshape,
    verify_resize,
    verify_slice,
)
from sparsec.ir.window import BorderAttr, SliceAttr
from sparsec.quantization.window import Border, Slice


@irdl_op_definition
class SliceOp(IRDLOperation):
    """Along each axis every `strides`-th element from `begin` on, as many as the result has.

    `%y = nn.slice %x <begin = [0, 2, 0], strides = [1, -1, 1]> : .. -> ..`
    """

    name = "nn.slice"

    input = operand_def(F32Tensor)
    where = prop_def(SliceAttr)
    result = result_def(F32Tensor)

    assembly_format = "$input $where attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure(), MovesData())

    def __init__(self, input: SSAValue, where: Slice, sizes: Sequence[int]):
        super().__init__(
            operands=[input],
            properties={"where": SliceAttr(where)},
            result_types=[TensorType(Float32Type(), sizes)],
        )

    def verify_(self) -> None:
        verify_slice(self.where.data, self.input.type, self.result.type)


@irdl_op_definition
class ResizeNearestOp(IRDLOperation):
    """An image whose pixel (y, x) is the pixel (rows[y], columns[x]) of the input.

    `%y = nn.resize_nearest %x, %rows, %columns : .., tensor<4xui16>, tensor<5xui16> -> ..`
    """

    name = "nn.resize_nearest"

    input = operand_def(F32Tensor)
    rows = operand_def(TensorType.constr(ui16))
    columns = operand_def(TensorType.constr(ui16))
    result = result_def(F32Tensor)

    assembly_format = (
        "$input `,` $rows `,` $columns attr-dict `:` "
        "type($input) `,` type($rows) `,` type($columns) `->` type($result)"
    )

    traits = traits_def(Pure(), MovesData())

    def __init__(self, input: SSAValue, rows: SSAValue, columns: SSAValue):
        size = (*shape_of(rows.type), *shape_of(columns.type))
        super().__init__(
            operands=[input, rows, columns],
            result_types=[TensorType(Float32Type(), (1, *size, shape_of(input.type)[-1]))],
        )

    def verify_(self) -> None:
        verify_resize(self.input.type, self.rows.type, self.columns.type, self.result.type)
        height, width, _ = image_shape(self.input.type)
        verify_indices(self.rows, height, "row")
        verify_indices(self.columns, width, "column")


@irdl_op_definition
class GatherOp(IRDLOperation):
    """A tensor whose element i along `axis` is element indices[i] of the input.

    `%y = nn.gather %x, %indices axis 1 : .., tensor<3xui16> -> ..`
    """

    name = "nn.gather"

    input = operand_def(F32Tensor)
    indices = operand_def(TensorType.constr(ui16))
    axis = prop_def(IntegerAttr.constr(i64))
    result = result_def(F32Tensor)

    assembly_format = (
        "$input `,` $indices `axis` $axis attr-dict `:` "
        "type($input) `,` type($indices) `->` type($result)"
    )

    traits = traits_def(Pure(), MovesData())

    def __init__(self, input: SSAValue, indices: SSAValue, axis: int):
        shape = list(shape_of(input.type))
        (shape[axis],) = shape_of(indices.type)
        super().__init__(
            operands=[input, indices],
            properties={"axis": IntegerAttr(axis, 64)},
            result_types=[TensorType(Float32Type(), shape)],
        )

    def verify_(self) -> None:
        axis = self.axis.value.data
        verify_gather(axis, self.input.type, self.indices.type, self.result.type)
        verify_indices(self.indices, shape_of(self.input.type)[axis], "index")


@irdl_op_definition
class EmbeddingOp(IRDLOperation):
    """The rows of a table at some indices; one that is not in the table counts as the nearest that is.

    `%y = nn.embedding %table, %indices : tensor<50x16xf32>, tensor<1x8xi32> -> tensor<1x8x16xf32>`
    """

    name = "nn.embedding"

    input = operand_def(F32Tensor)
    indices = operand_def(I32Tensor)
    result = result_def(F32Tensor)

    assembly_format = (
        "$input `,` $indices attr-dict `:` type($input) `,` type($indices) `->` type($result)"
    )

    traits = traits_def(Pure(), MovesData())

    def __init__(self, table: SSAValue, indices: SSAValue):
        shape = (*shape_of(indices.type), shape_of(table.type)[1])
        super().__init__(operands=[table, indices], result_types=[TensorType(Float32Type(), shape)])

    def verify_(self) -> None:
        verify_embedding(self.input.type, self.indices.type, self.result.type)


@irdl_op_definition
class PadOp(IRDLOperation):
    """Adds a border of one value.

    `%y = nn.pad %x, 0.0 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : .. -> ..`
    """

    name = "nn.pad"

    input = operand_def(F32Tensor)
    value = prop_def(FloatAttr[Float64Type])
    border = prop_def(BorderAttr)
    result = result_def(F32Tensor)

    assembly_format = "$input `,` $value $border attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure(), MovesData())

    def __init__(self, input: SSAValue, value: float, border: Border):
        super().__init__(
            operands=[input],
            properties={"value": FloatAttr(value, f64), "border": BorderAttr(border)},
            result_types=[
                TensorType(Float32Type(), border.output_shape(shape_of(input.type))),
            ],
        )

    def verify_(self) -> None:
        verify_border(self.border.data, self.input.type, self.result.type)


@irdl_op_definition
class ReshapeOp(IRDLOperation):
    """`%y = nn.reshape %x : tensor<1x4x4x8xf32> -> tensor<1x128xf32>`, of indices too"""

    name = "nn.reshape"

    input = operand_def(F32Tensor | I32Tensor)
    result = result_def(F32Tensor | I32Tensor)

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure(), MovesData())

    def __init__(self, input: SSAValue, shape: Sequence[int]):
        type = TensorType(element_type(input.type), shape)
        super().__init__(operands=[input], result_types=[type])

    def verify_(self) -> None:
        verify_reshape(self.input.type, self.result.type)


@irdl_op_definition
class TransposeOp(IRDLOperation):
    """`%y = nn.transpose %x [0, 2, 3, 1] : .. -> ..`: result axis i is input axis p[i]."""

    name = "nn.transpose"

    input = operand_def(F32Tensor)
    permutation = prop_def(DenseArrayBase.constr(i64))
    result = result_def(F32Tensor)

    assembly_format = "$input $permutation attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure(), MovesData())

    def __init__(self, input: SSAValue, permutation: Sequence[int]):
        shape = shape_of(input.type)
        super().__init__(
            operands=[input],
            properties={"permutation": DenseArrayBase.from_list(i64, permutation)},
            result_types=[TensorType(Float32Type(), [shape[axis] for axis in permutation])],
        )

    def verify_(self) -> None:
        verify_permutation(self.permutation.get_values(), self.input.type, self.result.type)


@irdl_op_definition
class ConcatOp(IRDLOperation):
    """`%y = nn.concat %a, %b axis 3 : tensor<..>, tensor<..> -> tensor<..>`"""

    name = "nn.concat"

    inputs = var_operand_def(F32Tensor)
    axis = prop_def(IntegerAttr.constr(i64))
    result = result_def(F32Tensor)

    assembly_format = "$inputs `axis` $axis attr-dict `:` type($inputs) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, inputs: Sequence[SSAValue], axis: int, result_type: Attribute):
        super().__init__(
            operands=[inputs],
            properties={"axis": IntegerAttr(axis, 64)},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        verify_concatenation(
            self.axis.value.data, [value.type for value in self.inputs], self.result.type
        )
