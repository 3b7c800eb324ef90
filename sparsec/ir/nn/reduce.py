# SPDX-License-Identifier: Apache-2.0
"""Layers that make one number of several along axes that are next to each other.

The one rule: the result has as many axes as the input, of one element where it is reduced.
"""

from abc import ABC
from collections.abc import Sequence

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, result_def, traits_def
from xdsl.traits import Pure

from sparsec.ir.nn.types import F32Tensor, I32Tensor, MovesData, index_type
from sparsec.ir.shapes import verify_reduction


class ReduceOp(IRDLOperation, ABC):
    """A reduction."""

    input = operand_def(F32Tensor)
    result = result_def(F32Tensor)

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, result_type: Attribute):
        super().__init__(operands=[input], result_types=[result_type])

    def verify_(self) -> None:
        verify_reduction(self.input.type, self.result.type)


@irdl_op_definition
class MeanOp(ReduceOp):
    """`%y = nn.mean %x : tensor<1x4x4x8xf32> -> tensor<1x1x1x8xf32>`"""

    name = "nn.mean"


@irdl_op_definition
class SumOp(ReduceOp):
    """`%y = nn.sum %x : tensor<1x4x4x8xf32> -> tensor<1x1x1x8xf32>`"""

    name = "nn.sum"


class ReduceExtremeOp(ReduceOp, ABC):
    """The largest or smallest of some values."""

    traits = traits_def(Pure(), MovesData())


@irdl_op_definition
class ReduceMaxOp(ReduceExtremeOp):
    """`%y = nn.reduce_max %x : tensor<1x16x8xf32> -> tensor<1x1x8xf32>`"""

    name = "nn.reduce_max"


@irdl_op_definition
class ReduceMinOp(ReduceExtremeOp):
    """`%y = nn.reduce_min %x : tensor<1x16x8xf32> -> tensor<1x1x8xf32>`"""

    name = "nn.reduce_min"


class ArgOp(IRDLOperation, ABC):
    """Where along the reduced axes an extreme value is, counted over all of them; of several the first one."""

    input = operand_def(F32Tensor)
    result = result_def(I32Tensor)

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, shape: Sequence[int]):
        super().__init__(operands=[input], result_types=[index_type(shape)])

    def verify_(self) -> None:
        verify_reduction(self.input.type, self.result.type)


@irdl_op_definition
class ArgMaxOp(ArgOp):
    """`%y = nn.arg_max %x : tensor<1x4x3x10xf32> -> tensor<1x4x3x1xi32>`"""

    name = "nn.arg_max"


@irdl_op_definition
class ArgMinOp(ArgOp):
    """`%y = nn.arg_min %x : tensor<1x4x3x10xf32> -> tensor<1x4x3x1xi32>`"""

    name = "nn.arg_min"
