# SPDX-License-Identifier: Apache-2.0
"""Operators element by element, each with how far int8 may be off."""

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.frontends.operators.together import Function

SHAPE = (6, 4, 8)
"""Of the input, without the batch."""

CHANNELS = torch.linspace(-1.0, 2.0, 6).reshape(6, 1, 1)
PIXELS = torch.linspace(-2.0, 2.0, 32).reshape(4, 8)
WHOLE = torch.linspace(-1.0, 1.0, 192).reshape(6, 4, 8)
SLOPE, SLOPES = torch.tensor([0.2]), torch.linspace(-0.5, 1.5, 6)
QUARTER = torch.tensor(0.25)


def vector_norm(x: Tensor, order: float, axes: int | tuple[int, int]) -> Tensor:
    """torch's, whose type says nothing."""
    return cast(Tensor, torch.linalg.vector_norm(x, order, axes))


class Case(NamedTuple):
    """A function, and how far int8 may lie from it on the same int8 inputs, in units of the output's scale.

    Half a unit is the last rounding; the rest is what roundings before it amount to.
    """

    function: Function
    error: float


def of(function: Function, error: float = 1.0) -> Case:
    return Case(function, error)


PAIRS: Mapping[str, Case] = {
    "add": of(lambda x: x + x.flip(-1)),
    "add_alpha": of(lambda x: torch.add(x, x.flip(1), alpha=-0.5), error=1.5),
    "add_gate": of(lambda x: x + x[:, :, :1, :1]),
    "add_both_ways": of(lambda x: x[:, :, :1, :1] + x[:, :1]),
    "sub": of(lambda x: x - x.flip(-1)),
    "sub_alpha": of(lambda x: torch.sub(x, x.flip(2), alpha=2), error=1.5),
    "sub_pixels": of(lambda x: x[:, 2:3] - x),
    "mul": of(lambda x: x * x.flip(-1)),
    "mul_gate": of(lambda x: x * x[:, :, :1, :1]),
    "mul_pixels": of(lambda x: x[:, :1] * x),
    "mul_signals": of(lambda x: x[:, :, 0] * x[:, :, 1, :1]),
    "mul_rows": of(lambda x: x * x[:, :1, :, :1]),
    "mul_columns": of(lambda x: x[:, :1, :1] * x),
    "mul_relu": of(lambda x: F.relu(x * x[:, :, :1, :1])),
    "addcmul": of(lambda x: torch.addcmul(x, x.flip(-1), x.flip(1), value=0.5), error=1.5),
    "addcdiv": of(lambda x: torch.addcdiv(x, x.flip(-1), x.flip(1).abs() + 1), error=3.0),
    "lerp": of(lambda x: torch.lerp(x, x.flip(-1), 0.25), error=2.0),
    "lerp_gate": of(lambda x: torch.lerp(x, x.flip(-1), torch.sigmoid(x[:, :, :1, :1])), error=2.0),
    "glu": of(lambda x: F.glu(x, 1), error=1.5),
    "maximum": of(lambda x: torch.maximum(x, 0.5 * x.flip(-1)), error=1.5),
    "maximum_of_parts": of(lambda x: torch.maximum(x, x[:, :, :1, :1]), error=0.1),
    "minimum": of(lambda x: torch.minimum(x[:, :, 1], x[:, :, 2]), error=0.1),
    "clamp_by_tensors": of(lambda x: torch.clamp(x, x[:, :, :1, :1], x[:, :1] + 0.5), error=1.5),
}
"""Two activations."""

CONSTANTS: Mapping[str, Case] = {
    "add_constant": of(lambda x: x + CHANNELS),
    "add_pixels": of(lambda x: PIXELS + x),
    "sub_constant": of(lambda x: torch.sub(x, CHANNELS, alpha=2)),
    "rsub": of(lambda x: 1 - x),
    "rsub_constant": of(lambda x: torch.rsub(x, CHANNELS, alpha=2), error=2.0),
    "neg": of(lambda x: -x),
    "mul_number": of(lambda x: x * -2.5),
    "mul_pixels_constant": of(lambda x: x * PIXELS, error=2.0),
    "mul_whole_constant": of(lambda x: x * WHOLE, error=2.0),
    "enlarged": of(lambda x: x[:, :1] * CHANNELS),
    "div_constant": of(lambda x: x / (CHANNELS + 1.5)),
    "maximum_constant": of(lambda x: torch.maximum(x, CHANNELS), error=1.5),
    "minimum_number": of(lambda x: torch.minimum(x, QUARTER)),
    "clamp_crossed": of(lambda x: x.clamp(0.5, 0.25)),
    "prelu_channels": of(lambda x: F.prelu(x, SLOPES)),
    "prelu_signal": of(lambda x: F.prelu(x[:, :, 3], SLOPES)),
}
"""An activation and constants."""

OF_ONE_NUMBER: Mapping[str, Function] = {
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "elu": lambda x: F.elu(x, 0.7),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 1.3),
    "mish": F.mish,
    "softplus": lambda x: F.softplus(x, 2, 5),
    "softsign": F.softsign,
    "logsigmoid": F.logsigmoid,
    "hardshrink": lambda x: F.hardshrink(x, 0.3),
    "softshrink": lambda x: F.softshrink(x, 0.3),
    "tanhshrink": F.tanhshrink,
    "threshold": lambda x: F.threshold(x, 0.1, -0.4),
    "rrelu": lambda x: F.rrelu(x, 0.1, 0.3),
    "prelu": lambda x: F.prelu(x, SLOPE),
    "abs": torch.abs,
    "square": torch.square,
    "pow": lambda x: x**3,
    "pow_of_two": lambda x: 2**x,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": lambda x: torch.log(x.abs() + 0.5),
    "log1p": lambda x: torch.log1p(x * x),
    "sqrt": lambda x: torch.sqrt(x.abs()),
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 1),
    "reciprocal": lambda x: torch.reciprocal(x.abs() + 0.5),
    "sign": torch.sign,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": lambda x: torch.tan(x * 0.25),
    "asin": lambda x: torch.asin(x * 0.125),
    "acos": lambda x: torch.arccos(x * 0.125),
    "asinh": torch.arcsinh,
    "acosh": lambda x: torch.acosh(x.abs() + 1.5),
    "atanh": lambda x: torch.atanh(x * 0.0625),
    "erfc": torch.erfc,
    "exp2": torch.exp2,
    "frac": torch.frac,
    "remainder": lambda x: torch.remainder(x, -1.5),
    "fmod": lambda x: torch.fmod(x, 1.5),
    "floor_divide": lambda x: torch.floor_divide(x, 0.75),
    "divide_and_trunc": lambda x: torch.div(x, 0.75, rounding_mode="trunc"),
    "floor": torch.floor,
    "round": torch.round,
    "one_minus": lambda x: 1 - torch.sigmoid(x),
    "sigmoid_gate": lambda x: x * torch.sigmoid(1.702 * x),
    "hardswish_by_hand": lambda x: x * F.relu6(x + 3) / 6,
    "softsign_by_hand": lambda x: x / (1 + x.abs()),
    "normalized": lambda x: (x / 25.5 - 0.5) * 2,
    "number_over": lambda x: 2 / (x.abs() + 0.5),
    "clamped": lambda x: torch.tanh(x).clamp(-0.5, 0.5) + 1,
    "larger_of_two": lambda x: torch.maximum(x, -0.25 * x),
}
FUNCTIONS: Mapping[str, Case] = {
    name: of(function, error=0.51) for name, function in OF_ONE_NUMBER.items()
}
"""Functions of one number: a table, which is rounded once."""

QUOTIENTS: Mapping[str, Case] = {
    # The reciprocal is within half of its own unit, 2/255.
    "div": of(lambda x: x / (x.flip(-1).abs() + 0.5), error=3.0),
    "div_gate": of(lambda x: x[:, :, :1, :1] / (x.abs() + 0.5), error=3.0),
}

REDUCTIONS: Mapping[str, Case] = {
    "mean": of(lambda x: x.mean((2, 3))),
    "mean_kept": of(lambda x: x.mean((-2, -1), keepdim=True)),
    "mean_of_all": of(lambda x: x.mean((1, 2, 3))),
    "mean_of_channels": of(lambda x: x.mean(1)),
    "mean_of_rows": of(lambda x: x.mean(2, keepdim=True)),
    "mean_of_vectors": of(lambda x: x[:, :, 0, 0].mean(1, keepdim=True)),
    "mean_apart": of(lambda x: x.mean((1, 2))),
    "sum": of(lambda x: x.sum((2, 3))),
    "sum_of_channels": of(lambda x: x.sum(1, keepdim=True)),
    "amax": of(lambda x: x.amax(3), error=0.1),
    "amin": of(lambda x: x.amin((1, 3)), error=0.1),
    "max": of(lambda x: x.max(dim=2)[0], error=0.1),
    "min": of(lambda x: x.min(dim=1, keepdim=True)[0], error=0.1),
    "max_of_two": of(lambda x: torch.max(x, x.flip(-1)), error=0.1),
    "max_over_time": of(lambda x: x[:, :, 1].amax(2), error=0.1),
    "std": of(lambda x: x.std((2, 3)), error=3.0),
    "var": of(lambda x: x.var(1, correction=0), error=3.0),
    "var_mean": of(lambda x: torch.var_mean(x, 2)[0] - torch.var_mean(x, (2,))[1], error=3.0),
    "std_mean": of(lambda x: torch.std_mean(x, 1)[0], error=3.0),
    "norm": of(lambda x: cast(Tensor, x.norm(dim=1)), error=3.0),
    "norm_1": of(lambda x: vector_norm(x, 1, (1, 2))),
    "norm_inf": of(lambda x: vector_norm(x, float("inf"), 3)),
    "cumsum": of(lambda x: x.cumsum(3)),
    "diff": of(lambda x: x.diff(n=2, dim=2)),
}
"""Along axes."""

POINTWISE: Mapping[str, Case] = {
    **PAIRS,
    **CONSTANTS,
    **FUNCTIONS,
    **QUOTIENTS,
    **REDUCTIONS,
}
