# SPDX-License-Identifier: Apache-2.0
"""The operation of `rt` for dense depthwise convolutions of 3x3 windows."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.kernel import (
    CArgument,
    RuntimeOp,
    context,
    convolution_params,
    image_dims,
)
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import expect_shape, image_shape, shape_of, verify_window
from sparsec.ir.window import WindowAttr
from sparsec.layouts.depthwise_3x3 import KERNEL, overlap, scratch_bytes, why_not
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


@irdl_op_definition
class DepthwiseConvolve3x3Op(RuntimeOp):
    """`sparsec_depthwise_convolve_3x3_s8`: `rows` holds weights, biases, multipliers and shifts as
    `layouts/depthwise_3x3.py` lays them out for `requant`.

    ```mlir
    rt.depthwise_convolve_3x3_s8 %x, %rows <> window <> into %y scratch %s : memref<1x5x6x8xi8>, memref<74xi32>, memref<1x3x4x8xi8>, memref<192xi8>
    ```
    """

    name = "rt.depthwise_convolve_3x3_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_depthwise_convolve_3x3_s8"

    input = operand_def(MemRefType[I8])
    rows = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    scratch = operand_def(MemRefType[I8])
    requant = prop_def(RequantAttr)
    window = prop_def(WindowAttr)

    assembly_format = (
        "$input `,` $rows $requant `window` $window `into` $output `scratch` $scratch attr-dict "
        "`:` type($input) `,` type($rows) `,` type($output) `,` type($scratch)"
    )

    def __init__(
        self,
        input: SSAValue,
        rows: SSAValue,
        output: SSAValue,
        scratch: SSAValue,
        requant: Requant,
        window: Window,
    ):
        super().__init__(
            operands=[input, rows, output, scratch],
            properties={"requant": RequantAttr(requant), "window": WindowAttr(window)},
        )

    @property
    def images(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """The (height, width, channels) of the input and of the output."""
        return image_shape(self.input.type), image_shape(self.output.type, "output")

    @property
    def channels(self) -> int:
        """Those of the input, and of the output."""
        return self.images[0][2]

    def verify_(self) -> None:
        window, (image, output) = self.window.data, self.images
        if reason := why_not(window, KERNEL, (image[2], output[2])):
            raise VerifyException(reason)
        verify_window(window, self.input.type, KERNEL, output[2], self.output.type)
        if len(shape_of(self.rows.type)) != 1:
            raise VerifyException("rows must have one axis")
        size = scratch_bytes(window, image[:2], output[:2])
        expect_shape(self.scratch.type, (size,), "scratch")

    def c_arguments(self) -> Sequence[CArgument]:
        return (
            context(self.scratch),
            convolution_params(self.requant.data, self.window.data, 1),
            image_dims(self.input.type),
            self.input,
            self.rows,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output, self.scratch)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        return overlap(self.window.data, *self.images)
