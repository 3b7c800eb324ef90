# SPDX-License-Identifier: Apache-2.0
"""The element-wise functions that expressions are made of, as numpy float64 functions.

The first argument of each is the value; what follows are its parameters, as torch orders them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def hardsigmoid(x: Array) -> Array:
    """relu6(x + 3) / 6."""
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0


def hardswish(x: Array) -> Array:
    """x * hardsigmoid(x)."""
    return x * hardsigmoid(x)


def silu(x: Array) -> Array:
    """x * sigmoid(x)."""
    return x * sigmoid(x)


def gelu(x: Array) -> Array:
    """x * Phi(x), Phi the cumulative distribution of the standard normal."""
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def gelu_tanh(x: Array) -> Array:
    """The tanh approximation of `gelu` (Hendrycks and Gimpel, arXiv 1606.08415)."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def leaky_relu(x: Array, slope: Array) -> Array:
    """x, or slope * x below 0."""
    return np.where(x < 0, slope * x, x)


def elu(x: Array, alpha: Array) -> Array:
    """x, or alpha * (exp(x) - 1) below 0."""
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0.0)), x)


def celu(x: Array, alpha: Array) -> Array:
    """x, or alpha * (exp(x / alpha) - 1) below 0."""
    return np.where(x < 0, alpha * np.expm1(np.minimum(x / alpha, 0.0)), x)


def selu(x: Array) -> Array:
    """The self-normalizing `elu` (Klambauer et al., arXiv 1706.02515)."""
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return scale * elu(x, np.asarray(alpha))


def softplus(x: Array, beta: Array, threshold: Array) -> Array:
    """log(1 + exp(beta * x)) / beta, and x where beta * x is above the threshold."""
    return np.where(beta * x > threshold, x, np.logaddexp(0.0, beta * x) / beta)


def mish(x: Array) -> Array:
    """x * tanh(log(1 + exp(x)))."""
    return x * np.tanh(np.logaddexp(0.0, x))


def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    return x / (1.0 + np.abs(x))


def logsigmoid(x: Array) -> Array:
    """log(sigmoid(x)), without overflow."""
    return -np.logaddexp(0.0, -x)


def hardshrink(x: Array, bound: Array) -> Array:
    """x, or 0 within the bound."""
    return np.where(np.abs(x) > bound, x, 0.0)


def softshrink(x: Array, bound: Array) -> Array:
    """x brought towards 0 by the bound."""
    return np.sign(x) * np.maximum(np.abs(x) - bound, 0.0)


def tanhshrink(x: Array) -> Array:
    """x - tanh(x)."""
    return x - np.tanh(x)


def threshold(x: Array, bound: Array, value: Array) -> Array:
    """x, or the value where x is not above the bound."""
    return np.where(x > bound, x, value)


def where(condition: Array, chosen: Array, other: Array) -> Array:
    """`chosen` where the condition is not 0."""
    return np.where(condition != 0, chosen, other)


@dataclass(frozen=True)
class Function:
    """A function of so many numbers."""

    arguments: int
    compute: Callable[..., Array]


FUNCTIONS: Mapping[str, Function] = {
    **{
        function.__name__: Function(1, function)
        for function in (
            *(sigmoid, hardsigmoid, hardswish, silu, gelu, gelu_tanh, selu, mish),
            *(softsign, logsigmoid, tanhshrink),
        )
    },
    **{
        function.__name__: Function(2, function)
        for function in (leaky_relu, elu, celu, hardshrink, softshrink)
    },
    **{function.__name__: Function(3, function) for function in (softplus, threshold, where)},
    "clamp": Function(3, np.clip),
    "tanh": Function(1, np.tanh),
    "exp": Function(1, np.exp),
    "expm1": Function(1, np.expm1),
    "log": Function(1, np.log),
    "log1p": Function(1, np.log1p),
    "log2": Function(1, np.log2),
    "log10": Function(1, np.log10),
    "sqrt": Function(1, np.sqrt),
    "abs": Function(1, np.abs),
    "sign": Function(1, np.sign),
    "erf": Function(1, _erf),
    "sin": Function(1, np.sin),
    "cos": Function(1, np.cos),
    "tan": Function(1, np.tan),
    "asin": Function(1, np.arcsin),
    "acos": Function(1, np.arccos),
    "atan": Function(1, np.arctan),
    "sinh": Function(1, np.sinh),
    "cosh": Function(1, np.cosh),
    "asinh": Function(1, np.arcsinh),
    "acosh": Function(1, np.arccosh),
    "atanh": Function(1, np.arctanh),
    "floor": Function(1, np.floor),
    "ceil": Function(1, np.ceil),
    "round": Function(1, np.rint),
    "trunc": Function(1, np.trunc),
    "pow": Function(2, np.power),
    "minimum": Function(2, np.minimum),
    "maximum": Function(2, np.maximum),
}
