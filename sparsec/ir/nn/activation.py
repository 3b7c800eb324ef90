# SPDX-License-Identifier: Apache-2.0
"""Functions of each value on its own, and softmax."""

from xdsl.dialects.builtin import (
    StringAttr,
)
from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    prop_def,
)
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.expression import Term, parse
from sparsec.ir.nn.types import SameTypeOp
from sparsec.ir.quantization import BoundsAttr
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
