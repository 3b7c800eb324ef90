# SPDX-License-Identifier: Apache-2.0
"""How real numbers are held in int8: real = scale * (stored - zero_point)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantization:
    """Scales and zero point of an int8 tensor.

    `scales` has one entry, or with `axis` one entry for each index along that axis (then
    `zero_point` is 0 in practice). Raises ValueError for scales that are not positive and finite,
    several scales without an axis, or a zero point outside int8.
    """

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int | None = None

    def __post_init__(self) -> None:
        if not self.scales or not all(math.isfinite(s) and s > 0 for s in self.scales):
            raise ValueError("scales must be positive and finite")
        if self.axis is None and len(self.scales) != 1:
            raise ValueError("several scales need an axis")
        if not -128 <= self.zero_point <= 127:
            raise ValueError(f"zero point {self.zero_point} is outside int8")

    @property
    def scale(self) -> float:
        """The single scale of a per-tensor scheme. Raises ValueError for a per-axis one."""
        if self.axis is not None:
            raise ValueError("a per-axis scheme has no single scale")
        return self.scales[0]


AS_THEY_ARE = Quantization((1.0,), 0)
"""Of integers that stand for themselves: indices, and bytes as they come from outside."""

UNIT_INTERVAL = Quantization((1 / 256,), -128)
SIGNED_UNIT_INTERVAL = Quantization((1 / 128,), 0)

FIXED_SCALES = {
    "softmax": UNIT_INTERVAL,
    "sigmoid": UNIT_INTERVAL,
    "hardsigmoid": UNIT_INTERVAL,
    "tanh": SIGNED_UNIT_INTERVAL,
}
"""Functions whose results always have the same range, with TFLite's quantization of it."""


@dataclass(frozen=True)
class Bounds:
    """The interval a clamp keeps values in; infinite where it does not bound.

    Raises ValueError when the interval is empty or a bound is not a number.
    """

    min: float = -math.inf
    max: float = math.inf

    def __post_init__(self) -> None:
        if not self.min <= self.max:
            raise ValueError(f"min {self.min} must not exceed max {self.max}")

    def intersect(self, other: "Bounds") -> "Bounds":
        """What clamping to this interval and then to `other` keeps."""
        low = min(max(self.min, other.min), other.max)
        high = max(min(self.max, other.max), other.min)
        return Bounds(low, high)
