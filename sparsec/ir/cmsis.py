"""`cmsis`: one operation is one call of CMSIS-NN, `cmsis.X` is `arm_X`."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import I8, I32, IntegerAttr, MemRefType, i32
from xdsl.ir import Dialect, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    prop_def,
)

from sparsec.ir.cmsis_convolution import ConvolveOp, DepthwiseConvOp
from sparsec.ir.cmsis_pool import AvgPoolOp, MaxPoolOp
from sparsec.ir.kernel import (
    CArgument,
    CmsisOp,
    CStruct,
    activation,
    byte_count,
    context,
    dims,
    element_count,
)
from sparsec.ir.params import AddParamsAttr, MulParamsAttr, RequantAttr, SoftmaxParamsAttr
from sparsec.ir.shapes import (
    expect_shape,
    shape_of,
    verify_linear,
)
from sparsec.planning.one_way import (
    one_way,
    repeated,
    spans,
)
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import AddParams, MulParams, Requant, SoftmaxParams


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


@irdl_op_definition
class ElementwiseAddOp(CmsisOp):
    """`arm_elementwise_add_s8`."""

    name = "cmsis.elementwise_add_s8"
    C_FUNCTION: ClassVar[str] = "arm_elementwise_add_s8"

    lhs = operand_def(MemRefType[I8])
    rhs = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(AddParamsAttr)

    assembly_format = (
        "$lhs `,` $rhs $params `into` $output attr-dict `:` "
        "type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, params: AddParams):
        super().__init__(operands=[lhs, rhs, output], properties={"params": AddParamsAttr(params)})

    def verify_(self) -> None:
        expect_shape(self.rhs.type, shape_of(self.lhs.type), "right-hand side")
        expect_shape(self.output.type, shape_of(self.lhs.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            self.lhs,
            self.rhs,
            -p.input1_zp,
            p.input1_multiplier,
            p.input1_shift,
            -p.input2_zp,
            p.input2_multiplier,
            p.input2_shift,
            p.left_shift,
            self.output,
            p.output_zp,
            p.output_multiplier,
            p.output_shift,
            p.clamp[0],
            p.clamp[1],
            element_count(self.output.type),
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is self.output and input in (self.lhs, self.rhs):
            return repeated(byte_count(output.type), byte_count(input.type))
        return super().safe_overlap(output, input)


@irdl_op_definition
class ElementwiseMulOp(CmsisOp):
    """`arm_elementwise_mul_s8`."""

    name = "cmsis.elementwise_mul_s8"
    C_FUNCTION: ClassVar[str] = "arm_elementwise_mul_s8"

    lhs = operand_def(MemRefType[I8])
    rhs = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(MulParamsAttr)

    assembly_format = (
        "$lhs `,` $rhs $params `into` $output attr-dict `:` "
        "type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, params: MulParams):
        super().__init__(operands=[lhs, rhs, output], properties={"params": MulParamsAttr(params)})

    def verify_(self) -> None:
        expect_shape(self.rhs.type, shape_of(self.lhs.type), "right-hand side")
        expect_shape(self.output.type, shape_of(self.lhs.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            self.lhs,
            self.rhs,
            -p.input1_zp,
            -p.input2_zp,
            self.output,
            p.output_zp,
            p.multiplier,
            p.shift,
            p.clamp[0],
            p.clamp[1],
            element_count(self.output.type),
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is self.output and input in (self.lhs, self.rhs):
            return repeated(byte_count(output.type), byte_count(input.type))
        return super().safe_overlap(output, input)


@irdl_op_definition
class SoftmaxOp(CmsisOp):
    """`arm_softmax_s8`, over the last axis."""

    name = "cmsis.softmax_s8"
    C_FUNCTION: ClassVar[str] = "arm_softmax_s8"

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

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        # Of a row the maximum and the sum are known before its first byte is written, each byte when it is read again.
        if output is self.output and input is self.input:
            return repeated(byte_count(output.type), byte_count(input.type))
        return super().safe_overlap(output, input)


Cmsis = Dialect(
    "cmsis",
    [
        ConvolveOp,
        DepthwiseConvOp,
        FullyConnectedOp,
        ElementwiseAddOp,
        ElementwiseMulOp,
        MaxPoolOp,
        AvgPoolOp,
        SoftmaxOp,
    ],
)
