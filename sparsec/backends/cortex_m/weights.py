"""What kernels need of a layer's constants, and the proof that int32 is wide enough for them."""

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from sparsec.backends.cortex_m.lowering import Lowering, failure, required_constant
from sparsec.formats import SparseFormat
from sparsec.formats.base import Components
from sparsec.ir import qnn
from sparsec.ir.constant import element_type_of
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import ComponentOp, matrix_shape
from sparsec.quantization.int8 import accumulator_bound, fold_input_zero_point
from sparsec.quantization.requantize import MIN_SHIFT

INT32_LIMIT = 2**31


def components(low: Lowering, op: qnn.WeightedOp, encoding: SparseFormat) -> list[SSAValue]:
    """The arrays that store the weights, in their order."""
    operations = [
        ComponentOp(name, op.weights, TensorType(element_type_of(array.dtype), array.shape))
        for name, array in packed(op, encoding).items()
    ]
    low.rewriter.insert(operations)
    return [low.buffer(operation.result) for operation in operations]


def packed(op: qnn.WeightedOp, encoding: SparseFormat) -> Components:
    """The weights as `encoding` stores them. PassFailedException when it cannot."""
    weights = required_constant(op, op.weights, "weights").array
    try:
        return encoding.pack(weights.reshape(matrix_shape(op.weights.type)))
    except ValueError as error:
        raise failure(op, f"{error}, store the weights dense") from error


def per_channel(low: Lowering, op: qnn.WeightedOp, value: SSAValue) -> SSAValue:
    """`value` with one number for each output, also if one serves them all."""
    channels = shape_of(op.bias.type)
    if shape_of(value.type) == channels:
        return low.buffer(value)
    constant = required_constant(op, value, "multiplier and shift")
    return low.constant(np.broadcast_to(constant.array, channels).copy(), constant.label)


def folded_bias(low: Lowering, op: qnn.WeightedOp) -> SSAValue:
    """`folded_bias_array` as a buffer."""
    label = required_constant(op, op.bias, "bias").label
    return low.constant(folded_bias_array(op), label)


def folded_bias_array(op: qnn.WeightedOp) -> NDArray[np.int32]:
    """bias - input_zp * (sum of the weights) of each output, for kernels that multiply raw inputs.

    PassFailedException when an input exists for which an accumulator leaves int32.
    """
    check_accumulator(op)
    weights = required_constant(op, op.weights, "weights").array
    bias = required_constant(op, op.bias, "bias").array
    rows = weights.reshape(matrix_shape(op.weights.type))
    try:
        return fold_input_zero_point(rows, bias, op.requant.data.input_zp)
    except ValueError:
        raise too_large(op) from None


def check_accumulator(op: qnn.WeightedOp, channel_axis: int = 0) -> None:
    """PassFailedException when an input exists for which an accumulator leaves int32, or does so
    in the left shift of the requantization."""
    weights = required_constant(op, op.weights, "weights").array
    bias = required_constant(op, op.bias, "bias").array
    shift = required_constant(op, op.shift, "shift").array
    if shift.min() < MIN_SHIFT:
        raise failure(op, f"a shift of {shift.min()} is below {MIN_SHIFT}, which C does not define")
    bound = accumulator_bound(weights, bias, op.requant.data.input_zp, channel_axis=channel_axis)
    if (bound << np.maximum(shift, 0).astype(np.int64)).max() >= INT32_LIMIT:
        raise too_large(op)


def too_large(op: qnn.WeightedOp) -> PassFailedException:
    """The exception for a layer that int32 cannot accumulate."""
    return failure(
        op, "an accumulator can leave 32 bits: calibrate with larger ranges or reduce the weights"
    )


def no_kernel(op: qnn.WeightedOp, encoding: SparseFormat) -> PassFailedException:
    """The exception for weights stored as no kernel reads them."""
    return failure(op, f"no kernel takes weights stored as {encoding.name} here, store them dense")
