# SPDX-License-Identifier: Apache-2.0
"""Layer norm of rows of 64 values: exact instructions of a value, and how far results are from those in floating point."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks._results import Figure, step
from sparsec.calibration.image import KernelImage
from sparsec.ir import rt
from sparsec.quantization.normalization import (
    EXTRA_BITS,
    FRACTION_BITS,
    SPREAD_BITS,
    NormalizeParams,
    common_multipliers,
)
from sparsec.run.profile.profile import Cost

ROWS, WIDTH = 64, 64
TARGETS = {"cortex-m4": 8.0, "cortex-m55": None}
LARGEST_ERROR = 1.0
EPSILON = 0.01
"""In squares of the input's steps."""
SEED = 5


@dataclass(frozen=True)
class Row:
    """All rows on a core; `error` in steps of the output."""

    core: str
    cost: Cost
    error: float

    @property
    def instructions(self) -> float:
        """Of a value, the row's overhead in."""
        return self.cost.instructions / (ROWS * WIDTH)

    @property
    def figures(self) -> Iterator[Figure]:
        """Instructions and error."""
        what = f"layer norm of 64 {self.core}"
        yield Figure(
            f"instructions {what}", self.instructions, TARGETS[self.core], "of a value", "lower"
        )
        yield Figure(f"largest error {what}", self.error, LARGEST_ERROR, "LSB", "lower")


def layer_norm_row(core: str) -> Row:
    """Measure `core`."""
    step(f"layer norm on {core}")
    rng = np.random.default_rng(SEED)
    x = np.clip(np.round(rng.normal(3, 30, (1, ROWS, 1, WIDTH))), -128, 127).astype(np.int8)
    gain, offset = rng.uniform(20, 40, WIDTH), rng.uniform(-10, 10, WIDTH)
    multiplier, shift = common_multipliers(gain * 2.0 ** (EXTRA_BITS - FRACTION_BITS))
    epsilon = round(EPSILON * WIDTH**2 * 2**SPREAD_BITS)
    params = NormalizeParams(input_zp=3, output_zp=-2, epsilon=epsilon)
    image = KernelImage()
    output = image.buffer(x.shape)
    numbers = (np.round(offset * 2**EXTRA_BITS).astype(np.int32), multiplier, shift)
    b, m, s = map(image.constant, numbers)
    image.call(rt.NormalizeOp(image.constant(x), b, m, s, output, params), "norm")
    image.result(output)
    found, (result,) = image.measure(core)
    centered = x - x.mean(axis=3, keepdims=True)
    normal = centered / np.sqrt((centered**2).mean(axis=3, keepdims=True) + EPSILON)
    exact = np.clip(normal * gain + offset + params.output_zp, -128, 127)
    error = float(np.abs(result.reshape(x.shape) - exact).max())
    return Row(core, found["norm"].cost, error)
