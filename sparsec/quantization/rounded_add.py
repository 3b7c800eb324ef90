# SPDX-License-Identifier: Apache-2.0
"""Sums of two int8 tensors with the roundings of `elementwise.add`, but for the one that rounds nothing.

TensorFlow Lite scales the inputs by the larger of their scales, so that the multiplier of one of them is a half. The
rule: as in `short_add`, what is given out was compared with `elementwise.add` on all 65,536 pairs of bytes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sparsec.quantization.arrays import Int8Array
from sparsec.quantization.elementwise import add
from sparsec.quantization.params import FULL_RANGE, AddParams, Clamp, check_clamp
from sparsec.quantization.requantize import requantize

INPUT_SHIFT = 20
HALF = 1 << 30
"""The multiplier of the input with the larger scale; its shift is 0."""
SHIFTS = (-30, -1)
"""The lowest and highest shift of the other input."""
OUTPUT_SHIFTS = (-22, -1)
"""Those of the output: with its zero point, shifted, a sum stays within int32."""

BYTES = np.arange(-128, 128).astype(np.int8)


@dataclass(frozen=True)
class RoundedAdd:
    """clamp(requantize((a - zp1 << 19) + requantize(b - zp2 << 20, multiplier, shift), output_multiplier, output_shift)
    + output_zp)."""

    input1_zp: int
    input2_zp: int
    multiplier: int
    shift: int
    output_multiplier: int
    output_shift: int
    output_zp: int
    clamp: Clamp = FULL_RANGE

    def __post_init__(self) -> None:
        check_clamp(self.clamp)
        for zero_point in (self.input1_zp, self.input2_zp, self.output_zp):
            if not -128 <= zero_point <= 127:
                raise ValueError(f"zero point {zero_point} is outside int8")
        for multiplier in (self.multiplier, self.output_multiplier):
            if not 0 <= multiplier < 2**31:
                raise ValueError(f"multiplier {multiplier} is outside 0 to 2^31 - 1")
        for shift, (low, high) in ((self.shift, SHIFTS), (self.output_shift, OUTPUT_SHIFTS)):
            if not low <= shift <= high:
                raise ValueError(f"shift {shift} is outside {low} to {high}")

    def __call__(self, a: Int8Array, b: Int8Array) -> Int8Array:
        """The outputs for two arrays of one shape, or that numpy broadcasts."""
        term1 = (a.astype(np.int64) - self.input1_zp) << INPUT_SHIFT - 1
        centred = (b.astype(np.int64) - self.input2_zp) << INPUT_SHIFT
        total = term1 + requantize(centred, self.multiplier, self.shift)
        output = requantize(total, self.output_multiplier, self.output_shift).astype(np.int64)
        return np.clip(output + self.output_zp, *self.clamp).astype(np.int8)


@dataclass(frozen=True)
class Rounded:
    """A `RoundedAdd`; where it is `swapped`, the second operand is its first."""

    numbers: RoundedAdd
    swapped: bool


@lru_cache(maxsize=256)
def rounded(params: AddParams) -> Rounded | None:
    """How `elementwise.add` with these numbers is a `RoundedAdd`; None where it is not."""
    inputs = [
        (params.input1_zp, params.input1_multiplier, params.input1_shift),
        (params.input2_zp, params.input2_multiplier, params.input2_shift),
    ]
    swapped = inputs[0][1:] != (HALF, 0)
    (first_zp, *first), second = reversed(inputs) if swapped else inputs
    if first != [HALF, 0] or params.left_shift != INPUT_SHIFT:
        return None
    output = (params.output_multiplier, params.output_shift, params.output_zp)
    try:
        numbers = RoundedAdd(first_zp, *second, *output, params.clamp)
    except ValueError:
        return None
    pairs = BYTES.repeat(BYTES.size), np.tile(BYTES, BYTES.size)
    found = numbers(*(pairs[::-1] if swapped else pairs))
    return Rounded(numbers, swapped) if np.array_equal(found, add(*pairs, params)) else None
