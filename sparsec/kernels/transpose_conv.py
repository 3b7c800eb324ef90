# SPDX-License-Identifier: Apache-2.0
"""`sparsec_transpose_conv_s8`: transposed convolutions on every core.

It needs no scratch memory, where `arm_transpose_conv_s8` keeps an int32 for every product of an input pixel, a tap and
an output channel. Its bias is not folded, because how many weights meet an input depends on the pixel.
"""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import rt
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.lowering import Lowering


class TransposeConv(Kernel):
    """Dense weights only."""

    function = rt.TransposeConvOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format is None and layer.kind == "transpose_conv2d" else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.operands

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        low.call(
            rt.TransposeConvOp(
                low.buffer(layer.op.operands[0]),
                arrays["weights"],
                arrays["bias"],
                arrays["multiplier"],
                arrays["shift"],
                output,
                layer.requant,
                layer.window,
            )
        )
        return output
