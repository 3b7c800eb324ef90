# SPDX-License-Identifier: Apache-2.0
"""How far what a kernel writes may lie over what it reads and nobody reads again.

The rule: an overlap is a property of a kernel, stated from the order in which it reads and writes, never of a plan.
Source: Sanchez et al., DMO (Diagonal Memory Optimisation), 2020, for outputs that follow their inputs; Zheng et al., vMCU
(2023), for one region that both share.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from sparsec.quantization.window import Window


@dataclass(frozen=True)
class Overlap:
    """Where an output may begin, seen from where its input begins, in bytes.

    At least `below` bytes before it, at least `above` bytes behind it or, if `step` is not 0, at any multiple of `step`
    from it. Where both share no byte they may always lie.
    """

    below: int
    above: int
    step: int = 0

    def __post_init__(self) -> None:
        if self.below < 0 or self.above < 0 or self.step < 0:
            raise ValueError(f"distances cannot be negative: {self}")

    def allows(self, distance: int) -> bool:
        """Whether the output may begin `distance` bytes behind the begin of the input."""
        if self.step and distance % self.step == 0:
            return True
        return distance <= -self.below or distance >= self.above

    def within(self, output: int, input: int) -> "Overlap":
        """The same for an output and an input of so many bytes, no further apart than it takes to share none."""
        return Overlap(min(self.below, output), min(self.above, input), self.step)

    def bytes(self, output: int, input: int) -> int:
        """The most bytes that an output and an input of so many bytes share."""
        if self.step:
            return min(output, input)
        return max(
            0, min(output, input, output - self.below), min(output, input, input - self.above)
        )


def apart(output: int, input: int) -> Overlap:
    """No byte is shared: sizes in bytes."""
    return Overlap(output, input)


@dataclass(frozen=True)
class Strip:
    """A part of the work, in bytes from the begin of input and output: it reads no byte before `reads[0]` or from
    `reads[1]` on, and writes those from `writes[0]` to `writes[1]`. Within a strip reads and writes come in any order.
    """

    reads: tuple[int, int]
    writes: tuple[int, int]


def overlap_of(strips: Iterable[Strip]) -> Overlap:
    """What strips may overlap that are done from first to last where the output lies before the input, and from last to
    first where it lies behind. Their reads and writes must both ascend.
    """
    # Where both begin together the strips go from first to last: that is not behind.
    below, above = 0, 1
    for strip in strips:
        below = max(below, strip.writes[1] - strip.reads[0])
        above = max(above, strip.reads[1] - strip.writes[0])
    return Overlap(below, above)


def row_strips(
    input: tuple[int, int],
    output: tuple[int, int],
    stride: int,
    padding: int,
    reach: int,
    rows: int,
) -> list[Strip]:
    """Strips of up to `rows` rows of the output of a window that moves over the rows of an image.

    `input` and `output` are (rows, bytes of a row), `padding` the rows above the image, `reach` the rows from a window's
    first to its last, with dilation: (kernel - 1) * dilation + 1.
    """
    height, row = input
    strips: list[Strip] = []
    for first in range(0, output[0], rows):
        end = min(first + rows, output[0])
        start = min(max(0, first * stride - padding), height)
        stop = max(start, min(height, (end - 1) * stride - padding + reach))
        strips.append(Strip((start * row, stop * row), (first * output[1], end * output[1])))
    return strips


@dataclass(frozen=True)
class Geometry:
    """A layer whose window moves over the rows of an image: int8 `input` and `output` of (height, width, channels), the
    window, (height, width) of its kernel.

    It follows runtime/src/sparsec_strips.h.
    """

    input: tuple[int, int, int]
    output: tuple[int, int, int]
    window: Window
    kernel: tuple[int, int]

    @property
    def is_pixelwise(self) -> bool:
        """Whether each output pixel comes from the one input pixel in its place: then each pixel is a row."""
        unmoved = self.window.strides == (1, 1) and not any(self.window.padding)
        return unmoved and self.kernel == (1, 1)

    @property
    def reach(self) -> int:
        """Rows from the first to the last of a window."""
        return (self.kernel[0] - 1) * self.window.dilations[0] + 1

    @property
    def rows(self) -> int:
        """Of the output."""
        return self._rows(self.output)[0]

    def strips(self, rows: int) -> list[Strip]:
        """The bytes that each strip of `rows` rows of the output reads and writes."""
        images = self._rows(self.input), self._rows(self.output)
        return row_strips(*images, self.window.strides[0], self.window.padding[0], self.reach, rows)

    def overlap(self, rows: int) -> Overlap:
        """What strips of `rows` rows may overlap."""
        return _overlap_of_strips(self, rows)

    def _rows(self, image: tuple[int, int, int]) -> tuple[int, int]:
        """The number of rows, and the bytes of one."""
        height, width, channels = image
        return (height * width, channels) if self.is_pixelwise else (height, width * channels)


@lru_cache(4096)
def _overlap_of_strips(geometry: Geometry, rows: int) -> Overlap:
    return overlap_of(geometry.strips(rows))
