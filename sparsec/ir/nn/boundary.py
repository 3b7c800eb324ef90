# SPDX-License-Identifier: Apache-2.0
"""What stands between float and int8, and between an image of bytes and float."""

from xdsl.dialects.builtin import (
    Float32Type,
    TensorType,
    i8,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import ui8
from sparsec.ir.nn.types import F32Tensor, I8Tensor
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import (
    expect_shape,
    shape_of,
)
from sparsec.quantization.scheme import Quantization


def verify_scheme(quantization: Quantization, type: Attribute) -> None:
    """A per-axis scheme has one scale for each index of its axis."""
    shape = shape_of(type)
    axis = quantization.axis
    if axis is None:
        return
    if not 0 <= axis < len(shape) or shape[axis] != len(quantization.scales):
        raise VerifyException(f"{len(quantization.scales)} scales do not fit axis {axis} of {type}")


@irdl_op_definition
class QuantizeOp(IRDLOperation):
    """`%q = nn.quantize %x <scales = [0.05], zero_point = 3> : tensor<4xf32> -> tensor<4xi8>`"""

    name = "nn.quantize"

    input = operand_def(F32Tensor)
    quantization = prop_def(QuantizationAttr)
    result = result_def(I8Tensor)

    assembly_format = "$input $quantization attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, quantization: Quantization):
        super().__init__(
            operands=[input],
            properties={"quantization": QuantizationAttr(quantization)},
            result_types=[TensorType(i8, shape_of(input.type))],
        )

    def verify_(self) -> None:
        expect_shape(self.result.type, shape_of(self.input.type), "result")
        verify_scheme(self.quantization.data, self.input.type)


@irdl_op_definition
class DequantizeOp(IRDLOperation):
    """`%x = nn.dequantize %q <scales = [0.05], zero_point = 3> : tensor<4xi8> -> tensor<4xf32>`"""

    name = "nn.dequantize"

    input = operand_def(I8Tensor)
    quantization = prop_def(QuantizationAttr)
    result = result_def(F32Tensor)

    assembly_format = "$input $quantization attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, quantization: Quantization):
        super().__init__(
            operands=[input],
            properties={"quantization": QuantizationAttr(quantization)},
            result_types=[TensorType(Float32Type(), shape_of(input.type))],
        )

    def verify_(self) -> None:
        expect_shape(self.result.type, shape_of(self.input.type), "result")
        verify_scheme(self.quantization.data, self.input.type)


@irdl_op_definition
class FromUint8Op(IRDLOperation):
    """`%y = nn.from_uint8 %x : tensor<1x8x8x3xui8> -> tensor<1x8x8x3xf32>`: the bytes as numbers from 0 to 255."""

    name = "nn.from_uint8"

    input = operand_def(TensorType.constr(ui8))
    result = result_def(F32Tensor)

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue):
        super().__init__(
            operands=[input], result_types=[TensorType(Float32Type(), shape_of(input.type))]
        )

    def verify_(self) -> None:
        expect_shape(self.result.type, shape_of(self.input.type), "result")
