# SPDX-License-Identifier: Apache-2.0
"""Functions of each value on its own, and softmax."""

from typing import ClassVar

from xdsl.dialects.builtin import I8, StringAttr, TensorType
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    base,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.expression import Term, parse
from sparsec.ir.nn.types import F32Tensor, SameTypeOp
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.shapes import verify_mask
from sparsec.quantization.scheme import Bounds


@irdl_op_definition
class ClampOp(SameTypeOp):
    """Element-wise clamp; relu is `<min = 0.0>`, relu6 `<min = 0.0, max = 6.0>`.

    `%y = nn.clamp %x <min = 0.0> : tensor<1x4xf32>`
    """

    name = "nn.clamp"

    bounds = prop_def(BoundsAttr)

    assembly_format = "$input $bounds attr-dict `:` type($input)"

    def __init__(self, input: SSAValue, bounds: Bounds):
        super().__init__(
            operands=[input],
            properties={"bounds": BoundsAttr(bounds)},
            result_types=[input.type],
        )


@irdl_op_definition
class ActivationOp(SameTypeOp):
    """A function of each value, which becomes a table of 256 bytes in int8 (`ir/expression.py`).

    `%y = nn.activation "x * sigmoid(1.702 * x)" %x : tensor<1x4xf32>`
    """

    name = "nn.activation"

    function = prop_def(StringAttr)

    assembly_format = "$function $input attr-dict `:` type($input)"

    def __init__(self, function: Term, input: SSAValue):
        super().__init__(
            operands=[input],
            properties={"function": StringAttr(str(function))},
            result_types=[input.type],
        )

    @property
    def term(self) -> Term:
        """The function."""
        return parse(self.function.data)

    def verify_(self) -> None:
        try:
            parse(self.function.data)
        except ValueError as error:
            raise VerifyException(str(error)) from error


@irdl_op_definition
class SoftmaxOp(SameTypeOp):
    """Softmax over the last axis. `%y = nn.softmax %x : tensor<1x10xf32>`"""

    name = "nn.softmax"

    assembly_format = "$input attr-dict `:` type($input)"

    def __init__(self, input: SSAValue):
        super().__init__(operands=[input], result_types=[input.type])


@irdl_op_definition
class MaskedSoftmaxOp(IRDLOperation):
    """Softmax over those values of the last axis for which the mask, which broadcasts, is not 0; the others become 0.

    `%y = nn.masked_softmax %x, %mask : tensor<1x2x4x4xf32>, tensor<1x1x4x4xi8>`
    """

    name = "nn.masked_softmax"
    T: ClassVar = VarConstraint("T", base(F32Tensor))

    input = operand_def(T)
    mask = operand_def(TensorType[I8])
    result = result_def(T)

    assembly_format = "$input `,` $mask attr-dict `:` type($input) `,` type($mask)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, mask: SSAValue):
        super().__init__(operands=[input, mask], result_types=[input.type])

    def verify_(self) -> None:
        verify_mask(self.input.type, self.mask)
