# SPDX-License-Identifier: Apache-2.0
"""`cmsis`: one operation is one call of CMSIS-NN, `cmsis.X` is `arm_X`."""

from xdsl.ir import Dialect

from sparsec.ir.cmsis.convolution import ConvolveOp, DepthwiseConvOp
from sparsec.ir.cmsis.elementwise import ElementwiseAddOp, ElementwiseMulOp
from sparsec.ir.cmsis.fully_connected import FullyConnectedOp
from sparsec.ir.cmsis.pool import AvgPoolOp, MaxPoolOp
from sparsec.ir.cmsis.softmax import SoftmaxOp

Cmsis = Dialect(
    "cmsis",
    [
        ConvolveOp,
        DepthwiseConvOp,
        FullyConnectedOp,
        ElementwiseAddOp,
        ElementwiseMulOp,
        MaxPoolOp,
        AvgPoolOp,
        SoftmaxOp,
    ],
)
