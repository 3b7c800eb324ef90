# SPDX-License-Identifier: Apache-2.0
"""Sums of two int8 tensors in few operations: one product for each input, two additions and a shift.

The rule: a short form is only given out when it was compared with `elementwise.add` on all 65,536 pairs of bytes.

That function rounds three times, so over the pairs it is a staircase next to the plane of the real numbers, and the short
form is a plane too. Where the nearest one passes through a step, one moved a little may not. Halves go away from zero,
which a plane does that is a little too steep (`TILTS`); many pairs are halves where the scales are powers of two.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from sparsec.quantization.arrays import Int8Array, Int64Array
from sparsec.quantization.elementwise import add
from sparsec.quantization.params import FULL_RANGE, AddParams, Clamp, check_clamp

DROPPED_BITS = 8
"""Of each product, the lowest."""
SHIFTS = (17, 22)
"""The lowest and the highest: with 22 bits behind the point a sum may be 511 without leaving int32."""
ROOM = 1 << 21
"""What sums keep from the lowest int32: Helium takes half an output from the addend, because its last shift rounds."""
TILTS = (0.0, 2**-23, 2**-22, 2**-21, 2**-20, 2**-19)
STRIDES = (64, 16, 4, 1)
REACH = 8
"""How many of the strides each multiplier is moved, up and down."""
NEAR = 1 << 12
"""How far, in units of the sum, from the edge of a step: moving matters to pairs within it."""
MOST_NEAR = 1000

BYTES = np.arange(-128, 128).astype(np.int8)
FREE = 1 << 40
"""The sums of a clamped output have no bound on one side."""


@dataclass(frozen=True)
class ShortAdd:
    """clamp((addend + (multiplier1 * a >> 8) + (multiplier2 * b >> 8)) >> shift); int32 holds every sum, with `ROOM`."""

    multiplier1: int
    multiplier2: int
    addend: int
    shift: int
    clamp: Clamp = FULL_RANGE

    def __post_init__(self) -> None:
        check_clamp(self.clamp)
        if not SHIFTS[0] <= self.shift <= SHIFTS[1]:
            raise ValueError(f"shift {self.shift} is outside {SHIFTS[0]} to {SHIFTS[1]}")
        multipliers, sums = (self.multiplier1, self.multiplier2), [self.addend]
        for a, b in product((-128, 127), repeat=2):
            first = self.addend + (self.multiplier1 * a >> DROPPED_BITS)
            sums += [first, first + (self.multiplier2 * b >> DROPPED_BITS)]
        low, high = min(*multipliers, *(sum - ROOM for sum in sums)), max(*multipliers, *sums)
        if not -(2**31) <= low <= high < 2**31:
            raise ValueError("a multiplier or a sum is outside int32")

    def __call__(self, a: Int8Array, b: Int8Array) -> Int8Array:
        """The outputs for two arrays of one shape, or that numpy broadcasts."""
        terms = _term(self.multiplier1, a.astype(np.int64)) + _term(
            self.multiplier2, b.astype(np.int64)
        )
        return np.clip(self.addend + terms >> self.shift, *self.clamp).astype(np.int8)


@dataclass(frozen=True)
class _Steps:
    """For some pairs of bytes the sums, `lower` to `upper`, that give the wanted output. Arrays of one shape."""

    a: Int64Array
    b: Int64Array
    lower: Int64Array
    upper: Int64Array

    def addends(self, multiplier1: Int64Array, multiplier2: Int64Array) -> tuple[Int64Array, ...]:
        """The lowest and the highest addend that are right for all pairs, for multipliers that broadcast with them."""
        terms = _term(multiplier1, self.a) + _term(multiplier2, self.b)
        return (self.lower - terms).max(axis=-1), (self.upper - terms).min(axis=-1)

    def near(self, multiplier1: int, multiplier2: int) -> "_Steps | None":
        """The pairs that moving these multipliers is about; None if they are too many."""
        terms = _term(multiplier1, self.a) + _term(multiplier2, self.b)
        low, high = self.lower - terms, self.upper - terms
        kept = (low >= low.max() - NEAR) | (high <= high.min() + NEAR)
        if np.count_nonzero(kept) > MOST_NEAR:
            return None
        return _Steps(self.a[kept], self.b[kept], self.lower[kept], self.upper[kept])


@lru_cache(maxsize=256)
def shorten(params: AddParams, sign: int = 1) -> ShortAdd | None:
    """The short form of `elementwise.add` with these numbers; None if none was found. Some milliseconds either way."""
    pairs = BYTES.repeat(BYTES.size), np.tile(BYTES, BYTES.size)
    output = add(*pairs, params, sign)
    wanted = output.astype(np.int64)
    for shift in range(SHIFTS[1], SHIFTS[0] - 1, -1):
        plane = _Plane.of(params, sign, shift)
        if not plane.is_representable:
            continue
        lower, upper = wanted << shift, (wanted + 1 << shift) - 1
        lower[wanted == params.clamp[0]] -= FREE
        upper[wanted == params.clamp[1]] += FREE
        a, b = (bytes_.astype(np.int64) for bytes_ in pairs)
        found = _search(_Steps(a, b, lower, upper), plane)
        if found is None:
            return None
        try:
            short = ShortAdd(*found, shift, params.clamp)
        except ValueError:  # a sum leaves int32: fewer bits behind the point
            continue
        return short if np.array_equal(short(*pairs), output) else None
    return None


@dataclass(frozen=True)
class _Plane:
    """The real sum, in units of 2**-shift: slope1 * a + slope2 * b + offset, slopes of `DROPPED_BITS` more."""

    slope1: float
    slope2: float
    offset: float

    @classmethod
    def of(cls, p: AddParams, sign: int, shift: int) -> "_Plane":
        unit = 2.0 ** (p.left_shift + shift) * _scale(p.output_multiplier, p.output_shift)
        scale1 = unit * _scale(p.input1_multiplier, p.input1_shift)
        scale2 = sign * unit * _scale(p.input2_multiplier, p.input2_shift)
        offset = (p.output_zp + 0.5) * 2.0**shift - scale1 * p.input1_zp - scale2 * p.input2_zp
        return cls(scale1 * 2**DROPPED_BITS, scale2 * 2**DROPPED_BITS, offset)

    @property
    def is_representable(self) -> bool:
        """Whether int32 holds its slopes, moved a little too."""
        return max(abs(self.slope1), abs(self.slope2)) < 2**31 - 2**13

    def tilted(self, tilt: float) -> tuple[int, int]:
        """The slopes of a plane that is steeper by that share."""
        return round(self.slope1 * (1 + tilt)), round(self.slope2 * (1 + tilt))


def _search(steps: _Steps, plane: _Plane) -> tuple[int, int, int] | None:
    """Two multipliers and an addend that are right for all pairs, near `plane`."""
    for tilt in TILTS:
        found = _with_addend(steps, plane, *plane.tilted(tilt))
        if found is not None:
            return found
    return _climb(steps, plane)


def _climb(steps: _Steps, plane: _Plane) -> tuple[int, int, int] | None:
    """The room between the lowest and the highest addend has one summit, but for what the products drop."""
    multiplier1, multiplier2 = plane.tilted(0)
    near = steps.near(multiplier1, multiplier2)
    if near is None:
        return None
    for stride in STRIDES:
        moves = np.arange(-REACH, REACH + 1) * stride
        low, high = near.addends(
            (multiplier1 + moves)[:, np.newaxis, np.newaxis], (multiplier2 + moves)[:, np.newaxis]
        )
        first, second = divmod(int((high - low).argmax()), len(moves))
        multiplier1 += int(moves[first])
        multiplier2 += int(moves[second])
        found = _with_addend(steps, plane, multiplier1, multiplier2)
        if found is not None:
            return found
    return None


def _with_addend(
    steps: _Steps, plane: _Plane, multiplier1: int, multiplier2: int
) -> tuple[int, int, int] | None:
    """The multipliers and the addend next to that of `plane`, if one is right for all pairs."""
    low, high = steps.addends(np.array(multiplier1), np.array(multiplier2))
    if low > high:
        return None
    return multiplier1, multiplier2, min(max(round(plane.offset), int(low)), int(high))


def _term(multiplier: Int64Array | int, byte: Int64Array) -> Int64Array:
    return multiplier * byte >> DROPPED_BITS


def _scale(multiplier: int, shift: int) -> float:
    return multiplier * 2.0 ** (shift - 31)
