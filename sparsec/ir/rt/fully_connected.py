# SPDX-License-Identifier: Apache-2.0
"""A fully connected layer of dense weights, for every core."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.kernel import CArgument, dims, element_count, per_channel
from sparsec.ir.params import RequantAttr
from sparsec.ir.rt.delta8 import FoldedBiasOp
from sparsec.ir.shapes import shape_of, verify_linear
from sparsec.quantization.params import Requant


@irdl_op_definition
class FullyConnectedPerChannelOp(FoldedBiasOp):
    """`sparsec_fully_connected_per_channel_s8`: one row of inputs by dense weights, a multiplier
    and shift for each output. (CMSIS-NN has one for all.)"""

    name = "rt.fully_connected_per_channel_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_per_channel_s8"

    weights = operand_def(MemRefType[I8])

    assembly_format = (
        "$input `,` $weights `,` $bias `requant` `(` $multiplier `,` $shift `)` $requant "
        "`into` $output attr-dict `:` type($input) `,` type($weights) `,` type($bias) `,` "
        "type($multiplier) `,` type($shift) `,` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        output: SSAValue,
        requant: Requant,
    ):
        super().__init__(
            operands=[weights, input, bias, multiplier, shift, output],
            properties={"requant": RequantAttr(requant)},
        )

    def verify_(self) -> None:
        features = verify_linear(self.input.type, self.weights.type, self.output.type)
        if element_count(self.output.type) != features:
            raise VerifyException("this kernel takes one row of inputs")
        self.verify_channels(features)

    def c_arguments(self) -> Sequence[CArgument]:
        features, depth = shape_of(self.weights.type)
        return (
            self.fully_connected_params(),
            per_channel(self.multiplier, self.shift),
            self.input,
            dims(depth, 1, 1, features),
            self.weights,
            self.bias,
            dims(1, 1, 1, features),
            self.output,
        )
