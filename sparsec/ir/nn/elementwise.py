# SPDX-License-Identifier: Apache-2.0
"""Functions of two tensors, element by element."""

from typing import ClassVar

from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    base,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.nn.types import F32Tensor
from sparsec.ir.quantization import BoundsAttr


@irdl_op_definition
class AddOp(IRDLOperation):
    """Element-wise sum, no broadcast, then a clamp if `bounds` is set.

    `%y = nn.add %a, %b : tensor<1x4x4x8xf32>`
    """

    name = "nn.add"
    T: ClassVar = VarConstraint("T", base(F32Tensor))

    lhs = operand_def(T)
    rhs = operand_def(T)
    bounds = opt_prop_def(BoundsAttr)
    result = result_def(T)

    assembly_format = "$lhs `,` $rhs (`clamp` $bounds^)? attr-dict `:` type($lhs)"

    traits = traits_def(Pure())

    def __init__(self, lhs: SSAValue, rhs: SSAValue, bounds: BoundsAttr | None = None):
        super().__init__(
            operands=[lhs, rhs], properties={"bounds": bounds}, result_types=[lhs.type]
        )
