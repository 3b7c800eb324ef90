# SPDX-License-Identifier: Apache-2.0
"""Operations on two operands of one shape."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def

from sparsec.ir.kernel import CArgument, CmsisOp, byte_count, element_count
from sparsec.ir.params import AddParamsAttr, MulParamsAttr
from sparsec.ir.shapes import expect_shape, shape_of
from sparsec.quantization.params import AddParams, MulParams


@irdl_op_definition
class ElementwiseAddOp(CmsisOp):
    """`arm_elementwise_add_s8`."""

    name = "cmsis.elementwise_add_s8"
    C_FUNCTION: ClassVar[str] = "arm_elementwise_add_s8"

    lhs = operand_def(MemRefType[I8])
    rhs = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(AddParamsAttr)

    assembly_format = (
        "$lhs `,` $rhs $params `into` $output attr-dict `:` "
        "type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, params: AddParams):
        super().__init__(operands=[lhs, rhs, output], properties={"params": AddParamsAttr(params)})

    def verify_(self) -> None:
        expect_shape(self.rhs.type, shape_of(self.lhs.type), "right-hand side")
        expect_shape(self.output.type, shape_of(self.lhs.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            self.lhs,
            self.rhs,
            -p.input1_zp,
            p.input1_multiplier,
            p.input1_shift,
            -p.input2_zp,
            p.input2_multiplier,
            p.input2_shift,
            p.left_shift,
            self.output,
            p.output_zp,
            p.output_multiplier,
            p.output_shift,
            p.clamp[0],
            p.clamp[1],
            byte_count(self.output.type),
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def bytewise(self) -> Sequence[SSAValue]:
        return (self.lhs, self.rhs, self.output)

    def in_step(self) -> Sequence[SSAValue]:
        return (self.lhs, self.rhs)


@irdl_op_definition
class ElementwiseMulOp(CmsisOp):
    """`arm_elementwise_mul_s8`."""

    name = "cmsis.elementwise_mul_s8"
    C_FUNCTION: ClassVar[str] = "arm_elementwise_mul_s8"

    lhs = operand_def(MemRefType[I8])
    rhs = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(MulParamsAttr)

    assembly_format = (
        "$lhs `,` $rhs $params `into` $output attr-dict `:` "
        "type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, params: MulParams):
        super().__init__(operands=[lhs, rhs, output], properties={"params": MulParamsAttr(params)})

    def verify_(self) -> None:
        expect_shape(self.rhs.type, shape_of(self.lhs.type), "right-hand side")
        expect_shape(self.output.type, shape_of(self.lhs.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            self.lhs,
            self.rhs,
            -p.input1_zp,
            -p.input2_zp,
            self.output,
            p.output_zp,
            p.multiplier,
            p.shift,
            p.clamp[0],
            p.clamp[1],
            element_count(self.output.type),
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def in_step(self) -> Sequence[SSAValue]:
        return (self.lhs, self.rhs)
