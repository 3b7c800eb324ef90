# SPDX-License-Identifier: Apache-2.0
"""A fully connected layer of dense weights."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import I8, I32, IntegerAttr, MemRefType, i32
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def

from sparsec.ir.kernel import CArgument, CmsisOp, CStruct, activation, context, dims, element_count
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import expect_shape, shape_of, verify_linear
from sparsec.planning.one_way import one_way, spans
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import Requant


@irdl_op_definition
class FullyConnectedOp(CmsisOp):
    """`arm_fully_connected_s8`: one multiplier and shift for all outputs.

    Not for Helium, where it wants the sums of the weights in the place of scratch memory, prepared
    as each release of CMSIS-NN likes.
    """

    name = "cmsis.fully_connected_s8"
    C_FUNCTION: ClassVar[str] = "arm_fully_connected_s8"

    input = operand_def(MemRefType[I8])
    weights = operand_def(MemRefType[I8])
    bias = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    requant = prop_def(RequantAttr)
    multiplier = prop_def(IntegerAttr[I32])
    shift = prop_def(IntegerAttr[I32])

    assembly_format = (
        "$input `,` $weights `,` $bias `requant` `(` $multiplier `,` $shift `)` $requant "
        "`into` $output attr-dict `:` "
        "type($input) `,` type($weights) `,` type($bias) `,` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        bias: SSAValue,
        output: SSAValue,
        requant: Requant,
        multiplier: int,
        shift: int,
    ):
        super().__init__(
            operands=[input, weights, bias, output],
            properties={
                "requant": RequantAttr(requant),
                "multiplier": IntegerAttr(multiplier, i32),
                "shift": IntegerAttr(shift, i32),
            },
        )

    def verify_(self) -> None:
        features = verify_linear(self.input.type, self.weights.type, self.output.type)
        expect_shape(self.bias.type, (features,), "bias")

    def c_arguments(self) -> Sequence[CArgument]:
        features, depth = shape_of(self.weights.type)
        rows = element_count(self.input.type) // depth
        requant = self.requant.data
        return (
            context(None),
            CStruct(
                "cmsis_nn_fc_params",
                {
                    "input_offset": -requant.input_zp,
                    "filter_offset": 0,
                    "output_offset": requant.output_zp,
                    "activation": activation(requant.clamp),
                },
            ),
            CStruct(
                "cmsis_nn_per_tensor_quant_params",
                {"multiplier": self.multiplier.value.data, "shift": self.shift.value.data},
            ),
            dims(rows, 1, 1, depth),
            self.input,
            dims(depth, 1, 1, features),
            self.weights,
            dims(1, 1, 1, features),
            self.bias,
            dims(rows, 1, 1, features),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        # Row after row; within one, every output needs all of the input.
        features, depth = shape_of(self.weights.type)
        rows = np.arange(element_count(input.type) // depth)
        return one_way(spans(rows * depth, depth), spans(rows * features, features))
