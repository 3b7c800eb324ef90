# SPDX-License-Identifier: Apache-2.0
"""Fixed-point scaling: a positive real scale as (multiplier, shift), and the rounding product with it.

The rule: a scale is `multiplier * 2**(shift - 31)`, a positive shift goes left, and the product rounds twice, as
CMSIS-NN does by default (`arm_nn_requantize`) and as TFLite Micro's reference kernels do.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Int32Array, Int64Array

Q31_MAX = 2**31 - 1
Q31_MIN = -(2**31)

MIN_SHIFT, MAX_SHIFT = -30, 30
"""What C defines: `1 << -shift` must be an int32, and so must `1 << shift`."""


def quantize_multiplier(scale: float) -> tuple[int, int]:
    """The (multiplier, shift) nearest to `scale`, with multiplier 0 or in [2**30, 2**31).

    TFLite's `QuantizeMultiplier`: rounds half away from zero; a scale below 2**-31 becomes (0, 0).
    (TFLite keeps one binary order more, whose shift CMSIS-NN's C leaves undefined. The products are
    the same: accumulators below 2**30 times such a scale round to 0.)
    Raises ValueError for a negative or non-finite scale, and for one of 2**30 or more, which C cannot shift by.
    """
    if not math.isfinite(scale) or scale < 0:
        raise ValueError(f"a scale must be finite and not negative, got {scale}")
    if scale == 0:
        return 0, 0
    fraction, shift = math.frexp(scale)
    # Exact: fraction has 53 bits below 1, so fraction * 2**31 + 0.5 is rounded nowhere but in floor.
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if shift < MIN_SHIFT:
        return 0, 0
    if shift > MAX_SHIFT:
        raise ValueError(f"a scale of {scale} is too large for an int32 multiplier")
    return multiplier, shift


def wrap_int32(values: Int64Array) -> Int64Array:
    """`values` modulo 2**32, as a two's complement int32 register would hold them."""
    return values.astype(np.int32).astype(np.int64)


def divide_by_power_of_two(values: Int64Array, exponent: npt.ArrayLike) -> Int64Array:
    """`values / 2**exponent`, half rounded away from zero (`arm_nn_divide_by_power_of_two`). Exponents 0 to 31."""
    exponents = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponents) - 1
    threshold = (mask >> 1) + (values < 0)
    return (values >> exponents) + ((values & mask) > threshold)


def doubling_high_mult(a: Int64Array, b: npt.ArrayLike) -> Int64Array:
    """`a * b / 2**31` of int32 values, half rounded up, saturated (`arm_nn_doubling_high_mult`, NEON `VQRDMULH`)."""
    # The C code truncates after a signed nudge; flooring after adding half gives the same values.
    return np.minimum((a * np.asarray(b, np.int64) + 2**30) >> 31, Q31_MAX)


def check_shifts(shifts: npt.NDArray[Any]) -> None:
    """Raises ValueError for a shift of `requantize` outside [-31, 30]."""
    wrong = shifts[(shifts < -31) | (shifts > 30)]
    if wrong.size:
        raise ValueError(f"a requantization shift must lie in [-31, 30], got {wrong.flat[0]}")


def requantize(
    values: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike
) -> Int32Array:
    """`values * multiplier * 2**(shift - 31)` of int32 values, rounded twice (`arm_nn_requantize`).

    `multiplier` and `shift` are scalars or broadcast over the last axis of `values` (one entry per channel).
    A left shift that leaves int32 wraps. Raises ValueError for a shift outside [-31, 30].
    """
    shifts = np.asarray(shift, np.int64)
    check_shifts(shifts)
    shifted = wrap_int32(wrap_int32(np.asarray(values, np.int64)) << np.maximum(shifts, 0))
    high = wrap_int32((shifted * np.asarray(multiplier, np.int64) + 2**30) >> 31)
    return divide_by_power_of_two(high, np.maximum(-shifts, 0)).astype(np.int32)
