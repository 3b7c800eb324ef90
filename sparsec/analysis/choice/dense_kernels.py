"""Which C function runs a layer with dense weights: asked by the lowering and by whoever counts what it costs."""

from math import prod
from typing import Any, TypeAlias

import numpy as np

from sparsec.formats.fc_layouts import DenseLayout
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.shapes import shape_of
from sparsec.targets import scratch
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import VectorUnit

CONVOLVE = "arm_convolve_wrapper_s8"
DEPTHWISE = "arm_depthwise_conv_wrapper_s8"
TRANSPOSE = "sparsec_transpose_conv_s8"
PER_TENSOR = "arm_fully_connected_s8"
PER_CHANNEL = "sparsec_fully_connected_per_channel_s8"
FOUR_ROWS = "sparsec_fully_connected_dense_s8"

Array: TypeAlias = np.ndarray[Any, Any]


def dense_kernel(
    op: qnn.WeightedOp, unit: VectorUnit, release: Release = PACKAGED
) -> tuple[str, int]:
    """The C function that runs `op` dense, and the bytes of its scratch memory."""
    input, weights = shape_of(op.input.type), shape_of(op.weights.type)
    match op:
        case qnn.Conv2dOp():
            return CONVOLVE, scratch.convolve(unit, op.window.data, input, weights, release)
        case qnn.DepthwiseConv2dOp():
            return DEPTHWISE, scratch.depthwise_convolve(
                unit, op.window.data, input, weights, release
            )
        case qnn.TransposeConv2dOp():
            return TRANSPOSE, 0
        case _:
            return _linear_kernel(op, unit), 0


def _linear_kernel(op: qnn.WeightedOp, unit: VectorUnit) -> str:
    """CMSIS-NN has no function for a multiplier for each output; gcc spoils its Helium code; and on DSP cores the
    runtime's takes 1.7 times fewer instructions where its layout holds the weights."""
    single_row = prod(shape_of(op.input.type)[:-1]) == 1
    if single_row and unit == "dsp" and _fits_four_rows(op):
        return FOUR_ROWS
    if shape_of(op.multiplier.type) == (1,) and unit != "mve":
        return PER_TENSOR
    return PER_CHANNEL if single_row else CONVOLVE


def _fits_four_rows(op: qnn.WeightedOp) -> bool:
    arrays = [constant_array(value) for value in op.operands[1:]]
    weights = arrays[0]
    if weights is None or any(array is None for array in arrays):
        return False
    try:
        DenseLayout().check_weights(weights)
    except ValueError:
        return False
    return True
