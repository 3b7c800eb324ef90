# SPDX-License-Identifier: Apache-2.0
"""The weighted sums of pixels of `rt`."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I16, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def

from sparsec.ir.constant import ui16
from sparsec.ir.kernel import CArgument, RuntimeOp, activation, image_dims
from sparsec.ir.params import RescaleAttr
from sparsec.ir.rt.elementwise import per_tensor
from sparsec.ir.shapes import shape_of, verify_resampling
from sparsec.quantization.params import Rescale


@irdl_op_definition
class ResampleOp(RuntimeOp):
    """`sparsec_resample_s8`."""

    name = "rt.resample_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_resample_s8"

    input = operand_def(MemRefType[I8])
    rows = operand_def(MemRefType.constr(ui16))
    row_taps = operand_def(MemRefType[I16])
    columns = operand_def(MemRefType.constr(ui16))
    column_taps = operand_def(MemRefType[I16])
    output = operand_def(MemRefType[I8])
    params = prop_def(RescaleAttr)

    assembly_format = (
        "$input `,` $rows `by` $row_taps `,` $columns `by` $column_taps $params `into` $output attr-dict `:` "
        "type($input) `,` type($rows) `,` type($row_taps) `,` type($columns) `,` type($column_taps) `,` "
        "type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        rows: SSAValue,
        row_taps: SSAValue,
        columns: SSAValue,
        column_taps: SSAValue,
        output: SSAValue,
        params: Rescale,
    ):
        super().__init__(
            operands=[input, rows, row_taps, columns, column_taps, output],
            properties={"params": RescaleAttr(params)},
        )

    def verify_(self) -> None:
        verify_resampling(
            self.input.type,
            (self.rows, self.row_taps),
            (self.columns, self.column_taps),
            self.output.type,
        )

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            -p.input_zp,
            p.output_zp,
            activation(p.clamp),
            per_tensor(p.multiplier, p.shift),
            image_dims(self.input.type),
            self.input,
            self.rows,
            self.row_taps,
            shape_of(self.row_taps.type)[1],
            self.columns,
            self.column_taps,
            shape_of(self.column_taps.type)[1],
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)
