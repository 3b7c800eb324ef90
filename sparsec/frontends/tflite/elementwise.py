# SPDX-License-Identifier: Apache-2.0
"""Operators on two tensors element by element.

The one rule: operands broadcast to the result; a constant stays as small as it is. Multipliers are products and quotients of `double`, as TensorFlow Lite Micro takes them.
"""

from xdsl.ir import SSAValue

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite import scaling
from sparsec.frontends.tflite.builder import Builder, activation_type
from sparsec.frontends.tflite.model import Operator, Tensor, short_name
from sparsec.ir import qnn
from sparsec.ir.shapes import without_leading_ones
from sparsec.quantization.broadcast import broadcast_shape
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams, MulParams, PreluParams
from sparsec.quantization.requantize import quantize_multiplier


def operand(b: Builder, tensor: Tensor, result: tuple[int, ...]) -> SSAValue:
    """`tensor` in a shape that broadcasts to `result`: a constant without leading axes of 1."""
    try:
        fits = broadcast_shape(tensor.shape, result) == result
    except ValueError:
        fits = False
    if not fits:
        raise UnsupportedError(
            f"{tensor.title} of shape {tensor.shape} cannot be repeated to {result}"
        )
    inner = without_leading_ones(tensor.shape)
    if tensor.shape == result or tensor.data is None:
        leading = (1,) * (len(result) - len(inner))
        return b.reshaped(b.value(tensor), (*leading, *inner))
    _ = tensor.quantization  # an error for what is not int8
    inner = inner or (1,)
    if tensor.shape == inner:
        return b.constant_of(tensor)
    return b.constant(tensor.data.reshape(inner), short_name(tensor.name) or None)


def operands(b: Builder, op: Operator) -> tuple[SSAValue, SSAValue]:
    """Both inputs, to be repeated to the result."""
    result = b.output(op).shape
    return operand(b, b.tensor(op, 0), result), operand(b, b.tensor(op, 1), result)


def sum_params(b: Builder, op: Operator) -> AddParams:
    """The numbers of ADD and SUB."""
    left, right, output = b.tensor(op, 0), b.tensor(op, 1), b.output(op)
    q1, q2, q = left.quantization, right.quantization, output.quantization
    numbers = add_params(q1.scale, q2.scale, q.scale)
    if numbers["output_shift"] > 0:
        raise UnsupportedError("the scale of its result is too small for its inputs")
    return AddParams(
        input1_zp=q1.zero_point,
        input2_zp=q2.zero_point,
        output_zp=q.zero_point,
        clamp=scaling.activation_range(op.number("FusedActivationFunction"), q),
        **numbers,
    )


def add(b: Builder, op: Operator) -> None:
    """ADD, of whole tensors by the operation that CMSIS-NN has."""
    left, right, output = b.tensor(op, 0), b.tensor(op, 1), b.output(op)
    params = sum_params(b, op)
    if left.shape == right.shape:
        b.finish(op, qnn.AddOp(b.value(left), b.value(right), params))
        return
    b.finish(op, qnn.BroadcastAddOp(*operands(b, op), params, activation_type(output)))


def sub(b: Builder, op: Operator) -> None:
    """SUB."""
    params, type = sum_params(b, op), activation_type(b.output(op))
    b.finish(op, qnn.SubOp(*operands(b, op), params, type))


def mul(b: Builder, op: Operator) -> None:
    """MUL."""
    left, right, output = b.tensor(op, 0), b.tensor(op, 1), b.output(op)
    q1, q2, q = left.quantization, right.quantization, output.quantization
    multiplier, shift = quantize_multiplier(q1.scale * q2.scale / q.scale)
    clamp = scaling.activation_range(op.number("FusedActivationFunction"), q)
    params = MulParams(q1.zero_point, q2.zero_point, multiplier, shift, q.zero_point, clamp)
    b.finish(op, qnn.MulOp(*operands(b, op), params, activation_type(output)))


def extreme(b: Builder, op: Operator) -> None:
    """MAXIMUM and MINIMUM, which compare stored values."""
    output = b.output(op)
    if any(b.tensor(op, i).quantization != output.quantization for i in range(2)):
        raise UnsupportedError("its inputs and output must have one scale and zero point")
    make = qnn.MaximumOp if op.name == "MAXIMUM" else qnn.MinimumOp
    b.finish(op, make(*operands(b, op), activation_type(output)))


def prelu(b: Builder, op: Operator) -> None:
    """PRELU."""
    source, alpha, output = b.tensor(op, 0), b.tensor(op, 1), b.output(op)
    q_in, q_alpha, q = source.quantization, alpha.quantization, output.quantization
    params = PreluParams(
        q_in.zero_point,
        q_alpha.zero_point,
        *quantize_multiplier(q_in.scale / q.scale),
        *quantize_multiplier(q_in.scale * q_alpha.scale / q.scale),
        q.zero_point,
    )
    slopes = operand(b, alpha, source.shape)
    b.finish(op, qnn.PreluOp(b.value(source), slopes, params))
