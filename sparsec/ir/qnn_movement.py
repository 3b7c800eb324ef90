"""The operations of `qnn` that pick elements of a tensor; which ones is constant."""

from collections.abc import Sequence

from xdsl.dialects.builtin import I8, TensorType, i8
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import constant_array, ui16
from sparsec.ir.shapes import image_shape, shape_of, verify_resize, verify_slice
from sparsec.ir.window import SliceAttr
from sparsec.quantization.window import Slice


@irdl_op_definition
class SliceOp(IRDLOperation):
    """Along each axis every `strides`-th element from `begin` on, as many as the result has.

    ```mlir
    %y = qnn.slice %x <begin = [0, 2, 0], strides = [1, -1, 1]> : tensor<1x3x4xi8> -> tensor<1x2x4xi8>
    ```
    """

    name = "qnn.slice"

    input = operand_def(TensorType[I8])
    where = prop_def(SliceAttr)
    result = result_def(TensorType[I8])

    assembly_format = "$input $where attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, where: Slice, sizes: Sequence[int]):
        super().__init__(
            operands=[input],
            properties={"where": SliceAttr(where)},
            result_types=[TensorType(i8, sizes)],
        )

    def verify_(self) -> None:
        verify_slice(self.where.data, self.input.type, self.result.type)


@irdl_op_definition
class ResizeNearestOp(IRDLOperation):
    """An image whose pixel (y, x) is the pixel (rows[y], columns[x]) of the input.

    ```mlir
    %y = qnn.resize_nearest %x, %rows, %columns
        : tensor<1x2x2x3xi8>, tensor<4xui16>, tensor<5xui16> -> tensor<1x4x5x3xi8>
    ```
    """

    name = "qnn.resize_nearest"

    input = operand_def(TensorType[I8])
    rows = operand_def(TensorType.constr(ui16))
    columns = operand_def(TensorType.constr(ui16))
    result = result_def(TensorType[I8])

    assembly_format = (
        "$input `,` $rows `,` $columns attr-dict `:` "
        "type($input) `,` type($rows) `,` type($columns) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, rows: SSAValue, columns: SSAValue):
        size = (*shape_of(rows.type), *shape_of(columns.type))
        super().__init__(
            operands=[input, rows, columns],
            result_types=[TensorType(i8, (1, *size, shape_of(input.type)[-1]))],
        )

    def verify_(self) -> None:
        verify_resize(self.input.type, self.rows.type, self.columns.type, self.result.type)
        height, width, _ = image_shape(self.input.type)
        for what, value, size in (("row", self.rows, height), ("column", self.columns, width)):
            indices = constant_array(value)
            if indices is not None and indices.max() >= size:
                raise VerifyException(f"{what} {indices.max()} is not one of {size}")
