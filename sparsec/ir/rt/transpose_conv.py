# SPDX-License-Identifier: Apache-2.0
"""The transposed convolution of `rt`.

It serves every core: it needs no scratch memory, where `arm_transpose_conv_s8` keeps an int32 for every product of an input
pixel, a tap and an output channel. Its bias is not folded, because how many weights meet an input depends on the pixel.
"""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def

from sparsec.ir.kernel import (
    CArgument,
    CStruct,
    RuntimeOp,
    activation,
    image_dims,
    per_channel,
    tile,
)
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import expect_shape, image_shape, verify_transpose_convolution
from sparsec.ir.window import WindowAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


@irdl_op_definition
class TransposeConvOp(RuntimeOp):
    """`sparsec_transpose_conv_s8`: `window` slides over the output.

    The input zero point is not folded into the bias: how many weights meet an input depends on the
    output pixel.
    """

    name = "rt.transpose_conv_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_transpose_conv_s8"

    input = operand_def(MemRefType[I8])
    weights = operand_def(MemRefType[I8])
    bias = operand_def(MemRefType[I32])
    multiplier = operand_def(MemRefType[I32])
    shift = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    requant = prop_def(RequantAttr)
    window = prop_def(WindowAttr)

    assembly_format = (
        "$input `,` $weights `,` $bias `requant` `(` $multiplier `,` $shift `)` $requant "
        "`window` $window `into` $output attr-dict `:` type($input) `,` type($weights) `,` "
        "type($bias) `,` type($multiplier) `,` type($shift) `,` type($output)"
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
        window: Window,
    ):
        super().__init__(
            operands=[input, weights, bias, multiplier, shift, output],
            properties={"requant": RequantAttr(requant), "window": WindowAttr(window)},
        )

    def verify_(self) -> None:
        channels = verify_transpose_convolution(
            self.window.data, self.input.type, self.weights.type, self.output.type
        )
        for value, what in (
            (self.bias, "bias"),
            (self.multiplier, "multiplier"),
            (self.shift, "shift"),
        ):
            expect_shape(value.type, (channels,), what)

    def c_arguments(self) -> Sequence[CArgument]:
        window, requant = self.window.data, self.requant.data
        height, width, _ = image_shape(self.output.type, "output")
        top, left, _, _ = window.padding
        # A stride beyond the output acts like one that just leaves it, which the kernel can multiply.
        strides = min(window.strides[0], height + top), min(window.strides[1], width + left)
        params = CStruct(
            "cmsis_nn_transpose_conv_params",
            {
                "input_offset": -requant.input_zp,
                "output_offset": requant.output_zp,
                "stride": tile(strides),
                "padding": tile((window.padding[0], window.padding[1])),
                "padding_offsets": tile((0, 0)),
                "dilation": tile(window.dilations),
                "activation": activation(requant.clamp),
            },
        )
        return (
            params,
            per_channel(self.multiplier, self.shift),
            image_dims(self.input.type),
            self.input,
            image_dims(self.weights.type),
            self.weights,
            self.bias,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)
