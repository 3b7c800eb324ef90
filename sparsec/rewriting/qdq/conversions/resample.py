# SPDX-License-Identifier: Apache-2.0
"""How weighted sums of pixels become int8."""

import numpy as np
from xdsl.ir import SSAValue

from sparsec.ir import nn, qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.quantization.params import Rescale
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.resampling import ACCUMULATOR, Int16Array, largest_sum, whole_taps
from sparsec.rewriting.qdq.conversions.elementwise import TOO_FINE
from sparsec.rewriting.qdq.conversions.movement import index_constant
from sparsec.rewriting.qdq.conversions.signature import Conversions
from sparsec.rewriting.qdq.folding import Folding, fail


def whole(op: nn.ResampleOp, value: SSAValue) -> Int16Array:
    """The weights of an axis as whole numbers."""
    array = constant_array(value)
    if array is None:
        raise fail(op, "its weights are not constant")
    try:
        return whole_taps(array.astype(np.float64))
    except ValueError as error:
        raise fail(op, str(error)) from error


def convert_resample(f: Folding, op: nn.ResampleOp) -> None:
    source, output = f.input(op, op.input), f.output_of(op)
    rows, columns = whole(op, op.row_taps), whole(op, op.column_taps)
    total = int(rows[0].sum()) * int(columns[0].sum())
    q = source.quantization
    try:
        multiplier, shift = quantize_multiplier(q.scale / (output.scale * total))
        params = Rescale(q.zero_point, multiplier, shift, output.zero_point)
    except ValueError as error:
        raise fail(op, TOO_FINE) from error
    if largest_sum(rows, columns) << max(shift, 0) >= ACCUMULATOR:
        raise fail(op, TOO_FINE)
    layer = layer_of(op)
    new = qnn.ResampleOp(
        source.value,
        index_constant(f, op, op.rows),
        f.constant(op, rows, f"{layer}.row_taps"),
        index_constant(f, op, op.columns),
        f.constant(op, columns, f"{layer}.column_taps"),
        params,
    )
    f.finish(op, f.emit(op, new), output)


RESAMPLE: Conversions = {nn.ResampleOp: convert_resample}
