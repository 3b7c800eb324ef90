# SPDX-License-Identifier: Apache-2.0
"""Softmax."""

from typing import ClassVar

from xdsl.irdl import irdl_op_definition

from sparsec.ir.kernel import CmsisOp
from sparsec.ir.softmax import SoftmaxCall


@irdl_op_definition
class SoftmaxOp(SoftmaxCall, CmsisOp):
    """`arm_softmax_s8`, over the last axis."""

    name = "cmsis.softmax_s8"
    C_FUNCTION: ClassVar[str] = "arm_softmax_s8"
