# SPDX-License-Identifier: Apache-2.0
"""`sparsec_resample_s8`: images whose pixels are weighted sums of others."""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import qnn, rt
from sparsec.ir.constant import constant_array
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.lowering import Lowering
from sparsec.quantization.resampling import ACCUMULATOR, largest_sum


class Resample(Kernel):
    """Places and weights are constants, which it trusts."""

    function = rt.ResampleOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.ResampleOp):
            return NOT_MINE
        places = [constant_array(value) for value in (op.rows, op.columns)]
        rows, columns = constant_array(op.row_taps), constant_array(op.column_taps)
        if rows is None or columns is None or any(each is None for each in places):
            return "places and weights must be constant"
        if any(len({*taps.sum(axis=1).tolist()}) > 1 for taps in (rows, columns)):
            return "the weights of its pixels have different sums"
        if largest_sum(rows, columns) << max(op.params.data.shift, 0) >= ACCUMULATOR:
            return "a sum can leave 32 bits"
        return None

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.ResampleOp)
        low.call(
            rt.ResampleOp(
                low.buffer(op.input),
                low.buffer(op.rows),
                low.buffer(op.row_taps),
                low.buffer(op.columns),
                low.buffer(op.column_taps),
                output,
                op.params.data,
            )
        )
        return output
