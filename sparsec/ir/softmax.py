# SPDX-License-Identifier: Apache-2.0
"""What the calls for softmax share, CMSIS-NN's and the runtime's for longer rows: arguments, and how far outputs may overlap."""

from abc import ABC
from collections.abc import Sequence

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import operand_def, prop_def

from sparsec.ir.kernel import CArgument, KernelOp, element_count
from sparsec.ir.params import SoftmaxParamsAttr
from sparsec.ir.shapes import expect_shape, shape_of
from sparsec.quantization.params import SoftmaxParams


class SoftmaxCall(KernelOp, ABC):
    """Softmax over the last axis."""

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(SoftmaxParamsAttr)

    assembly_format = "$input $params `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue, params: SoftmaxParams):
        super().__init__(operands=[input, output], properties={"params": SoftmaxParamsAttr(params)})

    def verify_(self) -> None:
        expect_shape(self.output.type, shape_of(self.input.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        row = shape_of(self.input.type)[-1]
        rows = element_count(self.input.type) // row
        return (self.input, rows, row, p.multiplier, p.shift, p.diff_min, self.output)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def in_step(self) -> Sequence[SSAValue]:
        # Of a row the maximum and the sum are known before its first byte is written, each byte when it is read again.
        return (self.input,)
