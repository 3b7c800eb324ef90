# SPDX-License-Identifier: Apache-2.0
"""`choose-ranges`: for each value the range, of those that several observers give, that serves the outputs best.

    %y = nn.linear .. {nn.range = array<f64: -1.5, 9.0>}        becomes        .. {nn.range = array<f64: -1.5, 3.25>}

where cutting off what lies beyond leaves the outputs of the rounded network nearer to those of the float one. Values are
taken front to back, each with the ranges that the ones before were given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from sparsec.analysis.values.ranges import Range, range_of, set_range
from sparsec.ir.level import is_float
from sparsec.passes.calibrate import (
    Observer,
    all_inputs,
    observations,
    outputs_of,
)
from sparsec.passes.quantize import LinearWeights, quantization_for, quantizations, quantized_copy
from sparsec.quantization.observers import MinMaxObserver, MseObserver, PercentileObserver

Array: TypeAlias = np.ndarray[Any, Any]

OBSERVERS: tuple[Callable[[], Observer], ...] = (
    MinMaxObserver,
    partial(PercentileObserver, 99.9),
    partial(PercentileObserver, 99.99),
    MseObserver,
)
"""What they give is tried."""

LEAST_GAIN = 0.02
"""The part of the noise that a range must take away: less is chance on so few inputs."""


SAMPLES = 128
"""How many of the inputs the ranges are tried on; the observers see all."""


def noise(
    module: ModuleOp, inputs: Sequence[Array], expected: Sequence[Array], linear: LinearWeights
) -> float:
    """Noise over signal of the outputs of `module` once it is rounded, summed over the outputs."""
    got = outputs_of(quantized_copy(module, linear), inputs)
    return sum(
        float(np.sum((real.astype(np.float64) - found) ** 2))
        / max(float(np.sum(real.astype(np.float64) ** 2)), 1e-30)
        for real, found in zip(expected, got, strict=True)
    )


def candidates(module: ModuleOp, inputs: Sequence[Array]) -> dict[SSAValue, list[Range]]:
    """The ranges that the observers give for each value that has one."""
    found: dict[SSAValue, list[Range]] = {}
    for factory in OBSERVERS:
        for value, observer in observations(module, inputs, factory).items():
            found.setdefault(value, []).append(observer.range())
    return {value: list(dict.fromkeys(ranges)) for value, ranges in found.items()}


def choose_ranges(module: ModuleOp, inputs: Sequence[Array], linear_weights: LinearWeights) -> int:
    """Give the values of `module`, which have ranges, better ones on `inputs`, [N, ..] each; how many got another."""
    tried = [array[:SAMPLES] for array in inputs]
    expected = outputs_of(module, tried)
    least = noise(module, tried, expected, linear_weights)
    used = quantizations(quantized_copy(module, linear_weights))
    changed = 0
    for value, ranges in candidates(module, inputs).items():
        before = range_of(value)
        if before is None or quantization_for(before) not in used:
            continue  # another value's range, or a fixed scale, decides
        best = before
        for measured in ranges:
            if quantization_for(measured) == quantization_for(best):
                continue
            set_range(value, measured)
            found = noise(module, tried, expected, linear_weights)
            if found < least * (1 - LEAST_GAIN):
                best, least = measured, found
        set_range(value, best)
        changed += best != before
    return changed


@dataclass(frozen=True)
class ChooseRangesPass(ModulePass):
    """Chooses on the arrays of a .npy or .npz file, or the example inputs of a model file.

    The network must have measured ranges; `linear_weights` is what `quantize` will be told.
    """

    name = "choose-ranges"

    file: str = ""
    input_layout: Literal["nchw", "nhwc"] = "nchw"
    linear_weights: LinearWeights = "per-channel"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if is_float(op):
            inputs = all_inputs(op, self.name, self.file, self.input_layout)
            choose_ranges(op, inputs, self.linear_weights)
