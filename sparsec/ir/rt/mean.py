# SPDX-License-Identifier: Apache-2.0
"""The operation of `rt` that reduces a whole image to one pixel."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def

from sparsec.ir.kernel import CArgument, RuntimeOp, activation, byte_count, image_dims
from sparsec.ir.params import RescaleAttr
from sparsec.ir.rt.elementwise import per_tensor
from sparsec.ir.shapes import verify_mean
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import Rescale


@irdl_op_definition
class MeanOp(RuntimeOp):
    """`sparsec_mean_s8`."""

    name = "rt.mean_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_mean_s8"

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(RescaleAttr)

    assembly_format = "$input $params `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue, params: Rescale):
        super().__init__(operands=[input, output], properties={"params": RescaleAttr(params)})

    def verify_(self) -> None:
        verify_mean(self.input.type, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            -p.input_zp,
            p.output_zp,
            activation(p.clamp),
            per_tensor(p.multiplier, p.shift),
            image_dims(self.input.type),
            self.input,
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        # A group of channels of all pixels is read before the channels of the output are written: where these lie over
        # the same channels of a pixel, nobody reads those again.
        return Overlap(0, byte_count(input.type), step=byte_count(output.type))
