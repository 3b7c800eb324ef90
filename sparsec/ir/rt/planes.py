# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` on channel-major activations: conversions, and a sparse convolution of many pixels at once."""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, DenseArrayBase, MemRefType, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import ui16
from sparsec.ir.kernel import CArgument, CStruct, RuntimeOp, convolution_params, image_dims
from sparsec.ir.layouts import required_layout
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import expect_shape, image_shape, shape_of, verify_window
from sparsec.ir.window import WindowAttr
from sparsec.layouts.activations import ChannelMajor
from sparsec.layouts.pixel_rows import ROW_NUMBERS, Taps, taps_of
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


def planes(layout: ChannelMajor, type: Attribute) -> CStruct:
    """Where the elements of a buffer lie."""
    shape = shape_of(type)
    numbers = {
        "first": layout.first(shape),
        "pitch": layout.pitch(shape),
        "plane": layout.plane(shape),
        "fill": layout.fill,
    }
    return CStruct("sparsec_planes", numbers)


class ConversionOp(RuntimeOp, ABC):
    """From one layout to another."""

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])

    assembly_format = "$input `into` $output attr-dict `:` type($input) `,` type($output)"

    def __init__(self, input: SSAValue, output: SSAValue):
        super().__init__(operands=[input, output])

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)


@irdl_op_definition
class ToChannelMajorOp(ConversionOp):
    """`sparsec_to_channel_major_s8`."""

    name = "rt.to_channel_major_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_to_channel_major_s8"

    def laid_out(self) -> Sequence[SSAValue]:
        return (self.output,)

    def verify_(self) -> None:
        required_layout(self.output, "output")
        expect_shape(self.output.type, shape_of(self.input.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        place = planes(required_layout(self.output, "output"), self.output.type)
        return (image_dims(self.input.type), self.input, place, self.output)


@irdl_op_definition
class FromChannelMajorOp(ConversionOp):
    """`sparsec_from_channel_major_s8`."""

    name = "rt.from_channel_major_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_from_channel_major_s8"

    def laid_out(self) -> Sequence[SSAValue]:
        return (self.input,)

    def verify_(self) -> None:
        required_layout(self.input, "input")
        expect_shape(self.output.type, shape_of(self.input.type), "output")

    def c_arguments(self) -> Sequence[CArgument]:
        place = planes(required_layout(self.input, "input"), self.input.type)
        return (image_dims(self.input.type), place, self.input, self.output)


@irdl_op_definition
class ConvolvePixelsOp(RuntimeOp):
    """`sparsec_convolve_pixels_s8`: sparse weights, laid out for the layout and the shape of the input.

    `kernel` is the height and width that the weights no longer tell.
    """

    name = "rt.convolve_pixels_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_pixels_s8"

    input = operand_def(MemRefType[I8])
    rows = operand_def(MemRefType[I32])
    steps = operand_def(MemRefType.constr(ui16))
    values = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    requant = prop_def(RequantAttr)
    window = prop_def(WindowAttr)
    kernel = prop_def(DenseArrayBase.constr(i64))

    assembly_format = (
        "$input `,` $rows `,` $steps `,` $values $requant `kernel` $kernel `window` $window `into` "
        "$output attr-dict `:` type($input) `,` type($rows) `,` type($steps) `,` type($values) `,` "
        "type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        rows: SSAValue,
        steps: SSAValue,
        values: SSAValue,
        output: SSAValue,
        requant: Requant,
        window: Window,
        kernel: tuple[int, int],
    ):
        super().__init__(
            operands=[input, rows, steps, values, output],
            properties={
                "requant": RequantAttr(requant),
                "window": WindowAttr(window),
                "kernel": DenseArrayBase.from_list(i64, kernel),
            },
        )

    @property
    def kernel_size(self) -> tuple[int, int]:
        """`kernel` as (height, width)."""
        height, width = self.kernel.get_values()
        return height, width

    @property
    def taps(self) -> Taps:
        """Where the inputs of a window are."""
        layout = required_layout(self.input, "input")
        shape = shape_of(self.input.type)
        return taps_of(layout, shape, self.kernel_size, self.window.data.dilations)

    def laid_out(self) -> Sequence[SSAValue]:
        return (self.input, self.output)

    def verify_(self) -> None:
        read, left = required_layout(self.input, "input"), required_layout(self.output, "output")
        window = self.window.data
        if len(self.kernel) != 2:
            raise VerifyException("kernel must be a height and a width")
        channels = image_shape(self.output.type)[2]
        verify_window(window, self.input.type, self.kernel_size, channels, self.output.type)
        expect_shape(self.rows.type, (ROW_NUMBERS * channels,), "rows")
        expect_shape(self.steps.type, shape_of(self.values.type), "steps")
        if window.strides != (1, 1):
            raise VerifyException("the window must move by one pixel")
        top, side, bottom, other = window.padding
        if max(top, bottom) > read.gap_rows or max(side, other) > read.gap_columns:
            raise VerifyException("the gaps of the input are smaller than the padding")
        if any(window.padding) and read.fill != self.requant.data.input_zp:
            raise VerifyException("the gaps of the input must hold its zero point")
        if read.pitch(shape_of(self.input.type)) != left.pitch(shape_of(self.output.type)):
            raise VerifyException("rows of input and output must be as far apart")

    def c_arguments(self) -> Sequence[CArgument]:
        return (
            convolution_params(self.requant.data, self.window.data),
            planes(required_layout(self.input, "input"), self.input.type),
            self.input,
            self.rows,
            self.steps,
            self.values,
            image_dims(self.output.type),
            planes(required_layout(self.output, "output"), self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)
