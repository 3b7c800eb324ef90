# SPDX-License-Identifier: Apache-2.0
"""The operations of `qnn` that make one number of several along axes that are next to each other.

The one rule: the result has as many axes as the input, of one element where it is reduced.
"""

from abc import ABC
from collections.abc import Sequence

from xdsl.dialects.builtin import I8, I32, TensorType, i32
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

from sparsec.ir.params import RescaleAttr
from sparsec.ir.shapes import verify_mean, verify_reduction
from sparsec.quantization.params import Rescale


class ReduceOp(IRDLOperation, ABC):
    """A reduction of stored values."""

    input = operand_def(TensorType[I8])
    result = result_def(TensorType[I8])

    traits = traits_def(Pure())


@irdl_op_definition
class MeanOp(ReduceOp):
    """clamp(requantize(sum of all `input - input_zp`) + output_zp), TFLite's MEAN and SUM: the division by the number
    of values is part of the multiplier.

    ```mlir
    %y = qnn.mean %x <input_zp = 3, multiplier = 1073741824, shift = -3>
        : tensor<1x4x4x8xi8> -> tensor<1x1x1x8xi8>
    ```
    """

    name = "qnn.mean"

    params = prop_def(RescaleAttr)

    assembly_format = "$input $params attr-dict `:` type($input) `->` type($result)"

    def __init__(self, input: SSAValue, params: Rescale, result_type: Attribute):
        super().__init__(
            operands=[input],
            properties={"params": RescaleAttr(params)},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        verify_mean(self.input.type, self.result.type)


class ReduceExtremeOp(ReduceOp, ABC):
    """The largest or smallest of stored values."""

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, input: SSAValue, result_type: Attribute):
        super().__init__(operands=[input], result_types=[result_type])

    def verify_(self) -> None:
        verify_reduction(self.input.type, self.result.type)


@irdl_op_definition
class ReduceMaxOp(ReduceExtremeOp):
    """`%y = qnn.reduce_max %x : tensor<1x4x4x8xi8> -> tensor<1x1x1x8xi8>`"""

    name = "qnn.reduce_max"


@irdl_op_definition
class ReduceMinOp(ReduceExtremeOp):
    """`%y = qnn.reduce_min %x : tensor<1x4x4x8xi8> -> tensor<1x1x1x8xi8>`"""

    name = "qnn.reduce_min"


class ArgOp(IRDLOperation, ABC):
    """Where along the reduced axes an extreme value is, counted over all of them; of several the first one."""

    input = operand_def(TensorType[I8])
    result = result_def(TensorType[I32])

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, shape: Sequence[int]):
        super().__init__(operands=[input], result_types=[TensorType(i32, shape)])

    def verify_(self) -> None:
        verify_reduction(self.input.type, self.result.type)


@irdl_op_definition
class ArgMaxOp(ArgOp):
    """`%y = qnn.arg_max %x : tensor<1x4x3x10xi8> -> tensor<1x4x3x1xi32>`"""

    name = "qnn.arg_max"


@irdl_op_definition
class ArgMinOp(ArgOp):
    """`%y = qnn.arg_min %x : tensor<1x4x3x10xi8> -> tensor<1x4x3x1xi32>`"""

    name = "qnn.arg_min"
