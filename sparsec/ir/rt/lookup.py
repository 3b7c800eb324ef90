# SPDX-License-Identifier: Apache-2.0
"""Functions of each value on its own: a table, a multiplier and a shift, or bytes that become int8."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def

from sparsec.ir.constant import ui8
from sparsec.ir.kernel import CArgument, CStruct, RuntimeOp, activation, byte_count, element_count
from sparsec.ir.params import RescaleAttr
from sparsec.ir.shapes import expect_shape, shape_of
from sparsec.quantization.params import Rescale


@irdl_op_definition
class LookupOp(RuntimeOp):
    """`sparsec_lookup_s8`."""

    name = "rt.lookup_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_lookup_s8"

    input = operand_def(MemRefType[I8])
    table = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])

    assembly_format = (
        "$input `,` $table `into` $output attr-dict `:` "
        "type($input) `,` type($table) `,` type($output)"
    )

    def __init__(self, input: SSAValue, table: SSAValue, output: SSAValue):
        super().__init__(operands=[input, table, output])

    def verify_(self) -> None:
        expect_shape(self.table.type, (256,), "table")
        expect_shape(self.output.type, shape_of(self.input.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        return (byte_count(self.input.type), self.input, self.table, self.output)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def bytewise(self) -> Sequence[SSAValue]:
        return (self.input, self.output)

    def in_step(self) -> Sequence[SSAValue]:
        return (self.input,)


@irdl_op_definition
class FromUint8Op(RuntimeOp):
    """`sparsec_from_uint8_s8`."""

    name = "rt.from_uint8_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_from_uint8_s8"

    input = operand_def(MemRefType.constr(ui8))
    output = operand_def(MemRefType[I8])

    assembly_format = "$input `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue):
        super().__init__(operands=[input, output])

    def verify_(self) -> None:
        expect_shape(self.output.type, shape_of(self.input.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        return (element_count(self.input.type), self.input, self.output)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def in_step(self) -> Sequence[SSAValue]:
        return (self.input,)


@irdl_op_definition
class RequantizeOp(RuntimeOp):
    """`sparsec_requantize_s8`."""

    name = "rt.requantize_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_requantize_s8"

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(RescaleAttr)

    assembly_format = "$input $params `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue, params: Rescale):
        super().__init__(operands=[input, output], properties={"params": RescaleAttr(params)})

    def verify_(self) -> None:
        expect_shape(self.output.type, shape_of(self.input.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            -p.input_zp,
            p.output_zp,
            activation(p.clamp),
            CStruct(
                "cmsis_nn_per_tensor_quant_params", {"multiplier": p.multiplier, "shift": p.shift}
            ),
            byte_count(self.input.type),
            self.input,
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def bytewise(self) -> Sequence[SSAValue]:
        return (self.input, self.output)

    def in_step(self) -> Sequence[SSAValue]:
        return (self.input,)
