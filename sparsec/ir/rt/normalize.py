# SPDX-License-Identifier: Apache-2.0
"""The normalisation of `rt`."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def

from sparsec.ir.kernel import (
    CArgument,
    RuntimeOp,
    activation,
    byte_count,
    image_dims,
    per_channel,
)
from sparsec.ir.params import NormalizeParamsAttr
from sparsec.ir.shapes import verify_normalization
from sparsec.planning.overlap import Overlap
from sparsec.quantization.normalization import NormalizeParams


@irdl_op_definition
class NormalizeOp(RuntimeOp):
    """`sparsec_normalize_s8`."""

    name = "rt.normalize_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_normalize_s8"

    input = operand_def(MemRefType[I8])
    bias = operand_def(MemRefType[I32])
    multiplier = operand_def(MemRefType[I32])
    shift = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    params = prop_def(NormalizeParamsAttr)

    assembly_format = (
        "$input `,` $bias `requant` `(` $multiplier `,` $shift `)` $params `into` $output attr-dict "
        "`:` type($input) `,` type($bias) `,` type($multiplier) `,` type($shift) `,` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        output: SSAValue,
        params: NormalizeParams,
    ):
        super().__init__(
            operands=[input, bias, multiplier, shift, output],
            properties={"params": NormalizeParamsAttr(params)},
        )

    def verify_(self) -> None:
        by_channel = {
            "bias": self.bias.type,
            "multiplier": self.multiplier.type,
            "shift": self.shift.type,
        }
        verify_normalization(self.params.data.groups, self.input.type, by_channel, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            -p.input_zp,
            p.output_zp,
            activation(p.clamp),
            p.groups,
            p.centered,
            p.epsilon,
            per_channel(self.multiplier, self.shift),
            self.bias,
            image_dims(self.input.type),
            self.input,
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        # Each set is read as a whole before it is written, and only by itself: in place.
        size = byte_count(input.type)
        return Overlap(size, size, step=size)
