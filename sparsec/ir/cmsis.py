"""`cmsis`: one operation is one call of CMSIS-NN, `cmsis.X` is `arm_X`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import I8, I32, IntegerAttr, MemRefType, i32
from xdsl.ir import Dialect, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
)

from sparsec.ir.kernel import (
    CArgument,
    CStruct,
    KernelOp,
    activation,
    byte_count,
    context,
    convolution_params,
    dims,
    element_count,
    image_dims,
    per_channel,
    tile,
)
from sparsec.ir.params import AddParamsAttr, MulParamsAttr, RequantAttr, SoftmaxParamsAttr
from sparsec.ir.shapes import (
    expect_shape,
    image_shape,
    shape_of,
    verify_convolution,
    verify_depthwise,
    verify_linear,
    verify_window,
)
from sparsec.ir.window import PoolAttr, WindowAttr
from sparsec.planning.one_way import (
    Spans,
    channel_by_channel,
    one_way,
    repeated,
    spans,
    window_spans,
)
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import AddParams, MulParams, Requant, SoftmaxParams
from sparsec.quantization.window import Pool, Window


class CmsisOp(KernelOp, ABC):
    """A function of CMSIS-NN."""

    HEADER: ClassVar[str] = "arm_nnfunctions.h"


class ConvolutionOp(CmsisOp, ABC):
    """A convolution by CMSIS-NN, which picks the variant that suits the shapes."""

    PARAMS: ClassVar[str]

    input = operand_def(MemRefType[I8])
    weights = operand_def(MemRefType[I8])
    bias = operand_def(MemRefType[I32])
    multiplier = operand_def(MemRefType[I32])
    shift = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    scratch = opt_operand_def(MemRefType[I8])
    requant = prop_def(RequantAttr)
    window = prop_def(WindowAttr)

    assembly_format = (
        "$input `,` $weights `,` $bias `requant` `(` $multiplier `,` $shift `)` $requant "
        "`window` $window `into` $output (`scratch` $scratch^ `:` type($scratch))? attr-dict `:` "
        "type($input) `,` type($weights) `,` type($bias) `,` type($multiplier) `,` "
        "type($shift) `,` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        output: SSAValue,
        scratch: SSAValue | None,
        requant: Requant,
        window: Window,
    ):
        super().__init__(
            operands=[input, weights, bias, multiplier, shift, output, scratch],
            properties={"requant": RequantAttr(requant), "window": WindowAttr(window)},
        )

    def verify_channels(self, channels: int) -> None:
        """The per-channel arrays fit the number of output channels."""
        for value, what in (
            (self.bias, "bias"),
            (self.multiplier, "multiplier"),
            (self.shift, "shift"),
        ):
            expect_shape(value.type, (channels,), what)

    @property
    def channel_multiplier(self) -> int | None:
        """That of a depthwise convolution."""
        return None

    def c_arguments(self) -> Sequence[CArgument]:
        filter_n, filter_h, filter_w, filter_c = shape_of(self.weights.type)
        return (
            context(self.scratch),
            convolution_params(self.requant.data, self.window.data, self.channel_multiplier),
            per_channel(self.multiplier, self.shift),
            image_dims(self.input.type),
            self.input,
            dims(filter_n, filter_h, filter_w, filter_c),
            self.weights,
            dims(1, 1, 1, element_count(self.bias.type)),
            self.bias,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,) if self.scratch is None else (self.output, self.scratch)


class FullConvolutionOp(ConvolutionOp, ABC):
    """A convolution in which each output channel reads all input channels."""

    def verify_(self) -> None:
        self.verify_channels(
            verify_convolution(
                self.window.data, self.input.type, self.weights.type, self.output.type
            )
        )


class DepthwiseConvolutionOp(ConvolutionOp, ABC):
    """A convolution of each channel by itself."""

    def verify_(self) -> None:
        self.verify_channels(
            verify_depthwise(self.window.data, self.input.type, self.weights.type, self.output.type)
        )

    @property
    def channel_multiplier(self) -> int | None:
        return shape_of(self.weights.type)[3] // image_shape(self.input.type)[2]


@irdl_op_definition
class ConvolveOp(FullConvolutionOp):
    """`arm_convolve_wrapper_s8`."""

    name = "cmsis.convolve_wrapper_s8"
    C_FUNCTION: ClassVar[str] = "arm_convolve_wrapper_s8"


@irdl_op_definition
class DepthwiseConvOp(DepthwiseConvolutionOp):
    """`arm_depthwise_conv_wrapper_s8`."""

    name = "cmsis.depthwise_conv_wrapper_s8"
    C_FUNCTION: ClassVar[str] = "arm_depthwise_conv_wrapper_s8"


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


class PoolOp(CmsisOp, ABC):
    """A pooling function of CMSIS-NN."""

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    scratch = opt_operand_def(MemRefType[I8])
    pool = prop_def(PoolAttr)
    requant = prop_def(RequantAttr)

    assembly_format = (
        "$input `pool` $pool $requant `into` $output (`scratch` $scratch^ `:` type($scratch))? "
        "attr-dict `:` type($input) `,` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        output: SSAValue,
        scratch: SSAValue | None,
        pool: Pool,
        requant: Requant,
    ):
        super().__init__(
            operands=[input, output, scratch],
            properties={"pool": PoolAttr(pool), "requant": RequantAttr(requant)},
        )

    def verify_(self) -> None:
        pool = self.pool.data
        channels = image_shape(self.input.type)[2]
        verify_window(pool, self.input.type, pool.kernel, channels, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        pool = self.pool.data
        return (
            context(self.scratch),
            CStruct(
                "cmsis_nn_pool_params",
                {
                    "stride": tile(pool.strides),
                    "padding": tile((pool.padding[0], pool.padding[1])),
                    "activation": activation(self.requant.data.clamp),
                },
            ),
            image_dims(self.input.type),
            self.input,
            dims(1, pool.kernel[0], pool.kernel[1], 1),
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,) if self.scratch is None else (self.output, self.scratch)


class WholePoolOp(PoolOp, ABC):
    """A pooling function in one call: one pixel of the output after the other."""

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        image, result = image_shape(input.type), image_shape(output.type)
        return self.pixels(*window_spans(self.pool.data, image[:2], result[:2], image[2]))

    @staticmethod
    @abstractmethod
    def pixels(reads: Spans, writes: Spans) -> Overlap:
        """The overlap of pixels that are computed one after the other."""


@irdl_op_definition
class MaxPoolOp(WholePoolOp):
    """`arm_max_pool_s8`."""

    name = "cmsis.max_pool_s8"
    C_FUNCTION: ClassVar[str] = "arm_max_pool_s8"

    @staticmethod
    def pixels(reads: Spans, writes: Spans) -> Overlap:
        # A pixel is gathered in the output.
        return one_way(reads, writes)


@irdl_op_definition
class AvgPoolOp(WholePoolOp):
    """`arm_avgpool_s8`."""

    name = "cmsis.avgpool_s8"
    C_FUNCTION: ClassVar[str] = "arm_avgpool_s8"

    @staticmethod
    def pixels(reads: Spans, writes: Spans) -> Overlap:
        return channel_by_channel(reads, writes)


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
