"""A sparse convolution as `rt.convolve_packed_s8`: weights, biases and multipliers laid out together."""

from collections.abc import Sequence
from math import prod

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from sparsec.backends.cortex_m.lowering import Lowering, failure, required_constant
from sparsec.backends.cortex_m.weights import folded_bias_array
from sparsec.formats import Block, Delta8, Nm, SparseFormat
from sparsec.formats.packed_rows import pack_rows, slab_for
from sparsec.ir import qnn, rt
from sparsec.ir.shapes import shape_of
from sparsec.quantization.window import Window
from sparsec.targets import scratch
from sparsec.targets.cpu import VectorUnit


def takes_packed(encoding: SparseFormat, unit: VectorUnit) -> bool:
    """Whether weights stored as `encoding` run by the packed kernel on a core with `unit`."""
    match encoding:
        case Delta8() | Nm() | Block(rows=1):
            return unit == "dsp"
        case _:
            return False


def lower_conv2d(op: qnn.Conv2dOp, low: Lowering) -> SSAValue:
    """Insert the call for a convolution; its output."""
    output = low.output()
    shapes = (shape_of(op.input.type), shape_of(op.weights.type), shape_of(op.results[0].type))
    insert(op, low, *shapes, op.window.data, output)
    return output


def lower_linear(op: qnn.LinearOp, low: Lowering) -> SSAValue:
    """Insert the call for a linear layer of several rows, each a pixel of a 1x1 convolution; its output."""
    features, depth = shape_of(op.weights.type)
    rows = prod(shape_of(op.input.type)[:-1])
    output = low.output()
    shapes = ((1, rows, 1, depth), (features, 1, 1, depth), (1, rows, 1, features))
    insert(op, low, *shapes, Window(), output)
    return output


def insert(
    op: qnn.Conv2dOp | qnn.LinearOp,
    low: Lowering,
    input: Sequence[int],
    weights: Sequence[int],
    output: Sequence[int],
    window: Window,
    buffer: SSAValue,
) -> None:
    """The call that writes `buffer`, for NHWC and OHWI shapes."""
    features, height, width, channels = weights
    constant = required_constant(op, op.weights, "weights")
    multiplier, shift = (
        np.broadcast_to(required_constant(op, value, what).array, features)
        for value, what in ((op.multiplier, "multiplier"), (op.shift, "shift"))
    )
    bias = folded_bias_array(op)
    try:
        slab = slab_for(window, (output[1], output[2]), (height, width), channels)
        array = constant.array.reshape(tuple(weights))
        rows = pack_rows(array, bias, multiplier, shift, window, slab)
    except ValueError as error:
        raise failure(op, f"{error}, store the weights dense") from error
    memory = low.scratch(scratch.convolve_packed(window, output, (height, width), channels))
    assert memory is not None
    label = None if constant.label is None else StringAttr(f"{constant.label.data}.rows")
    low.call(
        rt.ConvolvePackedOp(
            low.buffer(op.input, input),
            low.constant(rows, label),
            low.reshape(buffer, output),
            memory,
            op.requant.data,
            window,
            (height, width),
        )
    )
