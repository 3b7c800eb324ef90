# SPDX-License-Identifier: Apache-2.0
"""The operation of `rt` for dense depthwise convolutions on Helium."""

from typing import ClassVar

from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.rt.packed import PackedConvolutionOp
from sparsec.ir.shapes import expect_shape, image_shape
from sparsec.layouts.depthwise_lanes import overlap, scratch_bytes, why_not, words
from sparsec.planning.overlap import Overlap


@irdl_op_definition
class DepthwiseConvolveLanesOp(PackedConvolutionOp):
    """`sparsec_depthwise_convolve_lanes_s8`: `rows` holds weights, biases, multipliers and shifts as
    `layouts/depthwise_lanes.py` lays them out.

    ```mlir
    rt.depthwise_convolve_lanes_s8 %x, %rows <> kernel [3, 3] window <> into %y scratch %s : memref<1x5x6x8xi8>, memref<42xi32>, memref<1x3x4x8xi8>, memref<288xi8>
    ```
    """

    name = "rt.depthwise_convolve_lanes_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_depthwise_convolve_lanes_s8"

    @property
    def scratch_bytes(self) -> int:
        _, width, _ = image_shape(self.output.type, "output")
        return scratch_bytes(self.window.data, self.kernel_size, width)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        rows, columns, _ = image_shape(self.output.type, "output")
        image = image_shape(self.input.type)
        return overlap(self.window.data, self.kernel_size, image, (rows, columns))

    @property
    def channel_multiplier(self) -> int | None:
        return 1

    def verify_(self) -> None:
        if reason := why_not(self.window.data, self.channels):
            raise VerifyException(reason)
        super().verify_()
        expect_shape(self.rows.type, (words(self.kernel_size, self.channels[0]),), "rows")
