# SPDX-License-Identifier: Apache-2.0
"""The operations of `qnn` on two tensors element by element.

The one rule: they broadcast as in numpy, so a vector is one value for each channel and a single value
one for all.
"""

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import I8, TensorType
from xdsl.ir import Attribute, SSAValue
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

from sparsec.ir.params import AddParamsAttr, MulParamsAttr, PreluParamsAttr
from sparsec.ir.shapes import expect_shape, shape_of, verify_broadcast
from sparsec.quantization.params import AddParams, MulParams, PreluParams

_PARAMS_FORMAT = "$lhs `,` $rhs $params attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)"


class ElementwiseOp(IRDLOperation, ABC):
    """An operation on two tensors."""

    lhs = operand_def(TensorType[I8])
    rhs = operand_def(TensorType[I8])
    result = result_def(TensorType[I8])

    traits = traits_def(Pure())

    def verify_(self) -> None:
        verify_broadcast([self.lhs.type, self.rhs.type], self.result.type)


@irdl_op_definition
class MulOp(ElementwiseOp):
    """Element-wise product.

    ```mlir
    %y = qnn.mul %x, %c <input1_zp = 1, input2_zp = 0, multiplier = 1073741824, shift = -3, output_zp = 2>
        : tensor<1x4x4x2xi8>, tensor<2xi8> -> tensor<1x4x4x2xi8>
    ```
    """

    name = "qnn.mul"

    params = prop_def(MulParamsAttr)

    assembly_format = _PARAMS_FORMAT

    def __init__(self, lhs: SSAValue, rhs: SSAValue, params: MulParams, result_type: Attribute):
        super().__init__(
            operands=[lhs, rhs],
            properties={"params": MulParamsAttr(params)},
            result_types=[result_type],
        )


class SumOp(ElementwiseOp, ABC):
    """lhs + SIGN * rhs."""

    SIGN: ClassVar[int]

    params = prop_def(AddParamsAttr)

    assembly_format = _PARAMS_FORMAT

    def __init__(self, lhs: SSAValue, rhs: SSAValue, params: AddParams, result_type: Attribute):
        super().__init__(
            operands=[lhs, rhs],
            properties={"params": AddParamsAttr(params)},
            result_types=[result_type],
        )


@irdl_op_definition
class SubOp(SumOp):
    """Element-wise difference; the scaled terms are rounded before they are subtracted.

    `%z = qnn.sub %x, %y <input1_zp = .., ..> : tensor<..>, tensor<..> -> tensor<..>`
    """

    name = "qnn.sub"
    SIGN: ClassVar[int] = -1


@irdl_op_definition
class BroadcastAddOp(SumOp):
    """Element-wise sum of tensors that broadcast; `qnn.add` is that of two whole tensors.

    `%z = qnn.broadcast_add %x, %c <input1_zp = .., ..> : tensor<..>, tensor<2xi8> -> tensor<..>`
    """

    name = "qnn.broadcast_add"
    SIGN: ClassVar[int] = 1


class ExtremeOp(ElementwiseOp, ABC):
    """The larger or smaller of two stored values, which have one scale and zero point."""

    assembly_format = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue, result_type: Attribute):
        super().__init__(operands=[lhs, rhs], result_types=[result_type])


@irdl_op_definition
class MaximumOp(ExtremeOp):
    """`%z = qnn.maximum %x, %y : tensor<..>, tensor<..> -> tensor<..>`"""

    name = "qnn.maximum"


@irdl_op_definition
class MinimumOp(ExtremeOp):
    """`%z = qnn.minimum %x, %y : tensor<..>, tensor<..> -> tensor<..>`"""

    name = "qnn.minimum"


@irdl_op_definition
class PreluOp(IRDLOperation):
    """x, or alpha * x where x is negative; `alpha` broadcasts.

    `%y = qnn.prelu %x, %alpha <input_zp = .., ..> : tensor<..>, tensor<2xi8> -> tensor<..>`
    """

    name = "qnn.prelu"

    input = operand_def(TensorType[I8])
    alpha = operand_def(TensorType[I8])
    params = prop_def(PreluParamsAttr)
    result = result_def(TensorType[I8])

    assembly_format = (
        "$input `,` $alpha $params attr-dict `:` type($input) `,` type($alpha) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, alpha: SSAValue, params: PreluParams):
        super().__init__(
            operands=[input, alpha],
            properties={"params": PreluParamsAttr(params)},
            result_types=[input.type],
        )

    def verify_(self) -> None:
        expect_shape(self.result.type, shape_of(self.input.type), "result")
        verify_broadcast([self.input.type, self.alpha.type], self.result.type)


@irdl_op_definition
class AddOp(IRDLOperation):
    """Element-wise sum of two tensors with scales of their own."""

    name = "qnn.add"
    T: ClassVar = VarConstraint("T", base(TensorType[I8]))

    lhs = operand_def(T)
    rhs = operand_def(T)
    params = prop_def(AddParamsAttr)
    result = result_def(T)

    assembly_format = "$lhs `,` $rhs $params attr-dict `:` type($lhs)"

    traits = traits_def(Pure())

    def __init__(self, lhs: SSAValue, rhs: SSAValue, params: AddParams):
        super().__init__(
            operands=[lhs, rhs],
            properties={"params": AddParamsAttr(params)},
            result_types=[lhs.type],
        )


@irdl_op_definition
class SelectOp(IRDLOperation):
    """lhs where the mask is not 0, else rhs, which have one scale and zero point; all three broadcast.

    `%z = qnn.select %mask, %x, %y : tensor<..>, tensor<..>, tensor<..> -> tensor<..>`
    """

    name = "qnn.select"

    mask = operand_def(TensorType[I8])
    lhs = operand_def(TensorType[I8])
    rhs = operand_def(TensorType[I8])
    result = result_def(TensorType[I8])

    assembly_format = (
        "$mask `,` $lhs `,` $rhs attr-dict `:` type($mask) `,` type($lhs) `,` type($rhs) "
        "`->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(self, mask: SSAValue, lhs: SSAValue, rhs: SSAValue, result_type: Attribute):
        super().__init__(operands=[mask, lhs, rhs], result_types=[result_type])

    def verify_(self) -> None:
        verify_broadcast([value.type for value in self.operands], self.result.type)
