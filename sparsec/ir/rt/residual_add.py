# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` that add two buffers of one shape."""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_attr_definition, irdl_op_definition, operand_def, prop_def

from sparsec.ir.kernel import CArgument, RuntimeOp, activation, byte_count
from sparsec.ir.record import RecordAttr
from sparsec.ir.rt.elementwise import per_tensor
from sparsec.ir.shapes import expect_shape, shape_of
from sparsec.quantization.rounded_add import RoundedAdd
from sparsec.quantization.short_add import ShortAdd


@irdl_attr_definition
class ShortAddAttr(RecordAttr[ShortAdd]):
    """`#rt.short_add<multiplier1 = .., multiplier2 = .., addend = .., shift = 22>`."""

    name = "rt.short_add"
    RECORD: ClassVar = ShortAdd


@irdl_attr_definition
class RoundedAddAttr(RecordAttr[RoundedAdd]):
    """`#rt.rounded_add<input1_zp = .., input2_zp = .., multiplier = .., shift = -1, ..>`."""

    name = "rt.rounded_add"
    RECORD: ClassVar = RoundedAdd


class WholeAddOp(RuntimeOp, ABC):
    """A sum of two buffers of one shape."""

    lhs = operand_def(MemRefType[I8])
    rhs = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])

    assembly_format = (
        "$lhs `,` $rhs $numbers `into` $output attr-dict `:` "
        "type($lhs) `,` type($rhs) `,` type($output)"
    )

    def verify_(self) -> None:
        expect_shape(self.rhs.type, shape_of(self.lhs.type), "right-hand side")
        expect_shape(self.output.type, shape_of(self.lhs.type), "output")

    def buffers(self) -> Sequence[CArgument]:
        """Pointers and size, the last arguments of the call."""
        return (self.lhs, self.rhs, byte_count(self.output.type), self.output)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def bytewise(self) -> Sequence[SSAValue]:
        return (self.lhs, self.rhs, self.output)

    def in_step(self) -> Sequence[SSAValue]:
        # Up to sixteen bytes at once: all are read before the first is written.
        return (self.lhs, self.rhs)


@irdl_op_definition
class ResidualAddOp(WholeAddOp):
    """`sparsec_residual_add_s8`.

    ```mlir
    rt.residual_add_s8 %a, %b <multiplier1 = 5, multiplier2 = 6, addend = 7, shift = 22> into %y
        : memref<8xi8>, memref<8xi8>, memref<8xi8>
    ```
    """

    name = "rt.residual_add_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_residual_add_s8"

    numbers = prop_def(ShortAddAttr)

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, numbers: ShortAdd):
        super().__init__(operands=[lhs, rhs, output], properties={"numbers": ShortAddAttr(numbers)})

    def c_arguments(self) -> Sequence[CArgument]:
        numbers = self.numbers.data
        return (
            numbers.multiplier1,
            numbers.multiplier2,
            numbers.addend,
            numbers.shift,
            activation(numbers.clamp),
            *self.buffers(),
        )


@irdl_op_definition
class ResidualAddRoundedOp(WholeAddOp):
    """`sparsec_residual_add_rounded_s8`."""

    name = "rt.residual_add_rounded_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_residual_add_rounded_s8"

    numbers = prop_def(RoundedAddAttr)

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, numbers: RoundedAdd):
        super().__init__(
            operands=[lhs, rhs, output], properties={"numbers": RoundedAddAttr(numbers)}
        )

    def c_arguments(self) -> Sequence[CArgument]:
        numbers = self.numbers.data
        return (
            -numbers.input1_zp,
            -numbers.input2_zp,
            per_tensor(numbers.multiplier, numbers.shift),
            numbers.output_zp,
            activation(numbers.clamp),
            per_tensor(numbers.output_multiplier, numbers.output_shift),
            *self.buffers(),
        )
