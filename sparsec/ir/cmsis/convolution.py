# SPDX-License-Identifier: Apache-2.0
"""Convolutions by CMSIS-NN: operations of `cmsis`, and what those of `rt` share with them that call CMSIS-NN in strips."""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, prop_def

from sparsec.ir.kernel import (
    CArgument,
    CmsisOp,
    context,
    convolution_params,
    dims,
    element_count,
    image_dims,
    per_channel,
)
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import (
    expect_shape,
    image_shape,
    shape_of,
    verify_convolution,
    verify_depthwise,
)
from sparsec.ir.window import WindowAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


class ConvolutionOp(CmsisOp, ABC):
    """A convolution by CMSIS-NN, which picks the variant that suits the shapes."""

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
