# SPDX-License-Identifier: Apache-2.0
"""Products of int8 matrices that are both computed."""

from xdsl.dialects.builtin import I8, TensorType, UnitAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.params import MatmulParamsAttr
from sparsec.ir.shapes import shape_of, verify_broadcast, verify_matmul
from sparsec.quantization.matmul import MatmulParams


@irdl_op_definition
class MatmulOp(IRDLOperation):
    """The product of each matrix on the left with the one in its place on the right, as `quantization/matmul.py` has it. An
    addend, which broadcasts, is added to the sums, `addend_factor` times.

    ```mlir
    %y = qnn.matmul %q, %k transposed <lhs_zp = 3, rhs_zp = 0, multiplier = 1073741824, shift = -9, output_zp = -7>
        : tensor<1x2x9x8xi8>, tensor<1x2x9x8xi8> -> tensor<1x2x9x9xi8>
    ```
    """

    name = "qnn.matmul"

    lhs = operand_def(TensorType[I8])
    rhs = operand_def(TensorType[I8])
    addend = opt_operand_def(TensorType[I8])
    lhs_transposed = opt_prop_def(UnitAttr)
    rhs_transposed = opt_prop_def(UnitAttr)
    params = prop_def(MatmulParamsAttr)
    result = result_def(TensorType[I8])

    assembly_format = (
        "$lhs (`transposed` $lhs_transposed^)? `,` $rhs (`transposed` $rhs_transposed^)? "
        "(`plus` $addend^ `:` type($addend))? $params attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(
        self,
        lhs: SSAValue,
        rhs: SSAValue,
        transposed: tuple[bool, bool],
        params: MatmulParams,
        result_type: Attribute,
        addend: SSAValue | None = None,
    ):
        flags = [UnitAttr() if each else None for each in transposed]
        super().__init__(
            operands=[lhs, rhs, addend],
            properties={
                "lhs_transposed": flags[0],
                "rhs_transposed": flags[1],
                "params": MatmulParamsAttr(params),
            },
            result_types=[result_type],
        )

    @property
    def transposed(self) -> tuple[bool, bool]:
        """Whether the matrices on the left lie transposed, and those on the right."""
        return self.lhs_transposed is not None, self.rhs_transposed is not None

    @property
    def depth(self) -> int:
        """Products in a sum."""
        return shape_of(self.lhs.type)[-2 if self.transposed[0] else -1]

    def verify_(self) -> None:
        verify_matmul(self.lhs.type, self.rhs.type, self.transposed, self.result.type)
        if self.addend is not None:
            verify_broadcast([self.result.type, self.addend.type], self.result.type)
