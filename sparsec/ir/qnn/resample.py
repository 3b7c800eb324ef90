# SPDX-License-Identifier: Apache-2.0
"""Images of int8 made of weighted sums of the pixels of another one."""

from xdsl.dialects.builtin import I8, I16, TensorType, i8
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

from sparsec.ir.constant import ui16
from sparsec.ir.params import RescaleAttr
from sparsec.ir.shapes import shape_of, verify_resampling
from sparsec.quantization.params import Rescale


@irdl_op_definition
class ResampleOp(IRDLOperation):
    """As `nn.resample`, with whole numbers as weights: clamp(requantize(sum of weighted `input - input_zp`) + output_zp).
    The weights of each row have one sum, those of each column too; the multiplier divides by both.

    ```mlir
    %y = qnn.resample %x, %rows by %row_taps, %columns by %column_taps <multiplier = 1073741824, shift = -3>
        : tensor<1x2x3x4xi8>, tensor<4xui16>, tensor<4x2xi16>, tensor<6xui16>, tensor<6x2xi16> -> tensor<1x4x6x4xi8>
    ```
    """

    name = "qnn.resample"

    input = operand_def(TensorType[I8])
    rows = operand_def(TensorType.constr(ui16))
    row_taps = operand_def(TensorType[I16])
    columns = operand_def(TensorType.constr(ui16))
    column_taps = operand_def(TensorType[I16])
    params = prop_def(RescaleAttr)
    result = result_def(TensorType[I8])

    assembly_format = (
        "$input `,` $rows `by` $row_taps `,` $columns `by` $column_taps $params attr-dict `:` type($input) `,` "
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
        params: Rescale,
    ):
        size = (*shape_of(rows.type), *shape_of(columns.type))
        super().__init__(
            operands=[input, rows, row_taps, columns, column_taps],
            properties={"params": RescaleAttr(params)},
            result_types=[TensorType(i8, (1, *size, shape_of(input.type)[-1]))],
        )

    def verify_(self) -> None:
        verify_resampling(
            self.input.type,
            (self.rows, self.row_taps),
            (self.columns, self.column_taps),
            self.result.type,
        )
