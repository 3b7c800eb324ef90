# SPDX-License-Identifier: Apache-2.0
"""The operation of `qnn` that reduces a whole image to one pixel."""

from xdsl.dialects.builtin import I8, TensorType, i8
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

from sparsec.ir.params import RescaleAttr
from sparsec.ir.shapes import shape_of, verify_mean
from sparsec.quantization.params import Rescale


@irdl_op_definition
class MeanOp(IRDLOperation):
    """Of each channel clamp(requantize(sum of all `input - input_zp`) + output_zp), TFLite's MEAN
    over height and width: the division by the number of pixels is part of the multiplier.

    ```mlir
    %y = qnn.mean %x <input_zp = 3, multiplier = 1073741824, shift = -3>
        : tensor<1x4x4x8xi8> -> tensor<1x1x1x8xi8>
    ```
    """

    name = "qnn.mean"

    input = operand_def(TensorType[I8])
    params = prop_def(RescaleAttr)
    result = result_def(TensorType[I8])

    assembly_format = "$input $params attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, params: Rescale):
        super().__init__(
            operands=[input],
            properties={"params": RescaleAttr(params)},
            result_types=[TensorType(i8, (1, 1, 1, shape_of(input.type)[-1]))],
        )

    def verify_(self) -> None:
        verify_mean(self.input.type, self.result.type)
