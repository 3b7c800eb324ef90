# SPDX-License-Identifier: Apache-2.0
"""Element by element: activations, clamps, sums, and products with constants."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Activation, Array, Parameter, Tensor
from sparsec.ir import nn
from sparsec.quantization.scheme import Bounds


def clamped(builder: Builder, value: Activation, low: float, high: float) -> Tensor:
    """`value` kept between `low` and `high`."""
    if math.isnan(low) or math.isnan(high) or low > high:
        raise UnsupportedError(f"it clamps to the empty interval [{low}, {high}]")
    return builder.add(nn.ClampOp(value.ssa, Bounds(low, high)), value.order)


def relu(builder: Builder, call: Call) -> Tensor:
    """max(x, 0)."""
    return clamped(builder, call.activation("self", "input"), 0.0, math.inf)


def relu6(builder: Builder, call: Call) -> Tensor:
    """min(max(x, 0), 6)."""
    return clamped(builder, call.activation("self", "input"), 0.0, 6.0)


def clamp(builder: Builder, call: Call) -> Tensor:
    """clamp, clamp_min and clamp_max, by numbers."""
    low = call.number("min") if call.given("min") else -math.inf
    high = call.number("max") if call.given("max") else math.inf
    return clamped(builder, call.activation("self"), low, high)


def hardtanh(builder: Builder, call: Call) -> Tensor:
    """Clamp to [min_val, max_val]."""
    low, high = call.number("min_val", -1.0), call.number("max_val", 1.0)
    return clamped(builder, call.activation("self", "input"), low, high)


def activation(function: str) -> Callable[[Builder, Call], Tensor]:
    """An operator for a function that becomes a table."""

    def build(builder: Builder, call: Call) -> Tensor:
        value = call.activation("self", "input")
        return builder.add(nn.ActivationOp(function, value.ssa), value.order)

    return build


def gelu(builder: Builder, call: Call) -> Tensor:
    """gelu, exact or by tanh."""
    function = "gelu_tanh" if call.text("approximate", "none") == "tanh" else "gelu"
    return activation(function)(builder, call)


def constant_operand(call: Call, name: str) -> Parameter | None:
    """A number or a constant tensor, or None where the operand is an activation."""
    if isinstance(call.arguments.get(name), int | float):
        return Parameter(f"{call.place.layer}.{name}", np.array(call.number(name), np.float32))
    value = call.tensor(name)
    if isinstance(value, Activation):
        return None
    return Parameter(value.name, value.values())


def broadcast(call: Call, array: Array, shape: tuple[int, ...]) -> Array:
    """`array` repeated to `shape`, which must stay that of the activation."""
    try:
        return np.broadcast_to(array, shape).astype(array.dtype)
    except ValueError:
        raise UnsupportedError(
            f"a constant of shape {array.shape} would enlarge an activation of shape {shape}"
        ) from None


def folded(
    function: Callable[[Array, Array], Array], left: Parameter, right: Parameter
) -> Parameter:
    """What an operation gives on two constants."""
    return Parameter(left.name, np.asarray(function(left.array, right.array), np.float32))


def add_constant(builder: Builder, call: Call, value: Activation, constant: Parameter) -> Tensor:
    """`value` plus a constant."""
    array = broadcast(call, constant.array, value.shape)
    rhs = builder.ssa(Parameter(constant.name, array), value.order)
    return builder.add(nn.AddOp(value.ssa, rhs), value.order)


def add_or_subtract(sign: float) -> Operator:
    """self + sign * alpha * other."""

    def build(builder: Builder, call: Call) -> Tensor:
        factor = np.float32(sign * call.number("alpha", 1))
        left, right = constant_operand(call, "self"), constant_operand(call, "other")
        if left is not None and right is not None:
            return folded(lambda a, b: a + factor * b, left, right)
        if right is not None:
            scaled = Parameter(right.name, np.asarray(factor * right.array))
            return add_constant(builder, call, call.activation("self"), scaled)
        if factor != 1:
            raise UnsupportedError("the difference or weighted sum of two activations")
        other = call.activation("other")
        if left is not None:
            return add_constant(builder, call, other, left)
        value = call.activation("self")
        if value.shape != other.shape:
            raise UnsupportedError(
                f"activations of shapes {value.shape} and {other.shape} would be broadcast"
            )
        op = nn.AddOp(value.ssa, builder.ssa(other, value.order))
        return builder.add(op, value.order)

    return build


def scale(builder: Builder, call: Call, value: Activation, factor: Parameter) -> Tensor:
    """`value` times a constant for each channel: a batch normalization that only scales."""
    array = broadcast(call, factor.array, value.shape)
    channel = value.order[-1]
    others = tuple(axis for axis in range(len(value.shape)) if axis != channel)
    per_channel = array.max(axis=others)
    if not np.array_equal(per_channel, array.min(axis=others)):
        raise UnsupportedError("a product with a constant that differs within a channel")
    name, count = factor.name, len(per_channel)
    zeros = np.zeros(count, np.float32)
    op = nn.BatchNormOp(
        value.ssa,
        builder.constant(per_channel, name),
        builder.constant(zeros, f"{name}.zero"),
        builder.constant(zeros, f"{name}.zero"),
        builder.constant(np.ones(count, np.float32), f"{name}.one"),
        0.0,
    )
    return builder.add(op, value.order)


def multiply(builder: Builder, call: Call) -> Tensor:
    """A product of which one side is constant."""
    left, right = constant_operand(call, "self"), constant_operand(call, "other")
    if left is not None and right is not None:
        return folded(np.multiply, left, right)
    if right is not None:
        return scale(builder, call, call.activation("self"), right)
    if left is not None:
        return scale(builder, call, call.activation("other"), left)
    raise UnsupportedError("the product of two activations")


def divide(builder: Builder, call: Call) -> Tensor:
    """A quotient by a constant."""
    left, right = constant_operand(call, "self"), constant_operand(call, "other")
    if call.given("rounding_mode") or right is None or not right.array.all():
        raise UnsupportedError("only a division by constants other than 0 is supported")
    if left is not None:
        return folded(np.divide, left, right)
    factor = Parameter(right.name, np.asarray(np.float32(1) / right.array))
    return scale(builder, call, call.activation("self"), factor)


ELEMENTWISE: Mapping[str, Operator] = {
    "aten.relu": relu,
    "aten.relu6": relu6,
    "aten.hardtanh": hardtanh,
    "aten.clamp": clamp,
    "aten.clip": clamp,
    "aten.clamp_min": clamp,
    "aten.clamp_max": clamp,
    "aten.add": add_or_subtract(1),
    "aten.sub": add_or_subtract(-1),
    "aten.mul": multiply,
    "aten.div": divide,
    "aten.sigmoid": activation("sigmoid"),
    "aten.tanh": activation("tanh"),
    "aten.hardsigmoid": activation("hardsigmoid"),
    "aten.hardswish": activation("hardswish"),
    "aten.silu": activation("silu"),
    "aten.gelu": gelu,
}
