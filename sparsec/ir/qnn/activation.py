# SPDX-License-Identifier: Apache-2.0
"""Functions of each int8 value on its own, and softmax."""

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import I8, TensorType, i8
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

from sparsec.ir.constant import ui8
from sparsec.ir.params import RescaleAttr, SoftmaxParamsAttr
from sparsec.ir.shapes import expect_shape, shape_of, verify_mask
from sparsec.quantization.params import Rescale, SoftmaxParams


class SameTypeOp(IRDLOperation, ABC):
    """A layer whose result has the type of its input."""

    T: ClassVar = VarConstraint("T", base(TensorType[I8]))

    input = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure())


@irdl_op_definition
class LookupOp(IRDLOperation):
    """result = table[input + 128].

    `%y = qnn.lookup %x, %table : tensor<1x4xi8>, tensor<256xi8>`
    """

    name = "qnn.lookup"
    T: ClassVar = VarConstraint("T", base(TensorType[I8]))

    input = operand_def(T)
    table = operand_def(TensorType[I8])
    result = result_def(T)

    assembly_format = "$input `,` $table attr-dict `:` type($input) `,` type($table)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, table: SSAValue):
        super().__init__(operands=[input, table], result_types=[input.type])

    def verify_(self) -> None:
        expect_shape(self.table.type, (256,), "table")


@irdl_op_definition
class RescaleOp(SameTypeOp):
    """clamp(requantize(input - input_zp) + output_zp), TFLite's QUANTIZE from int8 to int8.

    `%y = qnn.rescale %x <input_zp = 3, multiplier = 1073741824, shift = 1> : tensor<1x4xi8>`
    """

    name = "qnn.rescale"

    params = prop_def(RescaleAttr)

    assembly_format = "$input $params attr-dict `:` type($input)"

    def __init__(self, input: SSAValue, params: Rescale):
        super().__init__(
            operands=[input], properties={"params": RescaleAttr(params)}, result_types=[input.type]
        )


@irdl_op_definition
class SoftmaxOp(SameTypeOp):
    """Softmax over the last axis; the result has scale 1/256 and zero point -128.

    `%y = qnn.softmax %x <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x10xi8>`
    """

    name = "qnn.softmax"

    params = prop_def(SoftmaxParamsAttr)

    assembly_format = "$input $params attr-dict `:` type($input)"

    def __init__(self, input: SSAValue, params: SoftmaxParams):
        super().__init__(
            operands=[input],
            properties={"params": SoftmaxParamsAttr(params)},
            result_types=[input.type],
        )


@irdl_op_definition
class MaskedSoftmaxOp(IRDLOperation):
    """Softmax over those values of the last axis for which the mask, which broadcasts, is not 0; the others become -128.

    ```mlir
    %y = qnn.masked_softmax %x, %mask <multiplier = 1717986918, shift = 23, diff_min = -248>
        : tensor<1x2x4x4xi8>, tensor<1x1x4x4xi8>
    ```
    """

    name = "qnn.masked_softmax"
    T: ClassVar = VarConstraint("T", base(TensorType[I8]))

    input = operand_def(T)
    mask = operand_def(TensorType[I8])
    params = prop_def(SoftmaxParamsAttr)
    result = result_def(T)

    assembly_format = "$input `,` $mask $params attr-dict `:` type($input) `,` type($mask)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, mask: SSAValue, params: SoftmaxParams):
        super().__init__(
            operands=[input, mask],
            properties={"params": SoftmaxParamsAttr(params)},
            result_types=[input.type],
        )

    def verify_(self) -> None:
        verify_mask(self.input.type, self.mask)


@irdl_op_definition
class FromUint8Op(IRDLOperation):
    """`%y = qnn.from_uint8 %x : tensor<1x8x8x3xui8> -> tensor<1x8x8x3xi8>`: each byte less 128."""

    name = "qnn.from_uint8"

    input = operand_def(TensorType.constr(ui8))
    result = result_def(TensorType[I8])

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue):
        super().__init__(operands=[input], result_types=[TensorType(i8, shape_of(input.type))])

    def verify_(self) -> None:
        expect_shape(self.result.type, shape_of(self.input.type), "result")
