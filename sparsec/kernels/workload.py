# SPDX-License-Identifier: Apache-2.0
"""One layer as its cost sees it: a shape. Geometry only, no core and no kernel."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from sparsec.planning.overlap import row_strips

LayerKind = Literal["convolution", "depthwise", "fully-connected", "elementwise"]


@dataclass(frozen=True)
class Workload:
    """A layer of int8 NHWC images; a fully connected layer of one row is an image of (1, 1, inputs), what is
    done element by element a column of pixels (elements, 1, 1).

    `image` and `outputs` are (height, width, channels), `kernel` and `strides` (height, width). The padding is what
    makes the last window fit, which for every layer without a dilation is the padding that it has. `strip` is how many
    rows of the output are done at once, or pixels of a layer where each comes from the one in its place; 0 is all.
    """

    layer: LayerKind
    image: tuple[int, int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    outputs: tuple[int, int, int]
    strip: int = 0

    @property
    def pixels(self) -> int:
        """Output pixels; rows of a fully connected layer."""
        return self.outputs[0] * self.outputs[1]

    @property
    def taps(self) -> int:
        """Pixels of a window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def columns(self) -> int:
        """Weights of an output channel, if dense."""
        return self.taps * (1 if self.layer == "depthwise" else self.image[2])

    @cached_property
    def padding(self) -> tuple[int, int, int, int]:
        """Pixels of padding: top, left, bottom, right."""
        total = [
            max(0, (self.outputs[i] - 1) * self.strides[i] + self.kernel[i] - self.image[i])
            for i in (0, 1)
        ]
        return total[0] // 2, total[1] // 2, -(-total[0] // 2), -(-total[1] // 2)

    @property
    def is_point(self) -> bool:
        """Whether the window is one pixel and none is padding."""
        return self.taps == 1 and self.padding == (0, 0, 0, 0)

    @property
    def is_pixelwise(self) -> bool:
        """Whether each output pixel comes from the one input pixel in its place."""
        return self.is_point and self.strides == (1, 1)

    def parts(self) -> "Counter[Workload]":
        """Every strip as a layer of its own, and how often it occurs; the layer itself where there are none."""
        if not self.strip:
            return Counter({self: 1})
        image, outputs = self.image, self.outputs
        if self.is_pixelwise:
            image, outputs = (self.pixels, 1, image[2]), (self.pixels, 1, outputs[2])
        window = (self.strides[0], self.padding[0], self.kernel[0])
        rows = Counter(
            (strip.reads[1] - strip.reads[0], strip.writes[1] - strip.writes[0])
            for strip in row_strips((image[0], 1), (outputs[0], 1), *window, self.strip)
        )
        return Counter(
            {
                replace(self, image=(read, *image[1:]), outputs=(written, *outputs[1:]), strip=0): n
                for (read, written), n in rows.items()
            }
        )

    @cached_property
    def kernel_rows(self) -> int:
        """Rows of windows inside the image, those of all output rows together."""
        return sum(self._inside(0))

    @cached_property
    def kernel_columns(self) -> int:
        """Columns of windows inside the image, those of all output columns together."""
        return sum(self._inside(1))

    @property
    def inner_taps(self) -> int:
        """Pixels that windows read inside the image, those of all windows together."""
        return self.kernel_rows * self.kernel_columns

    @property
    def outer_taps(self) -> int:
        """The same of padding."""
        return self.pixels * self.taps - self.inner_taps

    @property
    def side_taps(self) -> int:
        """Those of padding at the left and right of rows inside the image."""
        return self.kernel_rows * (self.outputs[1] * self.kernel[1] - self.kernel_columns)

    @property
    def cut_columns(self) -> int:
        """Output columns whose windows reach over the left or right border."""
        return sum(inside < self.kernel[1] for inside in self._inside(1))

    @property
    def cut_ends(self) -> int:
        """How often a window of an output row begins above the image, and how often one ends below it."""
        starts = [y * self.strides[0] - self.padding[0] for y in range(self.outputs[0])]
        below = self.image[0] - self.kernel[0]
        return sum(start < 0 for start in starts) + sum(start > below for start in starts)

    def _inside(self, axis: int) -> list[int]:
        """For each output along an axis how much of its window lies inside the image."""
        starts = [i * self.strides[axis] - self.padding[axis] for i in range(self.outputs[axis])]
        ends = [min(start + self.kernel[axis], self.image[axis]) for start in starts]
        return [end - max(start, 0) for start, end in zip(starts, ends, strict=True)]
