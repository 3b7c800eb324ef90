# SPDX-License-Identifier: Apache-2.0
"""Functions of several tensors, element by element: they broadcast as in numpy."""

from abc import ABC

from xdsl.dialects.builtin import Float32Type, TensorType
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.nn.types import F32Tensor, float_type
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.shapes import expect_shape, shape_of, verify_broadcast
from sparsec.quantization.broadcast import broadcast_shape


class ElementwiseOp(IRDLOperation, ABC):
    """A layer on two tensors. Constructors raise ValueError where the shapes do not broadcast."""

    lhs = operand_def(F32Tensor)
    rhs = operand_def(F32Tensor)
    result = result_def(F32Tensor)

    traits = traits_def(Pure())

    def verify_(self) -> None:
        verify_broadcast([self.lhs.type, self.rhs.type], self.result.type)


def broadcast_type(lhs: SSAValue, rhs: SSAValue) -> TensorType[Float32Type]:
    """The type of the result of both."""
    return float_type(broadcast_shape(shape_of(lhs.type), shape_of(rhs.type)))


class ArithmeticOp(ElementwiseOp, ABC):
    """A sum, difference or product, then a clamp if `bounds` is set."""

    bounds = opt_prop_def(BoundsAttr)

    assembly_format = (
        "$lhs `,` $rhs (`clamp` $bounds^)? attr-dict `:` type($lhs) `,` type($rhs) "
        "`->` type($result)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, bounds: BoundsAttr | None = None):
        super().__init__(
            operands=[lhs, rhs],
            properties={"bounds": bounds},
            result_types=[broadcast_type(lhs, rhs)],
        )


@irdl_op_definition
class AddOp(ArithmeticOp):
    """`%y = nn.add %a, %b : tensor<1x4x4x8xf32>, tensor<8xf32> -> tensor<1x4x4x8xf32>`"""

    name = "nn.add"


@irdl_op_definition
class SubOp(ArithmeticOp):
    """`%y = nn.sub %a, %b : tensor<1x8xf32>, tensor<1x8xf32> -> tensor<1x8xf32>`"""

    name = "nn.sub"


@irdl_op_definition
class MulOp(ArithmeticOp):
    """`%y = nn.mul %x, %gate : tensor<1x4x4x8xf32>, tensor<1x1x1x8xf32> -> tensor<1x4x4x8xf32>`"""

    name = "nn.mul"


class ExtremeOp(ElementwiseOp, ABC):
    """The larger or smaller of two values."""

    assembly_format = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue):
        super().__init__(operands=[lhs, rhs], result_types=[broadcast_type(lhs, rhs)])


@irdl_op_definition
class MaximumOp(ExtremeOp):
    """`%y = nn.maximum %a, %b : tensor<1x8xf32>, tensor<1x8xf32> -> tensor<1x8xf32>`"""

    name = "nn.maximum"


@irdl_op_definition
class MinimumOp(ExtremeOp):
    """`%y = nn.minimum %a, %b : tensor<1x8xf32>, tensor<1x8xf32> -> tensor<1x8xf32>`"""

    name = "nn.minimum"


@irdl_op_definition
class PreluOp(IRDLOperation):
    """x, or alpha * x where x is negative; alpha broadcasts to x.

    `%y = nn.prelu %x, %alpha : tensor<1x4x4x8xf32>, tensor<8xf32> -> tensor<1x4x4x8xf32>`
    """

    name = "nn.prelu"

    input = operand_def(F32Tensor)
    alpha = operand_def(F32Tensor)
    result = result_def(F32Tensor)

    assembly_format = (
        "$input `,` $alpha attr-dict `:` type($input) `,` type($alpha) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, alpha: SSAValue):
        super().__init__(operands=[input, alpha], result_types=[input.type])

    def verify_(self) -> None:
        expect_shape(self.result.type, shape_of(self.input.type), "result")
        verify_broadcast([self.input.type, self.alpha.type], self.result.type)


@irdl_op_definition
class SelectOp(IRDLOperation):
    """lhs where the mask is not 0, else rhs; all three broadcast.

    `%y = nn.select %mask, %a, %b : tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xf32> -> tensor<1x8xf32>`
    """

    name = "nn.select"

    mask = operand_def(F32Tensor)
    lhs = operand_def(F32Tensor)
    rhs = operand_def(F32Tensor)
    result = result_def(F32Tensor)

    assembly_format = (
        "$mask `,` $lhs `,` $rhs attr-dict `:` type($mask) `,` type($lhs) `,` type($rhs) "
        "`->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(self, mask: SSAValue, lhs: SSAValue, rhs: SSAValue):
        operands = [mask, lhs, rhs]
        shape = broadcast_shape(*(shape_of(value.type) for value in operands))
        super().__init__(operands=operands, result_types=[float_type(shape)])

    def verify_(self) -> None:
        verify_broadcast([value.type for value in self.operands], self.result.type)
