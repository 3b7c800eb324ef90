# SPDX-License-Identifier: Apache-2.0
"""Element by element: activations, clamps, and operations on two tensors."""

import math
from collections.abc import Callable, Mapping
from math import prod
from typing import TypeGuard

import numpy as np
from xdsl.ir import Operation, SSAValue

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.masked_softmax import without_infinity
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Activation, Array, Parameter, Tensor
from sparsec.ir import nn
from sparsec.ir.expression import Term, Variable, apply, evaluate, parse
from sparsec.quantization.scheme import Bounds

X = Variable()


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


def hardtanh(builder: Builder, call: Call) -> Tensor:
    """Clamp to [min_val, max_val]."""
    low, high = call.number("min_val", -1.0), call.number("max_val", 1.0)
    return clamped(builder, call.activation("self", "input"), low, high)


def applied(builder: Builder, value: Tensor, function: Term) -> Tensor:
    """A function of each element."""
    if isinstance(value, Parameter):
        return Parameter(value.name, evaluate(function, value.values()).astype(np.float32))
    return builder.add(nn.ActivationOp(function, value.ssa), value.order)


def activation(name: str, **parameters: float | None) -> Operator:
    """An operator for a function by its name; its `parameters` with what torch takes them for if they are not given."""

    known = {"self", "input", "out", *parameters}

    def build(builder: Builder, call: Call) -> Tensor:
        for other in call.arguments.keys() - known:
            if call.arguments[other]:
                raise UnsupportedError(f"its argument '{other}' is not supported")
        numbers = [call.number(each, default) for each, default in parameters.items()]
        return applied(builder, call.tensor("self", "input"), apply(name, X, *numbers))

    return build


def expression(text: str) -> Operator:
    """An operator for a function without parameters."""

    def build(builder: Builder, call: Call) -> Tensor:
        return applied(builder, call.tensor("self", "input"), parse(text))

    return build


def gelu(builder: Builder, call: Call) -> Tensor:
    """gelu, exact or by tanh."""
    name = "gelu_tanh" if call.text("approximate", "none") == "tanh" else "gelu"
    return applied(builder, call.tensor("self", "input"), apply(name, X))


def elu(builder: Builder, call: Call) -> Tensor:
    """elu, celu and selu of torch's decompositions: scale * x, or scale * alpha * (exp(input_scale * x) - 1)."""
    alpha, scale = call.number("alpha", 1.0), call.number("scale", 1.0)
    rate = call.number("input_scale", 1.0)
    if rate == 1:
        term = apply("elu", X, alpha)
    else:
        below = apply("*", apply("expm1", apply("*", apply("minimum", X, 0), rate)), alpha)
        term = apply("where", apply("<", X, 0), below, X)
    return applied(builder, call.tensor("self"), apply("*", term, scale) if scale != 1 else term)


def log_sigmoid(builder: Builder, call: Call) -> list[Tensor]:
    """The logarithm of a sigmoid, of two results of which a model uses one."""
    return [applied(builder, call.tensor("self"), apply("logsigmoid", X))]


def randomized_relu(builder: Builder, call: Call) -> Tensor:
    """Out of training a leaky_relu of the mean slope."""
    if call.flag("training"):
        raise UnsupportedError("it is in training mode: call model.eval() before the export")
    slope = (call.number("lower", 1 / 8) + call.number("upper", 1 / 3)) / 2
    return applied(builder, call.tensor("self"), apply("leaky_relu", X, slope))


def power(builder: Builder, call: Call) -> Tensor:
    """A power of which the base or the exponent is a number."""
    base, exponent = operand(call, "self"), operand(call, "exponent")
    if is_number(exponent, base):
        number = float(exponent.array.item())
        term = apply("*", X, X) if number == 2 else apply("pow", X, number)
        return applied(builder, base, term)
    if is_number(base, exponent):
        return applied(builder, exponent, apply("pow", float(base.array.item()), X))
    raise UnsupportedError("a power of tensors")


def operand(call: Call, name: str) -> Tensor:
    """A number, a constant or an activation; constants as float32."""
    if isinstance(call.arguments.get(name), int | float):
        return Parameter(f"{call.place.layer}.{name}", np.array(call.number(name), np.float32))
    value = call.tensor(name)
    if isinstance(value, Activation):
        return value
    return Parameter(value.name, np.asarray(value.values(), np.float32))


def is_number(value: Tensor | None, other: Tensor) -> TypeGuard[Parameter]:
    """Whether it is a constant of one element that leaves `other` its shape."""
    return (
        isinstance(value, Parameter)
        and value.array.size == 1
        and len(value.shape) <= len(other.shape)
    )


def folded(
    function: Callable[[Array, Array], Array], left: Parameter, right: Parameter
) -> Parameter:
    """What an operation gives on two constants."""
    return Parameter(left.name, np.asarray(function(left.array, right.array), np.float32))


def aligned(builder: Builder, value: Tensor, rank: int) -> Tensor:
    """`value` with axes of one element in front, up to `rank`."""
    more = rank - len(value.shape)
    if more == 0:
        return value
    ones = (1,) * more
    if isinstance(value, Parameter):
        return Parameter(value.name, value.array.reshape(*ones, *value.shape))
    order = (*range(more), *(axis + more for axis in value.order))
    shape = (*ones, *value.shape)
    ssa = builder.reshape(value.ssa, [shape[axis] for axis in order])
    return Activation(ssa, shape, order)


def paired(
    builder: Builder,
    make: Callable[[SSAValue, SSAValue], Operation],
    left: Tensor,
    right: Tensor,
) -> Tensor:
    """An operation on two tensors that broadcast, in the order of the larger activation."""
    rank = max(len(left.shape), len(right.shape))
    pair = [aligned(builder, value, rank) for value in (left, right)]
    activations = [value for value in pair if isinstance(value, Activation)]
    order = max(activations, key=lambda value: prod(value.shape)).order
    lhs, rhs = (builder.ssa(value, order) for value in pair)
    return builder.add(make(lhs, rhs), order)


def summed(builder: Builder, left: Tensor, right: Tensor) -> Tensor:
    """The sum of two tensors of which one is an activation."""
    if isinstance(left, Parameter):
        left, right = right, left
    if isinstance(left, Activation) and isinstance(right, Parameter):
        left, right = without_infinity(builder, left, right)
        if left.ssa in builder.shut_out and not right.array.any():
            return left
    return paired(builder, nn.AddOp, left, right)


def scaled(builder: Builder, value: Tensor, factor: float) -> Tensor:
    """`value` times a number."""
    constant = Parameter(f"{builder.place.layer}.factor", np.array(factor, np.float32))
    if factor == 1:
        return value
    if isinstance(value, Parameter):
        return folded(np.multiply, value, constant)
    return times_constant(builder, value, constant)


def add(builder: Builder, call: Call) -> Tensor:
    """self + alpha * other."""
    left, right = operand(call, "self"), operand(call, "other")
    return summed(builder, left, scaled(builder, right, call.number("alpha", 1)))


def difference(builder: Builder, left: Tensor, right: Tensor, alpha: float) -> Tensor:
    """left - alpha * right."""
    if isinstance(left, Activation) and isinstance(right, Activation):
        return paired(builder, nn.SubOp, left, scaled(builder, right, alpha))
    return summed(builder, left, scaled(builder, right, -alpha))


def subtract(builder: Builder, call: Call) -> Tensor:
    """self - alpha * other."""
    left, right = operand(call, "self"), operand(call, "other")
    return difference(builder, left, right, call.number("alpha", 1))


def subtract_from(builder: Builder, call: Call) -> Tensor:
    """other - alpha * self."""
    left, right = operand(call, "other"), operand(call, "self")
    return difference(builder, left, right, call.number("alpha", 1))


def negate(builder: Builder, call: Call) -> Tensor:
    """-self."""
    return scaled(builder, operand(call, "self"), -1.0)


def per_channel(value: Activation, factor: Parameter) -> Array | None:
    """[C]: the factor of each channel of `value`; None if it differs within one, or enlarges `value`."""
    try:
        array = np.broadcast_to(factor.array, value.shape)
    except ValueError:
        return None
    channel = value.order[-1]
    others = tuple(axis for axis in range(len(value.shape)) if axis != channel)
    found = array.max(axis=others)
    return found if np.array_equal(found, array.min(axis=others)) else None


def times_constant(builder: Builder, value: Activation, factor: Parameter) -> Tensor:
    """`value` times a constant; one for each channel is a batch normalization that only scales."""
    factors = per_channel(value, factor)
    if factors is None:
        return paired(builder, nn.MulOp, value, factor)
    name, count = factor.name, len(factors)
    zeros = np.zeros(count, np.float32)
    op = nn.BatchNormOp(
        value.ssa,
        builder.constant(factors, name),
        builder.constant(zeros, f"{name}.zero"),
        builder.constant(zeros, f"{name}.zero"),
        builder.constant(np.ones(count, np.float32), f"{name}.one"),
        0.0,
    )
    return builder.add(op, value.order)


def product(builder: Builder, left: Tensor, right: Tensor) -> Tensor:
    """left * right, of two tensors of which one is an activation."""
    if isinstance(left, Activation) and isinstance(right, Parameter):
        return times_constant(builder, left, right)
    if isinstance(left, Parameter) and isinstance(right, Activation):
        return times_constant(builder, right, left)
    return paired(builder, nn.MulOp, left, right)


def multiply(builder: Builder, call: Call) -> Tensor:
    """A product."""
    return product(builder, operand(call, "self"), operand(call, "other"))


def reciprocal(builder: Builder, value: Tensor) -> Tensor:
    """1 / value. Raises UnsupportedError for a constant that holds 0."""
    if isinstance(value, Parameter) and not value.array.all():
        raise UnsupportedError("a division by a constant that holds 0")
    return applied(builder, value, apply("/", 1, X))


def divide(builder: Builder, call: Call) -> Tensor:
    """A quotient, by an activation as a product with its reciprocal: what a divisor loses as int8 is lost before, so that
    to divide bytes would not be more exact."""
    left, right = operand(call, "self"), operand(call, "other")
    if call.given("rounding_mode"):
        return rounded_quotient(builder, left, right, call.text("rounding_mode"))
    return product(builder, left, reciprocal(builder, right))


def rounded_quotient(builder: Builder, left: Tensor, right: Tensor, rounding: str) -> Tensor:
    """A quotient by a number, rounded by `floor` or `trunc`."""
    return applied(builder, left, apply(rounding, apply("/", X, divisor(right, left))))


def divisor(value: Tensor, of: Tensor) -> float:
    """The number by which `of` is divided. Raises UnsupportedError where it is none, 0 or infinite."""
    if not is_number(value, of):
        raise UnsupportedError("a division with a remainder by something other than a number")
    number = float(value.array.item())
    if number == 0 or not math.isfinite(number):
        raise UnsupportedError(f"a division with a remainder by {number:g}")
    return number


def extreme(
    make: type[nn.ExtremeOp], on_constants: Callable[[Array, Array], Array]
) -> Callable[[Builder, Tensor, Tensor], Tensor]:
    """The larger or smaller of two tensors, of which one may be a number."""

    def build(builder: Builder, left: Tensor, right: Tensor) -> Tensor:
        if isinstance(left, Parameter):
            if isinstance(right, Parameter):
                return folded(on_constants, left, right)
            left, right = right, left
        if is_number(right, left):
            number = float(right.array.item())
            low, high = (number, math.inf) if make is nn.MaximumOp else (-math.inf, number)
            return clamped(builder, left, low, high)
        return paired(builder, make, left, right)

    return build


larger = extreme(nn.MaximumOp, np.maximum)
smaller = extreme(nn.MinimumOp, np.minimum)


def maximum(builder: Builder, call: Call) -> Tensor:
    """The larger of two tensors."""
    return larger(builder, operand(call, "self"), operand(call, "other"))


def minimum(builder: Builder, call: Call) -> Tensor:
    """The smaller of two tensors."""
    return smaller(builder, operand(call, "self"), operand(call, "other"))


def clamp(builder: Builder, call: Call) -> Tensor:
    """clamp, clamp_min and clamp_max, by numbers or tensors; the upper bound counts where they cross."""
    value = operand(call, "self")
    low, high = (operand(call, name) if call.given(name) else None for name in ("min", "max"))
    if isinstance(value, Activation) and is_number(low, value) and is_number(high, value):
        most = float(high.array.item())
        return clamped(builder, value, min(float(low.array.item()), most), most)
    if low is not None:
        value = larger(builder, value, low)
    return value if high is None else smaller(builder, value, high)


def prelu(builder: Builder, call: Call) -> Tensor:
    """x, or a slope of its channel times x where x is negative."""
    value, slopes = call.activation("self"), operand(call, "weight")
    rank = len(value.shape)
    if isinstance(slopes, Activation):
        raise UnsupportedError("its slopes are computed")
    array = slopes.array.reshape(-1)
    if array.size > 1 and (rank < 2 or array.size != value.shape[1]):
        raise UnsupportedError(f"{array.size} slopes do not fit an input of shape {value.shape}")
    shape = [array.size if axis == 1 else 1 for axis in range(rank)]
    if array.size == 1:
        return applied(builder, value, apply("leaky_relu", X, float(array.item())))
    alpha = builder.ssa(Parameter(slopes.name, array.reshape(shape)), value.order)
    return builder.add(nn.PreluOp(value.ssa, alpha), value.order)


ELEMENTWISE: Mapping[str, Operator] = {
    "aten.relu": relu,
    "aten.relu6": relu6,
    "aten.hardtanh": hardtanh,
    "aten.clamp": clamp,
    "aten.clip": clamp,
    "aten.clamp_min": clamp,
    "aten.clamp_max": clamp,
    "aten.maximum": maximum,
    "aten.minimum": minimum,
    "aten.add": add,
    "aten.sub": subtract,
    "aten.subtract": subtract,
    "aten.rsub": subtract_from,
    "aten.neg": negate,
    "aten.negative": negate,
    "aten.mul": multiply,
    "aten.multiply": multiply,
    "aten.div": divide,
    "aten.divide": divide,
    "aten.true_divide": divide,
    "aten.prelu": prelu,
    "aten._prelu_kernel": prelu,
    **{
        f"aten.{name}": activation(name)
        for name in (
            *("sigmoid", "tanh", "hardsigmoid", "hardswish", "silu", "mish", "selu"),
            *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "abs", "sign", "erf"),
            *(
                "sin",
                "cos",
                "tan",
                "asin",
                "acos",
                "atan",
                "sinh",
                "cosh",
                "asinh",
                "acosh",
                "atanh",
            ),
            *("floor", "ceil", "round", "trunc"),
        )
    },
    "aten.sgn": activation("sign"),
    "aten.fix": activation("trunc"),
    **{
        f"aten.arc{name}": activation(f"a{name}")
        for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")
    },
    "aten.absolute": activation("abs"),
    "aten.frac": expression("x - trunc(x)"),
    "aten.erfc": expression("1 - erf(x)"),
    "aten.exp2": expression("pow(2, x)"),
    "aten.square": expression("x * x"),
    "aten.reciprocal": expression("1 / x"),
    "aten.rsqrt": expression("1 / sqrt(x)"),
    "aten.leaky_relu": activation("leaky_relu", negative_slope=0.01),
    "aten.celu": activation("celu", alpha=1.0),
    "aten.softplus": activation("softplus", beta=1.0, threshold=20.0),
    "aten.hardshrink": activation("hardshrink", lambd=0.5),
    "aten.softshrink": activation("softshrink", lambd=0.5),
    "aten.threshold": activation("threshold", threshold=None, value=None),
    "aten.elu": elu,
    "aten.log_sigmoid": activation("logsigmoid"),
    "aten.log_sigmoid_forward": log_sigmoid,
    "aten.rrelu": randomized_relu,
    "aten.pow": power,
    "aten.gelu": gelu,
}
