# SPDX-License-Identifier: Apache-2.0
"""Softmax over rows of any length."""

from typing import ClassVar

from xdsl.irdl import irdl_op_definition

from sparsec.ir.kernel import RuntimeOp
from sparsec.ir.softmax import SoftmaxCall


@irdl_op_definition
class SoftmaxOp(SoftmaxCall, RuntimeOp):
    """`sparsec_softmax_s8`, over the last axis."""

    name = "rt.softmax_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_softmax_s8"
