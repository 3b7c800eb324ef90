# SPDX-License-Identifier: Apache-2.0
"""Normalisation of int8 values in integers: what `sparsec_normalize_s8` computes, bit for bit.

A set of n values x, of which d = x - zero point, becomes D / sqrt(V) with D = n * d - S and
V = n * sum(d * d) - S * S + n * n * epsilon, where S is the sum of d, or 0 if the mean is not taken away: both exactly,
without a division. The root is a fixed-point number of 31 bits; what a channel scales and adds is done with
`EXTRA_BITS` bits more than the result has, so that a result is within half a step and 1/64 of the real one.
"""

from dataclasses import dataclass

import numpy as np

from sparsec.quantization.arrays import Float64Array, Int8Array, Int32Array, Int64Array
from sparsec.quantization.params import FULL_RANGE, Clamp, check_clamp, check_zero_points
from sparsec.quantization.requantize import quantize_multiplier, requantize

MAX_SET = 65536
"""Values that are normalised together, for their squares to have a sum of 32 bits."""

FRACTION_BITS = 21
"""Of a normalised value, which is at most the root of MAX_SET."""

EXTRA_BITS = 8
"""Of what is scaled, before the zero point is added."""

SPREAD_BITS = 8
"""Below a whole number of V, for an epsilon that is less than a step of the input."""

MAX_EPSILON = 1 << 60
"""Of `NormalizeParams`, for V to have less than 63 bits."""

MAX_SCALED = 1 << 29
"""Of a scaled value and of what is added to it, for their sum to be an int32."""


@dataclass(frozen=True)
class Norm:
    """How values are normalised: the channels of a pixel in `groups`, each without its mean if `centered` is 1."""

    groups: int = 1
    centered: int = 1
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        _check(self.groups, self.centered)
        if not 0 <= self.epsilon < np.inf:
            raise ValueError(f"epsilon must be a number of 0 or more, got {self.epsilon}")


@dataclass(frozen=True)
class NormalizeParams:
    """The numbers of `normalize`; `epsilon` is epsilon / input scale^2 * n^2 * 2^SPREAD_BITS."""

    input_zp: int = 0
    output_zp: int = 0
    groups: int = 1
    centered: int = 1
    epsilon: int = 0
    clamp: Clamp = FULL_RANGE

    def __post_init__(self) -> None:
        check_zero_points(self.input_zp, self.output_zp)
        _check(self.groups, self.centered)
        if not 0 <= self.epsilon <= MAX_EPSILON:
            raise ValueError(f"epsilon {self.epsilon} is outside 0 to 2^60")
        check_clamp(self.clamp)


def _check(groups: int, centered: int) -> None:
    if groups < 1:
        raise ValueError(f"there cannot be {groups} groups")
    if centered not in (0, 1):
        raise ValueError(f"centered must be 0 or 1, got {centered}")


def normalize(
    x: Int8Array, multiplier: Int32Array, shift: Int32Array, bias: Int32Array, p: NormalizeParams
) -> Int8Array:
    """x [N, H, W, C]: the values of each sample, row and group of channels are one set; the others are [C].

    How far a result is from the real one of the same epsilon, in steps of the output: z is a normalised value of a set of n,
    g its factor and G the largest one. `largest_scaled` below MAX_SCALED says G * sqrt(n) < 2^21, so |g * z| < 2^21.

    - The root is wrong by less than 2^-27 of itself: |g * z| * 2^-27 < 2^-6.
    - z is rounded to FRACTION_BITS: g * 2^-22 < 2^-1 / sqrt(n).
    - g has 31 bits of G: |z| * G * 2^-31 < 2^-10.
    - What is scaled and what is added to it are rounded to EXTRA_BITS, by 2^-9 each: 2^-8.
    - The result is rounded: 2^-1.

    Together that is below 1 for every n from 2 on, and below 0.59 for 64. Clamping makes it no larger.
    """
    n, height, width, _ = x.shape
    sets = x.reshape(n, height, width, p.groups, -1).astype(np.int64) - p.input_zp
    count = width * sets.shape[-1]
    total = sets.sum(axis=(2, 4), keepdims=True) * p.centered
    squares = (sets * sets).sum(axis=(2, 4), keepdims=True)
    spread = ((count * squares - total * total) << SPREAD_BITS) + p.epsilon
    normal = requantize(count * sets - total, *reciprocal_root(spread)).reshape(x.shape)
    scaled = requantize(normal, multiplier, shift).astype(np.int64) + bias
    rounded = (scaled + (1 << (EXTRA_BITS - 1))) >> EXTRA_BITS
    return np.clip(rounded + p.output_zp, *p.clamp).astype(np.int8)


def common_multipliers(factors: Float64Array) -> tuple[Int32Array, Int32Array]:
    """Multiplier and shift of each of `factors`, all with the shift of the largest one: kernels are faster then, and what the
    others lose is less than 2^-31 of the largest.

    Raises ValueError as `quantize_multiplier` does.
    """
    largest, shift = quantize_multiplier(float(np.abs(factors).max()))
    multipliers = np.round(factors * 2.0 ** (31 - shift))
    return np.clip(multipliers, -largest, largest).astype(np.int32), np.full(
        len(factors), shift, np.int32
    )


def largest_scaled(count: int, multiplier: Int32Array, shift: Int32Array) -> float:
    """What no value of a set of `count` exceeds when it is scaled: none is further from the mean than the root of their
    number times what they all are on average."""
    factor = np.abs(multiplier.astype(np.float64)) * 2.0 ** (shift.astype(np.float64) - 31)
    return float(count**0.5 * 2.0**FRACTION_BITS * factor.max())


def reciprocal_root(values: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Multiplier and shift of 2^(FRACTION_BITS + SPREAD_BITS / 2) / sqrt(value), below 2^63; of zero they are 0.

    Four steps of Newton's on a value m * 4^s with m in [2^28, 2^30), which a line begins.
    """
    bits = ((values[..., np.newaxis] >> np.arange(63)) > 0).sum(axis=-1)
    s = (bits - 29) >> 1
    m = (values >> np.maximum(2 * s, 0)) << np.maximum(-2 * s, 0)
    m = np.where(values == 0, 1 << 28, m).astype(np.uint64)
    y = np.uint64(9 << 28) - ((np.uint64(21) * m) >> np.uint64(4))
    for _ in range(4):
        t = (((y * y) >> np.uint64(30)) * m) >> np.uint64(30)
        y = (y * (np.uint64(3 << 30) - t)) >> np.uint64(31)
    multiplier = np.where(values == 0, 0, np.minimum(y, np.uint64(2**31 - 1)).astype(np.int64))
    return multiplier, np.where(values == 0, 0, 11 - s)
