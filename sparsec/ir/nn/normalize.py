# SPDX-License-Identifier: Apache-2.0
"""Values brought to one spread: layer, group and instance normalisation, with or without their mean."""

from typing import ClassVar

from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.nn.types import F32Tensor
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.record import RecordAttr
from sparsec.ir.shapes import verify_normalization
from sparsec.quantization.normalization import Norm


@irdl_attr_definition
class NormAttr(RecordAttr[Norm]):
    """`#nn.norm<groups = 2, epsilon = 1.0e-05>`."""

    name = "nn.norm"
    RECORD: ClassVar = Norm


@irdl_op_definition
class NormalizeOp(IRDLOperation):
    """d / sqrt(mean(d * d) + epsilon) * scale + bias, then a clamp if `bounds` is set; 0 / 0 is 0.

    Of an image 1xHxWxC those values belong together that have a row and a group of channels in common; d is a value
    without their mean, or with it where `centered` is 0.

    `%y = nn.normalize %x, %scale, %bias by <epsilon = 1.0e-05> : tensor<1x4x1x8xf32>, ..`
    """

    name = "nn.normalize"

    input = operand_def(F32Tensor)
    scale = operand_def(F32Tensor)
    bias = operand_def(F32Tensor)
    norm = prop_def(NormAttr)
    bounds = opt_prop_def(BoundsAttr)
    result = result_def(F32Tensor)

    assembly_format = (
        "$input `,` $scale `,` $bias `by` $norm (`clamp` $bounds^)? attr-dict `:` type($input) `,` "
        "type($scale) `,` type($bias) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        scale: SSAValue,
        bias: SSAValue,
        norm: Norm,
        bounds: BoundsAttr | None = None,
    ):
        super().__init__(
            operands=[input, scale, bias],
            properties={"norm": NormAttr(norm), "bounds": bounds},
            result_types=[input.type],
        )

    def verify_(self) -> None:
        by_channel = {"scale": self.scale.type, "bias": self.bias.type}
        verify_normalization(self.norm.data.groups, self.input.type, by_channel, self.result.type)
