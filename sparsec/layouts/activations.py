# SPDX-License-Identifier: Apache-2.0
"""How activations lie in memory: in the order NHWC, or otherwise.

A layout says at which byte each element of an int8 image (1, height, width, channels) is, and how many bytes all take. The
rule: it holds nothing that the shape says. NHWC, which is everybody's, is `None` wherever a layout is asked for.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Int8 = NDArray[np.int8]
Shape: TypeAlias = tuple[int, ...]

TAIL = 4
"""Bytes behind the last plane: kernels read whole vectors of four bytes."""


@dataclass(frozen=True)
class ChannelMajor:
    """A plane for each channel, one behind the other, rows of which are `gap_columns` apart, and planes `gap_rows` rows.

    Kernels whose windows reach over the border read padding there: the gaps, of which one in front of the first row, hold
    `fill`, which is 0 where there are none. Planes take a multiple of four bytes. Raises ValueError for a negative gap, or
    a `fill` that is no int8 or of gaps that are not there.
    """

    gap_rows: int = 0
    gap_columns: int = 0
    fill: int = 0

    def __post_init__(self) -> None:
        if self.gap_rows < 0 or self.gap_columns < 0:
            raise ValueError("a gap cannot be negative")
        if not -128 <= self.fill <= 127:
            raise ValueError(f"gaps cannot be filled with {self.fill}, which is no int8")
        if self.fill and not self.has_gaps:
            raise ValueError("there are no gaps to fill")

    @property
    def has_gaps(self) -> bool:
        """Whether something lies between rows or planes that kernels may read."""
        return self.gap_rows > 0 or self.gap_columns > 0

    @property
    def label(self) -> str:
        """As it is read by people."""
        return f"channel-major, gaps {self.gap_rows}x{self.gap_columns}"

    def check(self, shape: Shape) -> None:
        """ValueError unless `shape` is that of an image."""
        if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
            raise ValueError(f"only images of batch 1 are channel-major, not {list(shape)}")

    def pitch(self, shape: Shape) -> int:
        """Bytes from a row to the next."""
        return shape[2] + self.gap_columns

    def plane(self, shape: Shape) -> int:
        """Bytes from a channel to the next."""
        return -(-(shape[1] + self.gap_rows) * self.pitch(shape) // 4) * 4

    def first(self, shape: Shape) -> int:
        """The byte of the first element."""
        return self.gap_rows * self.pitch(shape) + self.gap_columns

    def bytes(self, shape: Shape) -> int:
        """All that an image takes."""
        return self.first(shape) + shape[3] * self.plane(shape) + TAIL

    def positions(self, shape: Shape) -> int:
        """Bytes from the first element of a channel to its last one, gaps between rows included."""
        return (shape[1] - 1) * self.pitch(shape) + shape[2]

    def view(self, memory: Int8, shape: Shape) -> Int8:
        """The elements that `memory`, `bytes(shape)` long, holds, as NHWC: the same memory."""
        assert memory.shape == (self.bytes(shape),), memory.shape
        strides = (self.bytes(shape), self.pitch(shape), 1, self.plane(shape))
        return np.lib.stride_tricks.as_strided(memory[self.first(shape) :], shape, strides)

    def fill_gaps(self, memory: Int8, shape: Shape) -> None:
        """Write `fill` to what is no element, if there are gaps."""
        if self.has_gaps:
            elements = self.view(memory, shape).copy()
            memory[:] = self.fill
            self.view(memory, shape)[...] = elements

    def gaps_hold(self, memory: Int8, shape: Shape) -> bool:
        """Whether the gaps hold what they should."""
        filled = memory.copy()
        self.fill_gaps(filled, shape)
        return bool(np.array_equal(filled, memory))

    def pack(self, image: NDArray[Any]) -> Int8:
        """An NHWC image so laid out. What nobody reads is 0."""
        shape = image.shape
        self.check(shape)
        memory = np.zeros(self.bytes(shape), np.int8)
        self.view(memory, shape)[...] = image
        self.fill_gaps(memory, shape)
        return memory


Layout: TypeAlias = ChannelMajor | None
"""None is NHWC."""

LAYOUTS: dict[str, type[ChannelMajor]] = {"channel_major": ChannelMajor}
"""By the name that the IR has for them."""
