"""A sparse depthwise convolution as `rt.depthwise_convolve_delta8_s8`: weights, biases and multipliers laid out together."""

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from sparsec.backends.cortex_m.lowering import Lowering, failure, required_constant
from sparsec.backends.cortex_m.weights import check_accumulator, too_large
from sparsec.formats.depthwise_rows import pack_depthwise, plane_for
from sparsec.ir import qnn, rt
from sparsec.ir.shapes import shape_of
from sparsec.quantization.int8 import fold_input_zero_point
from sparsec.targets import scratch


def lower_sparse_depthwise(op: qnn.DepthwiseConv2dOp, low: Lowering) -> SSAValue:
    """Insert the call; its output. PassFailedException when the kernel cannot compute the layer."""
    check_accumulator(op, channel_axis=-1)
    constant = required_constant(op, op.weights, "weights")
    weights = constant.array[0]
    bias, multiplier, shift = (
        required_constant(op, value, what).array
        for value, what in ((op.bias, "bias"), (op.multiplier, "multiplier"), (op.shift, "shift"))
    )
    window = op.window.data
    output = shape_of(op.result.type)
    kernel = weights.shape[0], weights.shape[1]
    try:
        folded = fold_input_zero_point(np.moveaxis(weights, -1, 0), bias, op.requant.data.input_zp)
    except ValueError:
        raise too_large(op) from None
    try:
        plane = plane_for(window, (output[1], output[2]), kernel)
        rows = pack_depthwise(weights, folded, multiplier, shift, window, plane)
    except ValueError as error:
        raise failure(op, f"{error}, store the weights dense") from error
    memory = low.scratch(scratch.depthwise_convolve_delta8(window, output, kernel))
    assert memory is not None
    label = None if constant.label is None else StringAttr(f"{constant.label.data}.rows")
    buffer = low.output()
    low.call(
        rt.DepthwiseConvolveDelta8Op(
            low.buffer(op.input),
            low.constant(rows, label),
            buffer,
            memory,
            op.requant.data,
            window,
            kernel,
        )
    )
    return buffer
