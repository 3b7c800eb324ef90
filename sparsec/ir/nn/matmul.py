# SPDX-License-Identifier: Apache-2.0
"""Products of matrices that are both computed."""

from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.nn.types import F32Tensor
from sparsec.ir.shapes import verify_broadcast, verify_matmul


@irdl_op_definition
class MatmulOp(IRDLOperation):
    """The product of each matrix on the left with the one in its place on the right; each side's may lie transposed. An
    addend, which broadcasts, is added.

    ```mlir
    %y = nn.matmul %q, %k transposed : tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32> -> tensor<1x2x9x9xf32>
    ```
    """

    name = "nn.matmul"

    lhs = operand_def(F32Tensor)
    rhs = operand_def(F32Tensor)
    addend = opt_operand_def(F32Tensor)
    lhs_transposed = opt_prop_def(UnitAttr)
    rhs_transposed = opt_prop_def(UnitAttr)
    result = result_def(F32Tensor)

    assembly_format = (
        "$lhs (`transposed` $lhs_transposed^)? `,` $rhs (`transposed` $rhs_transposed^)? "
        "(`plus` $addend^ `:` type($addend))? attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(
        self,
        lhs: SSAValue,
        rhs: SSAValue,
        transposed: tuple[bool, bool],
        result_type: Attribute,
        addend: SSAValue | None = None,
    ):
        flags = [UnitAttr() if each else None for each in transposed]
        super().__init__(
            operands=[lhs, rhs, addend],
            properties={"lhs_transposed": flags[0], "rhs_transposed": flags[1]},
            result_types=[result_type],
        )

    @property
    def transposed(self) -> tuple[bool, bool]:
        """Whether the matrices on the left lie transposed, and those on the right."""
        return self.lhs_transposed is not None, self.rhs_transposed is not None

    def verify_(self) -> None:
        verify_matmul(self.lhs.type, self.rhs.type, self.transposed, self.result.type)
        if self.addend is not None:
            verify_broadcast([self.result.type, self.addend.type], self.result.type)
