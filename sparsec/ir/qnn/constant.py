# SPDX-License-Identifier: Apache-2.0
"""Constants, and the quantization that values carry."""

from xdsl.irdl import irdl_op_definition

from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.sparse import verify_constant


@irdl_op_definition
class ConstantOp(DenseConstantOp):
    """`%w = qnn.constant named "conv1.weight" dense<..> : tensor<6x5x5x1xi8>`"""

    name = "qnn.constant"

    def verify_(self) -> None:
        verify_constant(self)
