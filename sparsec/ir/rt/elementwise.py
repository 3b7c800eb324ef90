# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` on several buffers of at most four axes element by element; they broadcast as in numpy."""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, IntegerAttr, MemRefType, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.kernel import CArgument, CStruct, RuntimeOp, activation, four_axes
from sparsec.ir.params import AddParamsAttr, MulParamsAttr, PreluParamsAttr
from sparsec.ir.shapes import expect_shape, shape_of, verify_broadcast
from sparsec.planning.one_way import broadcast
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import AddParams, MulParams, PreluParams

MAX_AXES = 4
"""As many loops as the runtime has."""


def verify_operands(output: SSAValue, *operands: SSAValue) -> None:
    """The operands fill `output`, in loops that the runtime has."""
    verify_broadcast([operand.type for operand in operands], output.type)
    if len(shape_of(output.type)) > MAX_AXES:
        raise VerifyException(f"operands have at most {MAX_AXES} axes here, got {output.type}")


class ElementwiseOp(RuntimeOp, ABC):
    """A function of two buffers and their shapes."""

    lhs = operand_def(MemRefType[I8])
    rhs = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])

    def verify_(self) -> None:
        verify_operands(self.output, self.lhs, self.rhs)

    def buffers(self) -> Sequence[CArgument]:
        """Shapes and pointers, the last arguments of the call."""
        return *shaped(self.lhs, self.rhs), self.output

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is self.output and input in (self.lhs, self.rhs):
            return broadcast(shape_of(output.type), shape_of(input.type))
        return super().safe_overlap(output, input)


def shaped(*buffers: SSAValue) -> Sequence[CArgument]:
    """Of each buffer its shape and its pointer."""
    return [part for buffer in buffers for part in (four_axes(shape_of(buffer.type), 1), buffer)]


def per_tensor(multiplier: int, shift: int) -> CStruct:
    """CMSIS-NN's multiplier and shift of a whole tensor."""
    return CStruct("cmsis_nn_per_tensor_quant_params", {"multiplier": multiplier, "shift": shift})


@irdl_op_definition
class MulOp(ElementwiseOp):
    """`sparsec_mul_s8`."""

    name = "rt.mul_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_mul_s8"

    params = prop_def(MulParamsAttr)

    assembly_format = (
        "$lhs `,` $rhs $params `into` $output attr-dict `:` "
        "type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, params: MulParams):
        super().__init__(operands=[lhs, rhs, output], properties={"params": MulParamsAttr(params)})

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            -p.input1_zp,
            -p.input2_zp,
            p.output_zp,
            activation(p.clamp),
            per_tensor(p.multiplier, p.shift),
            *self.buffers(),
        )


@irdl_op_definition
class AddOp(ElementwiseOp):
    """`sparsec_add_s8`: lhs + sign * rhs, the sign is 1 or -1."""

    name = "rt.add_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_add_s8"

    params = prop_def(AddParamsAttr)
    sign = prop_def(IntegerAttr.constr(i64))

    assembly_format = (
        "$lhs `,` $rhs `sign` $sign $params `into` $output attr-dict `:` "
        "type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(
        self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, params: AddParams, sign: int
    ):
        super().__init__(
            operands=[lhs, rhs, output],
            properties={"params": AddParamsAttr(params), "sign": IntegerAttr(sign, 64)},
        )

    def verify_(self) -> None:
        super().verify_()
        if self.sign.value.data not in (1, -1):
            raise VerifyException(f"sign must be 1 or -1, got {self.sign.value.data}")

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            p.left_shift,
            -p.input1_zp,
            per_tensor(p.input1_multiplier, p.input1_shift),
            -p.input2_zp,
            per_tensor(p.input2_multiplier, p.input2_shift),
            self.sign.value.data,
            p.output_zp,
            activation(p.clamp),
            per_tensor(p.output_multiplier, p.output_shift),
            *self.buffers(),
        )


class ExtremeOp(ElementwiseOp, ABC):
    """The larger or smaller of two bytes."""

    assembly_format = (
        "$lhs `,` $rhs `into` $output attr-dict `:` type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue):
        super().__init__(operands=[lhs, rhs, output])

    def c_arguments(self) -> Sequence[CArgument]:
        return self.buffers()


@irdl_op_definition
class MaximumOp(ExtremeOp):
    """`sparsec_maximum_s8`."""

    name = "rt.maximum_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_maximum_s8"


@irdl_op_definition
class MinimumOp(ExtremeOp):
    """`sparsec_minimum_s8`."""

    name = "rt.minimum_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_minimum_s8"


@irdl_op_definition
class PreluOp(RuntimeOp):
    """`sparsec_prelu_s8`."""

    name = "rt.prelu_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_prelu_s8"

    input = operand_def(MemRefType[I8])
    alpha = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(PreluParamsAttr)

    assembly_format = (
        "$input `,` $alpha $params `into` $output attr-dict `:` "
        "type($input) `,` type($alpha) `,` type($output)"
    )

    def __init__(self, input: SSAValue, alpha: SSAValue, output: SSAValue, params: PreluParams):
        super().__init__(
            operands=[input, alpha, output], properties={"params": PreluParamsAttr(params)}
        )

    def verify_(self) -> None:
        expect_shape(self.output.type, shape_of(self.input.type), "output")
        verify_operands(self.output, self.input, self.alpha)

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            -p.input_zp,
            -p.alpha_zp,
            p.output_zp,
            activation(p.clamp),
            per_tensor(p.multiplier, p.shift),
            per_tensor(p.alpha_multiplier, p.alpha_shift),
            *shaped(self.input, self.alpha),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is self.output and input in (self.input, self.alpha):
            return broadcast(shape_of(output.type), shape_of(input.type))
        return super().safe_overlap(output, input)


@irdl_op_definition
class SelectOp(RuntimeOp):
    """`sparsec_select_s8`."""

    name = "rt.select_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_select_s8"

    mask = operand_def(MemRefType[I8])
    lhs = operand_def(MemRefType[I8])
    rhs = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])

    assembly_format = (
        "$mask `,` $lhs `,` $rhs `into` $output attr-dict `:` "
        "type($mask) `,` type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(self, mask: SSAValue, lhs: SSAValue, rhs: SSAValue, output: SSAValue):
        super().__init__(operands=[mask, lhs, rhs, output])

    def verify_(self) -> None:
        verify_operands(self.output, self.mask, self.lhs, self.rhs)

    def c_arguments(self) -> Sequence[CArgument]:
        return (*shaped(self.mask, self.lhs, self.rhs, self.output),)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is self.output and input is not self.output:
            return broadcast(shape_of(output.type), shape_of(input.type))
        return super().safe_overlap(output, input)
