# SPDX-License-Identifier: Apache-2.0
"""Operators element by element, each with how far int8 may be off."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F

from tests.frontends.operators.together import Function

SHAPE = (6, 4, 8)
"""Of the input, without the batch."""

CHANNELS = torch.linspace(-1.0, 2.0, 6).reshape(6, 1, 1)
PIXELS = torch.linspace(-2.0, 2.0, 32).reshape(4, 8)
WHOLE = torch.linspace(-1.0, 1.0, 192).reshape(6, 4, 8)
SLOPE, SLOPES = torch.tensor([0.2]), torch.linspace(-0.5, 1.5, 6)
QUARTER = torch.tensor(0.25)


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
    "square": of(lambda x: torch.square(x)),
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
    "prelu": of(lambda x: F.prelu(x, SLOPE)),
    "prelu_channels": of(lambda x: F.prelu(x, SLOPES)),
    "prelu_signal": of(lambda x: F.prelu(x[:, :, 3], SLOPES)),
}
"""An activation and constants."""

POINTWISE: Mapping[str, Case] = {**PAIRS, **CONSTANTS}
