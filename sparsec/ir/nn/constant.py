# SPDX-License-Identifier: Apache-2.0
"""Constants, as trained."""

from xdsl.irdl import (
    irdl_op_definition,
)

from sparsec.ir.constant import DenseConstantOp


@irdl_op_definition
class ConstantOp(DenseConstantOp):
    """`%w = nn.constant named "conv1.weight" dense<..> : tensor<6x5x5x1xf32>`"""

    name = "nn.constant"
