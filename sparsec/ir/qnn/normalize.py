# SPDX-License-Identifier: Apache-2.0
"""Normalisation of stored values."""

from xdsl.dialects.builtin import I8, I32, TensorType
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.constant import verify_shifts
from sparsec.ir.params import NormalizeParamsAttr
from sparsec.ir.shapes import verify_normalization
from sparsec.quantization.normalization import NormalizeParams


@irdl_op_definition
class NormalizeOp(IRDLOperation):
    """What `quantization/normalization.py` computes; multiplier, shift and bias are those of each channel.

    ```mlir
    %y = qnn.normalize %x, %bias requant(%multiplier, %shift) <groups = 2, epsilon = 41>
        : tensor<1x4x1x8xi8>, tensor<8xi32>, tensor<8xi32>, tensor<8xi32> -> tensor<1x4x1x8xi8>
    ```
    """

    name = "qnn.normalize"

    input = operand_def(TensorType[I8])
    bias = operand_def(TensorType[I32])
    multiplier = operand_def(TensorType[I32])
    shift = operand_def(TensorType[I32])
    params = prop_def(NormalizeParamsAttr)
    result = result_def(TensorType[I8])

    assembly_format = (
        "$input `,` $bias `requant` `(` $multiplier `,` $shift `)` $params attr-dict `:` "
        "type($input) `,` type($bias) `,` type($multiplier) `,` type($shift) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        params: NormalizeParams,
    ):
        super().__init__(
            operands=[input, bias, multiplier, shift],
            properties={"params": NormalizeParamsAttr(params)},
            result_types=[input.type],
        )

    def verify_(self) -> None:
        by_channel = {
            "bias": self.bias.type,
            "multiplier": self.multiplier.type,
            "shift": self.shift.type,
        }
        verify_normalization(self.params.data.groups, self.input.type, by_channel, self.result.type)
        verify_shifts(self.shift)
