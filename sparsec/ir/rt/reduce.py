# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` that reduce the middle one of three axes to one element."""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, MemRefType
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.kernel import CArgument, RuntimeOp, activation, byte_count, dims
from sparsec.ir.params import RescaleAttr
from sparsec.ir.rt.elementwise import per_tensor
from sparsec.ir.shapes import expect_shape, shape_of, verify_count_of_mean
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import Rescale


def verify_middle(input: Attribute, output: Attribute) -> None:
    """The axis in the middle of three is reduced to one element."""
    shape = shape_of(input)
    if len(shape) != 3 or not shape[1]:
        raise VerifyException(f"input must have three axes, got {input}")
    expect_shape(output, (shape[0], 1, shape[2]), "output")


def buffers(input: SSAValue, output: SSAValue) -> Sequence[CArgument]:
    """Shape and pointers, the last arguments of the call."""
    outer, count, inner = shape_of(input.type)
    return dims(outer, count, 1, inner), input, output


class ReduceOp(RuntimeOp, ABC):
    """A reduction of [outer, count, inner] to [outer, 1, inner]."""

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])

    def verify_(self) -> None:
        verify_middle(self.input.type, self.output.type)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        size = byte_count(input.type)
        # A group of channels is read of all pixels before the channels of the output are written: where these lie over
        # the same channels of a pixel, nobody reads those again. Behind the first pixel that holds for one image only.
        is_one = shape_of(input.type)[0] == 1
        return Overlap(0, size, step=byte_count(output.type) if is_one else 0)


@irdl_op_definition
class MeanOp(ReduceOp):
    """`sparsec_mean_s8`."""

    name = "rt.mean_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_mean_s8"

    params = prop_def(RescaleAttr)

    assembly_format = "$input $params `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue, params: Rescale):
        super().__init__(operands=[input, output], properties={"params": RescaleAttr(params)})

    def verify_(self) -> None:
        super().verify_()
        verify_count_of_mean(shape_of(self.input.type)[1])

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            -p.input_zp,
            p.output_zp,
            activation(p.clamp),
            per_tensor(p.multiplier, p.shift),
            *buffers(self.input, self.output),
        )


class ReduceExtremeOp(ReduceOp, ABC):
    """The largest or smallest value."""

    assembly_format = "$input `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue):
        super().__init__(operands=[input, output])

    def c_arguments(self) -> Sequence[CArgument]:
        return buffers(self.input, self.output)


@irdl_op_definition
class ReduceMaxOp(ReduceExtremeOp):
    """`sparsec_reduce_max_s8`."""

    name = "rt.reduce_max_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_reduce_max_s8"


@irdl_op_definition
class ReduceMinOp(ReduceExtremeOp):
    """`sparsec_reduce_min_s8`."""

    name = "rt.reduce_min_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_reduce_min_s8"


class ArgOp(RuntimeOp, ABC):
    """Where along the middle axis an extreme value is."""

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I32])

    assembly_format = "$input `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue):
        super().__init__(operands=[input, output])

    def verify_(self) -> None:
        verify_middle(self.input.type, self.output.type)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def c_arguments(self) -> Sequence[CArgument]:
        return buffers(self.input, self.output)


@irdl_op_definition
class ArgMaxOp(ArgOp):
    """`sparsec_arg_max_s8`."""

    name = "rt.arg_max_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_arg_max_s8"


@irdl_op_definition
class ArgMinOp(ArgOp):
    """`sparsec_arg_min_s8`."""

    name = "rt.arg_min_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_arg_min_s8"
