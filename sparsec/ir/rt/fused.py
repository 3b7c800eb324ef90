# SPDX-License-Identifier: Apache-2.0
"""The operation of `rt` that does two layers at once, so that the image between them never exists as a whole.

`sparsec_point_depthwise_s8` does a 1x1 convolution and the depthwise convolution behind it row by row, over CMSIS-NN's
functions, with the rows of one window between them. `fuse-rows` puts it in where it is told to.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import I8, I32, MemRefType, i8
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.kernel import (
    CArgument,
    RuntimeOp,
    byte_count,
    context,
    convolution_params,
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
from sparsec.planning.one_way import NOTHING, read_first, spans
from sparsec.planning.overlap import Overlap, row_strips
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window

LINES_ALIGNMENT = 8
"""Bytes at a multiple of which the scratch memory of the depthwise convolution begins, behind the rows."""


def line_bytes(between: Sequence[int], reach: int) -> int:
    """Scratch memory of `reach` rows of the image between, an NHWC shape."""
    _, height, width, channels = between
    bytes = min(reach, height) * width * channels
    return -(-bytes // LINES_ALIGNMENT) * LINES_ALIGNMENT


@irdl_op_definition
class PointDepthwiseOp(RuntimeOp):
    """`sparsec_point_depthwise_s8`: a 1x1 convolution (operands and numbers `point_`) and the depthwise convolution behind
    it, row by row of the output. The scratch memory holds the rows of one window of the image between, then what CMSIS-NN's
    depthwise convolution wants.
    """

    name = "rt.point_depthwise_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_point_depthwise_s8"

    input = operand_def(MemRefType[I8])
    point_weights = operand_def(MemRefType[I8])
    point_bias = operand_def(MemRefType[I32])
    point_multiplier = operand_def(MemRefType[I32])
    point_shift = operand_def(MemRefType[I32])
    weights = operand_def(MemRefType[I8])
    bias = operand_def(MemRefType[I32])
    multiplier = operand_def(MemRefType[I32])
    shift = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    scratch = operand_def(MemRefType[I8])
    point_requant = prop_def(RequantAttr)
    requant = prop_def(RequantAttr)
    window = prop_def(WindowAttr)

    assembly_format = (
        "$input `point` $point_weights `,` $point_bias "
        "`requant` `(` $point_multiplier `,` $point_shift `)` $point_requant "
        "`depthwise` $weights `,` $bias `requant` `(` $multiplier `,` $shift `)` $requant "
        "`window` $window `into` $output `scratch` $scratch attr-dict `:` type($input) `,` "
        "type($point_weights) `,` type($point_bias) `,` type($point_multiplier) `,` "
        "type($point_shift) `,` type($weights) `,` type($bias) `,` type($multiplier) `,` "
        "type($shift) `,` type($output) `,` type($scratch)"
    )

    def __init__(
        self,
        input: SSAValue,
        point: Sequence[SSAValue],
        depthwise: Sequence[SSAValue],
        output: SSAValue,
        scratch: SSAValue,
        point_requant: Requant,
        requant: Requant,
        window: Window,
    ):
        """`point` and `depthwise`: weights, bias, multiplier and shift."""
        super().__init__(
            operands=[input, *point, *depthwise, output, scratch],
            properties={
                "point_requant": RequantAttr(point_requant),
                "requant": RequantAttr(requant),
                "window": WindowAttr(window),
            },
        )

    @property
    def between(self) -> tuple[int, int, int, int]:
        """The shape of the image between."""
        height, width, _ = image_shape(self.input.type)
        return 1, height, width, shape_of(self.point_weights.type)[0]

    @property
    def reach(self) -> int:
        """Rows from the first to the last of a window."""
        return (shape_of(self.weights.type)[1] - 1) * self.window.data.dilations[0] + 1

    @property
    def line_bytes(self) -> int:
        """Scratch memory of the rows of a window."""
        return line_bytes(self.between, self.reach)

    def rows(self) -> list[tuple[int, int]]:
        """For each row of the output the rows of the image between that its windows read: the first and the end."""
        window, height = self.window.data, image_shape(self.output.type)[0]
        strips = row_strips(
            (self.between[1], 1), (height, 1), window.strides[0], window.padding[0], self.reach, 1
        )
        return [strip.reads for strip in strips]

    def verify_(self) -> None:
        channels = self.between[3]
        between = MemRefType(i8, self.between)
        if shape_of(self.point_weights.type)[1:3] != (1, 1):
            raise VerifyException(f"point weights must be 1x1, got {self.point_weights.type}")
        verify_convolution(Window(), self.input.type, self.point_weights.type, between)
        for values, what, outputs in (
            ((self.point_bias, self.point_multiplier, self.point_shift), "point ", channels),
            (
                (self.bias, self.multiplier, self.shift),
                "",
                verify_depthwise(self.window.data, between, self.weights.type, self.output.type),
            ),
        ):
            for value, name in zip(values, ("bias", "multiplier", "shift"), strict=True):
                expect_shape(value.type, (outputs,), what + name)
        if byte_count(self.scratch.type) < self.line_bytes:
            raise VerifyException(f"scratch must have at least {self.line_bytes} bytes")

    def c_arguments(self) -> Sequence[CArgument]:
        channels = self.between[3]
        return (
            context(self.scratch),
            convolution_params(self.point_requant.data, Window()),
            per_channel(self.point_multiplier, self.point_shift),
            image_dims(self.input.type),
            self.input,
            self.point_weights,
            self.point_bias,
            convolution_params(
                self.requant.data, self.window.data, shape_of(self.weights.type)[3] // channels
            ),
            per_channel(self.multiplier, self.shift),
            image_dims(self.weights.type),
            self.weights,
            self.bias,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output, self.scratch)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        # A row of the input is read once, before the first row of the output is written that needs it.
        _, width, channels = image_shape(input.type)
        result = image_shape(output.type)
        reads = np.full((result[0], 2), NOTHING)
        done = 0
        for row, (start, stop) in enumerate(self.rows()):
            if stop > max(start, done):
                reads[row] = np.array([max(start, done), stop]) * width * channels
            done = max(done, stop)
        bytes = result[1] * result[2]
        return read_first(reads, spans(np.arange(result[0]) * bytes, bytes))
