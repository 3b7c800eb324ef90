"""The quantization of a tensor as an attribute."""

from typing import ClassVar

from xdsl.irdl import irdl_attr_definition

from sparsec.ir.record import RecordAttr
from sparsec.quantization.scheme import Quantization


@irdl_attr_definition
class QuantizationAttr(RecordAttr[Quantization]):
    """`#nn.quantization<scales = [0.05], zero_point = 3>`."""

    name = "nn.quantization"
    RECORD: ClassVar = Quantization
