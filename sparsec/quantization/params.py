# SPDX-License-Identifier: Apache-2.0
"""The numbers of an int8 operator, one frozen dataclass for each family of operators.

A clamp is (lowest, highest) of the int8 result. Every `zp` is a zero point as stored; CMSIS-NN's
input offset is its negative. A shift above 0 shifts left, as in CMSIS-NN and TFLite.
"""

from dataclasses import dataclass

from sparsec.quantization.requantize import MAX_SHIFT, MIN_SHIFT

Clamp = tuple[int, int]
FULL_RANGE: Clamp = (-128, 127)


def check_clamp(clamp: Clamp) -> None:
    """ValueError unless it is two ascending int8 values."""
    if len(clamp) != 2 or not -128 <= clamp[0] <= clamp[1] <= 127:
        raise ValueError(f"clamp must be two ascending int8 values, got {clamp}")


def check_zero_points(*zero_points: int) -> None:
    """ValueError unless they are int8 values."""
    for zero_point in zero_points:
        if not -128 <= zero_point <= 127:
            raise ValueError(f"zero point {zero_point} is outside int8")


def _check_shifts(*shifts: int) -> None:
    for shift in shifts:
        if not MIN_SHIFT <= shift <= MAX_SHIFT:
            raise ValueError(f"shift {shift} is outside {MIN_SHIFT} to {MAX_SHIFT}")


@dataclass(frozen=True)
class Requant:
    """What a layer with weights does around its accumulator; the multipliers are arrays."""

    input_zp: int = 0
    output_zp: int = 0
    clamp: Clamp = FULL_RANGE

    def __post_init__(self) -> None:
        check_zero_points(self.input_zp, self.output_zp)
        check_clamp(self.clamp)


@dataclass(frozen=True)
class Rescale:
    """clamp(requantize(x - input_zp, multiplier, shift) + output_zp)."""

    input_zp: int = 0
    multiplier: int = 0
    shift: int = 0
    output_zp: int = 0
    clamp: Clamp = FULL_RANGE

    def __post_init__(self) -> None:
        check_zero_points(self.input_zp, self.output_zp)
        _check_shifts(self.shift)
        check_clamp(self.clamp)


@dataclass(frozen=True)
class AddParams:
    """Both inputs are shifted left by `left_shift`, scaled to a common scale, added, rescaled."""

    input1_zp: int
    input1_multiplier: int
    input1_shift: int
    input2_zp: int
    input2_multiplier: int
    input2_shift: int
    left_shift: int
    output_zp: int
    output_multiplier: int
    output_shift: int
    clamp: Clamp = FULL_RANGE

    def __post_init__(self) -> None:
        check_zero_points(self.input1_zp, self.input2_zp, self.output_zp)
        _check_shifts(self.input1_shift, self.input2_shift, self.output_shift)
        check_clamp(self.clamp)


@dataclass(frozen=True)
class SoftmaxParams:
    """The fixed-point exponential: differences below `diff_min` count as zero."""

    multiplier: int
    shift: int
    diff_min: int


@dataclass(frozen=True)
class MulParams:
    """clamp(requantize((a - input1_zp) * (b - input2_zp), multiplier, shift) + output_zp)."""

    input1_zp: int
    input2_zp: int
    multiplier: int
    shift: int
    output_zp: int
    clamp: Clamp = FULL_RANGE

    def __post_init__(self) -> None:
        check_zero_points(self.input1_zp, self.input2_zp, self.output_zp)
        _check_product_shift(self.shift)
        check_clamp(self.clamp)


@dataclass(frozen=True)
class PreluParams:
    """`multiplier` and `shift` where x >= input_zp, those of alpha for the product elsewhere."""

    input_zp: int
    alpha_zp: int
    multiplier: int
    shift: int
    alpha_multiplier: int
    alpha_shift: int
    output_zp: int
    clamp: Clamp = FULL_RANGE

    def __post_init__(self) -> None:
        check_zero_points(self.input_zp, self.alpha_zp, self.output_zp)
        _check_product_shift(self.shift)
        _check_product_shift(self.alpha_shift)
        check_clamp(self.clamp)


def _check_product_shift(shift: int) -> None:
    """A product of two centred int8 has 16 bits: shifted further left it would leave int32."""
    if not MIN_SHIFT <= shift <= 14:
        raise ValueError(f"shift {shift} of a product is outside {MIN_SHIFT} to 14")
