# SPDX-License-Identifier: Apache-2.0
"""The element-wise functions that become a table in int8, as numpy float64 functions."""

import math
from collections.abc import Callable, Mapping
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


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "silu": silu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
}
