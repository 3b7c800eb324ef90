"""From which share of zero weights on a `delta8` kernel takes fewer instructions than a dense one.

Measured by instruction counts on QEMU against CMSIS-NN (gcc 12.2, -Ofast) on the layers of
MLPerf-Tiny-like shapes (1x1 convolutions of 64 to 256 channels, 3x3 of 64, fully connected
256x256): convolutions break even at 24-35 % zeros on scalar and DSP cores and at 76-81 % on
Helium, fully connected layers at 58-65 % on scalar and DSP cores. The shares below keep a margin.
On Helium the dense fully connected kernel wins even at 95 % zeros.
"""

from typing import Literal

from sparsec.targets.cpu import VectorUnit

LayerKind = Literal["convolution", "fully-connected"]

NEVER = 1.01
"""A share of zeros that no layer has."""

_DELTA8: dict[tuple[VectorUnit, LayerKind], float] = {
    ("scalar", "convolution"): 0.40,
    ("scalar", "fully-connected"): 0.70,
    ("dsp", "convolution"): 0.40,
    ("dsp", "fully-connected"): 0.70,
    ("mve", "convolution"): 0.85,
    ("mve", "fully-connected"): NEVER,
}


def delta8_break_even(unit: VectorUnit, layer: LayerKind) -> float:
    """The share of zeros from which on `delta8` is chosen for speed."""
    return _DELTA8[unit, layer]
