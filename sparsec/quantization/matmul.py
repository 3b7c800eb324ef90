# SPDX-License-Identifier: Apache-2.0
"""The product of two int8 matrices that are both computed, exact to TensorFlow Lite Micro's BATCH_MATMUL.

The rule: zero points come off both sides, the sum is an int32, and nothing is rounded but by `requantize`.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Int8Array, Int64Array
from sparsec.quantization.params import FULL_RANGE, Clamp, check_clamp, check_zero_points
from sparsec.quantization.requantize import MAX_SHIFT, MIN_SHIFT, requantize


@dataclass(frozen=True)
class MatmulParams:
    """clamp(requantize(sum of (a - lhs_zp) * (b - rhs_zp), multiplier, shift) + output_zp).

    `addend_factor` times a third matrix, if there is one, is added to the sum.
    """

    lhs_zp: int
    rhs_zp: int
    multiplier: int
    shift: int
    output_zp: int
    clamp: Clamp = FULL_RANGE
    addend_factor: int = 0

    def __post_init__(self) -> None:
        check_zero_points(self.lhs_zp, self.rhs_zp, self.output_zp)
        check_clamp(self.clamp)
        if not 0 <= self.addend_factor < 2**22:
            raise ValueError(
                f"an addend factor of {self.addend_factor} is outside 0 to {2**22 - 1}"
            )
        if not MIN_SHIFT <= self.shift <= MAX_SHIFT:
            raise ValueError(f"shift {self.shift} is outside {MIN_SHIFT} to {MAX_SHIFT}")


def largest_sum(depth: int, p: MatmulParams) -> int:
    """What no sum of `depth` products exceeds, shifted to the left as `requantize` does: it has to be an int32."""
    product = (128 + abs(p.lhs_zp)) * (128 + abs(p.rhs_zp))
    return (depth * product + 128 * p.addend_factor) << max(p.shift, 0)


def matmul(
    a: Int8Array, b: Int8Array, p: MatmulParams, addend: Int8Array | None = None
) -> Int8Array:
    """[.., M, N] of `a` [.., M, K] and `b` [.., K, N]; axes in front broadcast."""
    total = sums(a, b, p)
    if addend is not None:
        total = total + p.addend_factor * addend.astype(np.int64)
    return finish(total, p)


def sums(a: Int8Array, b: Int8Array, p: MatmulParams) -> Int64Array:
    """The sums of products, exactly."""
    total = (a.astype(np.float64) - p.lhs_zp) @ (b.astype(np.float64) - p.rhs_zp)
    return total.astype(np.int64)


def finish(total: Int64Array, p: MatmulParams) -> Int8Array:
    """int8 of sums."""
    found = requantize(total, p.multiplier, p.shift).astype(np.int64)
    return np.clip(found + p.output_zp, *p.clamp).astype(np.int8)


def quantize_addend(values: npt.NDArray[np.float32], unit: float) -> tuple[Int8Array, int]:
    """What is added to sums of which 1 stands for `unit`, in int8, -127 to 127, and by which factor.

    Raises ValueError where that factor would be too large.
    """
    largest = float(np.abs(values).max(initial=0.0))
    factor = max(1, math.ceil(largest / (127 * unit)))
    if factor >= 2**22:
        raise ValueError("what is added to a product is too large for it")
    return np.clip(np.rint(values / (factor * unit)), -127, 127).astype(np.int8), factor
