# SPDX-License-Identifier: Apache-2.0
"""The quantization and the bounds of a tensor as attributes."""

from typing import ClassVar

from xdsl.irdl import irdl_attr_definition

from sparsec.ir.record import RecordAttr
from sparsec.quantization.scheme import Bounds, Quantization


@irdl_attr_definition
class QuantizationAttr(RecordAttr[Quantization]):
    """`#nn.quantization<scales = [0.05], zero_point = 3>`."""

    name = "nn.quantization"
    RECORD: ClassVar = Quantization


@irdl_attr_definition
class BoundsAttr(RecordAttr[Bounds]):
    """`#nn.bounds<min = 0.0, max = 6.0>`; what is absent is infinite."""

    name = "nn.bounds"
    RECORD: ClassVar = Bounds
