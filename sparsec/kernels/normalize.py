# SPDX-License-Identifier: Apache-2.0
"""`sparsec_normalize_s8`: layer, group, instance and RMS normalisation, and division by the norm."""

from collections.abc import Mapping

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import qnn, rt
from sparsec.ir.constant import constant_array
from sparsec.ir.shapes import image_shape
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.lowering import Lowering
from sparsec.quantization.normalization import MAX_SCALED, largest_scaled


class Normalize(Kernel):
    """Its factors are constants."""

    function = rt.NormalizeOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.NormalizeOp):
            return NOT_MINE
        bias, multiplier, shift = map(constant_array, (op.bias, op.multiplier, op.shift))
        if bias is None or multiplier is None or shift is None:
            return "bias, multiplier and shift must be constant"
        _, width, channels = image_shape(op.input.type)
        largest = largest_scaled(width * channels // op.params.data.groups, multiplier, shift)
        if max(largest, np.abs(bias.astype(np.int64)).max()) >= MAX_SCALED:
            return "a scaled value can leave 32 bits"
        return None

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.NormalizeOp)
        low.call(
            rt.NormalizeOp(
                low.buffer(op.input),
                low.buffer(op.bias),
                low.buffer(op.multiplier),
                low.buffer(op.shift),
                output,
                op.params.data,
            )
        )
        return output
