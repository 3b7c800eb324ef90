# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` that read weights stored as `delta8`, and what layers with folded biases have in common."""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, DenseArrayBase, MemRefType, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import ui8, ui16
from sparsec.ir.kernel import (
    CArgument,
    CStruct,
    RuntimeOp,
    context,
    convolution_params,
    dims,
    element_count,
    image_dims,
    per_channel,
)
from sparsec.ir.params import RequantAttr
from sparsec.ir.rt.sparse_fc import fully_connected_params
from sparsec.ir.shapes import expect_shape, image_shape, shape_of, verify_window
from sparsec.ir.window import WindowAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


class FoldedBiasOp(RuntimeOp, ABC):
    """A layer with weights that multiplies raw inputs: its bias already contains
    -input_zp * (sum of the weights) of each output.

    The operands of a subclass come before these: that is the order IRDL gives them.
    """

    input = operand_def(MemRefType[I8])
    bias = operand_def(MemRefType[I32])
    multiplier = operand_def(MemRefType[I32])
    shift = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    requant = prop_def(RequantAttr)

    def verify_channels(self, channels: int) -> None:
        """The per-channel arrays fit the number of output channels."""
        for value, what in (
            (self.bias, "bias"),
            (self.multiplier, "multiplier"),
            (self.shift, "shift"),
        ):
            expect_shape(value.type, (channels,), what)

    def fully_connected_params(self) -> CStruct:
        """CMSIS-NN's struct of a fully connected layer."""
        return fully_connected_params(self.requant.data)

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)


def verify_delta8(entries: Attribute, counts: Attribute, rows: int) -> None:
    """The arrays of a `delta8` matrix of `rows` rows."""
    (size,) = shape_of(entries)
    if size % 2:
        raise VerifyException("entries must hold pairs of a step and a value")
    expect_shape(counts, (rows,), "counts")


class Delta8ConvolutionOp(FoldedBiasOp, ABC):
    """A convolution by weights stored as `delta8`.

    `kernel` is the height and width that the packed weights no longer tell.
    """

    entries = operand_def(MemRefType.constr(ui8))
    counts = operand_def(MemRefType.constr(ui16))
    scratch = operand_def(MemRefType[I8])
    window = prop_def(WindowAttr)
    kernel = prop_def(DenseArrayBase.constr(i64))

    assembly_format = (
        "$input `,` $entries `,` $counts `,` $bias `requant` `(` $multiplier `,` $shift `)` "
        "$requant `kernel` $kernel `window` $window `into` $output `scratch` $scratch attr-dict "
        "`:` type($input) `,` type($entries) `,` type($counts) `,` type($bias) `,` "
        "type($multiplier) `,` type($shift) `,` type($output) `,` type($scratch)"
    )

    def __init__(
        self,
        input: SSAValue,
        entries: SSAValue,
        counts: SSAValue,
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        output: SSAValue,
        scratch: SSAValue,
        requant: Requant,
        window: Window,
        kernel: tuple[int, int],
    ):
        super().__init__(
            operands=[entries, counts, scratch, input, bias, multiplier, shift, output],
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

    def verify_(self) -> None:
        channels = image_shape(self.output.type, "output")[2]
        if len(self.kernel) != 2:
            raise VerifyException("kernel must be a height and a width")
        verify_window(
            self.window.data, self.input.type, self.kernel_size, channels, self.output.type
        )
        self.verify_channels(channels)
        verify_delta8(self.entries.type, self.counts.type, channels)

    def c_arguments(self) -> Sequence[CArgument]:
        in_channels = image_shape(self.input.type)[2]
        out_channels = image_shape(self.output.type)[2]
        return (
            context(self.scratch),
            convolution_params(self.requant.data, self.window.data),
            per_channel(self.multiplier, self.shift),
            image_dims(self.input.type),
            self.input,
            dims(out_channels, *self.kernel_size, in_channels),
            self.entries,
            self.counts,
            self.bias,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output, self.scratch)


@irdl_op_definition
class ConvolveDelta8Op(Delta8ConvolutionOp):
    """`sparsec_convolve_delta8_s8`."""

    name = "rt.convolve_delta8_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_delta8_s8"


@irdl_op_definition
class FullyConnectedDelta8Op(FoldedBiasOp):
    """`sparsec_fully_connected_delta8_s8`: one row of inputs by weights stored as `delta8`."""

    name = "rt.fully_connected_delta8_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_delta8_s8"

    entries = operand_def(MemRefType.constr(ui8))
    counts = operand_def(MemRefType.constr(ui16))

    assembly_format = (
        "$input `,` $entries `,` $counts `,` $bias `requant` `(` $multiplier `,` $shift `)` "
        "$requant `into` $output attr-dict `:` type($input) `,` type($entries) `,` "
        "type($counts) `,` type($bias) `,` type($multiplier) `,` type($shift) `,` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        entries: SSAValue,
        counts: SSAValue,
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        output: SSAValue,
        requant: Requant,
    ):
        super().__init__(
            operands=[entries, counts, input, bias, multiplier, shift, output],
            properties={"requant": RequantAttr(requant)},
        )

    def verify_(self) -> None:
        features = element_count(self.output.type)
        self.verify_channels(features)
        verify_delta8(self.entries.type, self.counts.type, features)

    def c_arguments(self) -> Sequence[CArgument]:
        return (
            self.fully_connected_params(),
            per_channel(self.multiplier, self.shift),
            self.input,
            self.entries,
            self.counts,
            self.bias,
            dims(1, 1, 1, element_count(self.output.type)),
            self.output,
        )
