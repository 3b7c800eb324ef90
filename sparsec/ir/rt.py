"""`rt`: one operation is one call of our runtime, `rt.X` is `sparsec_X`."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import Dialect, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    prop_def,
)
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.kernel import (
    CArgument,
    CStruct,
    RuntimeOp,
    activation,
    byte_count,
    dims,
    element_count,
    per_channel,
)
from sparsec.ir.params import RequantAttr, RescaleAttr
from sparsec.ir.rt_decode import DECODERS
from sparsec.ir.rt_delta8 import ConvolveDelta8Op, FoldedBiasOp, FullyConnectedDelta8Op
from sparsec.ir.rt_elementwise import AddOp, MaximumOp, MinimumOp, MulOp, PreluOp
from sparsec.ir.rt_fused import PointDepthwiseOp
from sparsec.ir.rt_mean import MeanOp
from sparsec.ir.rt_movement import ConcatenateOp, PadOp, ResizeNearestOp, SliceOp, TransposeOp
from sparsec.ir.rt_packed import ConvolvePackedOp, DepthwiseConvolveDelta8Op
from sparsec.ir.rt_sparse_fc import (
    FullyConnected1x4Op,
    FullyConnected4x1Op,
    FullyConnected4x1W16Op,
    FullyConnectedDenseOp,
    FullyConnectedTableOp,
)
from sparsec.ir.rt_strips import (
    ConvolveDelta8StripsOp,
    ConvolvePackedStripsOp,
    ConvolveStripsOp,
    DepthwiseConvStripsOp,
)
from sparsec.ir.rt_transpose_conv import TransposeConvOp
from sparsec.ir.shapes import (
    expect_shape,
    shape_of,
    verify_linear,
)
from sparsec.planning.one_way import repeated
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import Requant, Rescale


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


@irdl_op_definition
class LookupOp(RuntimeOp):
    """`sparsec_lookup_s8`."""

    name = "rt.lookup_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_lookup_s8"

    input = operand_def(MemRefType[I8])
    table = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])

    assembly_format = (
        "$input `,` $table `into` $output attr-dict `:` "
        "type($input) `,` type($table) `,` type($output)"
    )

    def __init__(self, input: SSAValue, table: SSAValue, output: SSAValue):
        super().__init__(operands=[input, table, output])

    def verify_(self) -> None:
        expect_shape(self.table.type, (256,), "table")
        expect_shape(self.output.type, shape_of(self.input.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        return (element_count(self.input.type), self.input, self.table, self.output)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is self.output and input is self.input:
            return repeated(byte_count(output.type), byte_count(input.type))
        return super().safe_overlap(output, input)


@irdl_op_definition
class RequantizeOp(RuntimeOp):
    """`sparsec_requantize_s8`."""

    name = "rt.requantize_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_requantize_s8"

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    params = prop_def(RescaleAttr)

    assembly_format = "$input $params `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue, params: Rescale):
        super().__init__(operands=[input, output], properties={"params": RescaleAttr(params)})

    def verify_(self) -> None:
        expect_shape(self.output.type, shape_of(self.input.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        p = self.params.data
        return (
            -p.input_zp,
            p.output_zp,
            activation(p.clamp),
            CStruct(
                "cmsis_nn_per_tensor_quant_params", {"multiplier": p.multiplier, "shift": p.shift}
            ),
            element_count(self.input.type),
            self.input,
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is self.output and input is self.input:
            return repeated(byte_count(output.type), byte_count(input.type))
        return super().safe_overlap(output, input)


Rt = Dialect(
    "rt",
    [
        ConvolveDelta8Op,
        ConvolvePackedOp,
        DepthwiseConvolveDelta8Op,
        FullyConnectedDelta8Op,
        FullyConnectedPerChannelOp,
        FullyConnectedTableOp,
        FullyConnected1x4Op,
        FullyConnected4x1Op,
        FullyConnected4x1W16Op,
        FullyConnectedDenseOp,
        LookupOp,
        RequantizeOp,
        PadOp,
        TransposeOp,
        ConcatenateOp,
        MulOp,
        AddOp,
        MaximumOp,
        MinimumOp,
        PreluOp,
        SliceOp,
        ResizeNearestOp,
        MeanOp,
        TransposeConvOp,
        PointDepthwiseOp,
        ConvolveStripsOp,
        DepthwiseConvStripsOp,
        ConvolvePackedStripsOp,
        ConvolveDelta8StripsOp,
        *DECODERS,
    ],
)
