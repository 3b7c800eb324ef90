# SPDX-License-Identifier: Apache-2.0
"""Images made of weighted sums of the pixels of another one."""

from xdsl.dialects.builtin import Float32Type, TensorType
from xdsl.ir import SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, result_def, traits_def
from xdsl.traits import Pure

from sparsec.ir.constant import ui16
from sparsec.ir.nn.types import F32Tensor, float_type
from sparsec.ir.shapes import shape_of, verify_resampling


@irdl_op_definition
class ResampleOp(IRDLOperation):
    """Pixel (y, x) is the sum of the pixels (rows[y] + i, columns[x] + j) times row_taps[y, i] * column_taps[x, j]; the
    weights of a row and those of a column sum to 1.

    ```mlir
    %y = nn.resample %x, %rows by %row_taps, %columns by %column_taps
        : tensor<1x2x3x4xf32>, tensor<4xui16>, tensor<4x2xf32>, tensor<6xui16>, tensor<6x2xf32> -> tensor<1x4x6x4xf32>
    ```
    """

    name = "nn.resample"

    input = operand_def(F32Tensor)
    rows = operand_def(TensorType.constr(ui16))
    row_taps = operand_def(TensorType[Float32Type])
    columns = operand_def(TensorType.constr(ui16))
    column_taps = operand_def(TensorType[Float32Type])
    result = result_def(F32Tensor)

    assembly_format = (
        "$input `,` $rows `by` $row_taps `,` $columns `by` $column_taps attr-dict `:` type($input) `,` "
        "type($rows) `,` type($row_taps) `,` type($columns) `,` type($column_taps) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        rows: SSAValue,
        row_taps: SSAValue,
        columns: SSAValue,
        column_taps: SSAValue,
    ):
        size = (*shape_of(rows.type), *shape_of(columns.type))
        super().__init__(
            operands=[input, rows, row_taps, columns, column_taps],
            result_types=[float_type((1, *size, shape_of(input.type)[-1]))],
        )

    def verify_(self) -> None:
        verify_resampling(
            self.input.type,
            (self.rows, self.row_taps),
            (self.columns, self.column_taps),
            self.result.type,
        )
