# SPDX-License-Identifier: Apache-2.0
"""Where a sliding window or a slice reads, and what a border adds: geometry without values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias


@dataclass(frozen=True)
class Window:
    """Strides, padding and dilations of a sliding window over height and width.

    `strides` and `dilations` are (height, width); `padding` is (top, left, bottom, right) in
    pixels. Raises ValueError when a stride or dilation is below 1 or a padding is negative.
    """

    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if len(self.strides) != 2 or min(self.strides) < 1:
            raise ValueError(f"strides must be two integers of at least 1, got {self.strides}")
        if len(self.dilations) != 2 or min(self.dilations) < 1:
            raise ValueError(f"dilations must be two integers of at least 1, got {self.dilations}")
        if len(self.padding) != 4 or min(self.padding) < 0:
            raise ValueError(f"padding must be four non-negative integers, got {self.padding}")

    def output_size(self, size: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the output for an input of `size` under `kernel`.

        Raises ValueError when the kernel does not fit into the padded input.
        """
        top, left, bottom, right = self.padding
        padded = (size[0] + top + bottom, size[1] + left + right)
        extent = tuple(d * (k - 1) + 1 for d, k in zip(self.dilations, kernel, strict=True))
        if padded[0] < extent[0] or padded[1] < extent[1]:
            raise ValueError(
                f"a window of {extent[0]}x{extent[1]} does not fit an input of "
                f"{padded[0]}x{padded[1]} (padding included)"
            )
        height, width = (
            (p - e) // s + 1 for p, e, s in zip(padded, extent, self.strides, strict=True)
        )
        return height, width


@dataclass(frozen=True)
class Pool(Window):
    """A `Window` whose kernel, (height, width) in pixels, has no weights to tell its size."""

    kernel: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.kernel) != 2 or min(self.kernel) < 1:
            raise ValueError(f"kernel must be two integers of at least 1, got {self.kernel}")
        top, left, bottom, right = self.padding
        if max(top, bottom) >= self.kernel[0] or max(left, right) >= self.kernel[1]:
            raise ValueError(f"padding {self.padding} is not smaller than kernel {self.kernel}")


@dataclass(frozen=True)
class Border:
    """Elements added before (`low`) and after (`high`) each axis of a tensor.

    Raises ValueError for a negative count or lists of different lengths.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or min((*self.low, *self.high), default=0) < 0:
            raise ValueError("low and high must list one non-negative count for each axis")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a tensor of `shape` with the border added."""
        if len(shape) != len(self.low):
            raise ValueError(f"a border of {len(self.low)} axes on a tensor of {len(shape)}")
        return tuple(n + lo + hi for n, lo, hi in zip(shape, self.low, self.high, strict=True))

    def joined(self, shape: tuple[int, ...], most: int) -> tuple["Border", tuple[int, ...]]:
        """The same border of the same elements, and their shape: of more axes than `most` with as few as it takes."""
        if len(shape) <= most:
            return self, shape
        axes: list[tuple[int, int, int]] = []
        for size, low, high in zip(shape, self.low, self.high, strict=True):
            if low == high == 0 and axes:  # each element of the axis before is a block
                axes[-1] = (axes[-1][0] * size, axes[-1][1] * size, axes[-1][2] * size)
            else:
                axes.append((size, low, high))
        sizes, low, high = zip(*axes, strict=True)
        return Border(low, high), sizes


Loop: TypeAlias = tuple[int, int]
"""How many elements, and how far they lie apart in memory; loops are listed from the outermost on."""


@dataclass(frozen=True)
class Slice:
    """Along each axis every `strides`-th element from `begin` on, backwards for a negative stride.

    How many is what the shape of the result, `sizes`, says. Raises ValueError for a stride of 0, a
    negative `begin`, or lists of different lengths.
    """

    begin: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        fits = len(self.begin) == len(self.strides) > 0
        if not fits or 0 in self.strides or min(self.begin) < 0:
            raise ValueError(
                "begin and strides must list one number for each axis, "
                "no begin negative and no stride 0"
            )

    def check(self, shape: tuple[int, ...], sizes: tuple[int, ...]) -> None:
        """Raise ValueError unless `sizes` elements lie inside a tensor of `shape`."""
        if not len(shape) == len(sizes) == len(self.begin):
            raise ValueError(
                f"a slice of {len(self.begin)} axes of a tensor of {len(shape)} "
                f"with a result of {len(sizes)}"
            )
        for axis, (n, size) in enumerate(zip(shape, sizes, strict=True)):
            first = self.begin[axis]
            last = first + (size - 1) * self.strides[axis]
            if size < 1 or not (0 <= first < n and 0 <= last < n):
                raise ValueError(
                    f"{size} elements from {first} on with stride {self.strides[axis]} are not "
                    f"inside axis {axis} of {n} elements"
                )

    def index(self, sizes: tuple[int, ...]) -> tuple[slice, ...]:
        """The slice as an index of numpy."""
        stops = (b + n * s for b, s, n in zip(self.begin, self.strides, sizes, strict=True))
        return tuple(
            slice(begin, stop if stop >= 0 else None, stride)
            for begin, stop, stride in zip(self.begin, stops, self.strides, strict=True)
        )

    def loops(self, shape: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[int, list[Loop]]:
        """Where the first element of the slice lies in memory, and the loops that copy it."""
        distances = distances_in_memory(shape)
        offset = sum(b * distance for b, distance in zip(self.begin, distances, strict=True))
        steps = (stride * d for stride, d in zip(self.strides, distances, strict=True))
        return offset, joined_loops(zip(sizes, steps, strict=True))


def distances_in_memory(shape: Sequence[int]) -> list[int]:
    """How far neighbours along each axis of a tensor lie apart, in elements."""
    return [prod(shape[axis + 1 :]) for axis in range(len(shape))]


def permutation_loops(shape: Sequence[int], permutation: Sequence[int]) -> list[Loop]:
    """The loops that copy a tensor of `shape` with its axes in another order."""
    distances = distances_in_memory(shape)
    return joined_loops((shape[axis], distances[axis]) for axis in permutation)


def joined_loops(loops: Iterable[Loop]) -> list[Loop]:
    """The same elements by as few loops as it takes, so that the innermost one is as long as it can be."""
    joined: list[Loop] = []
    for count, distance in loops:
        if joined and joined[-1][1] == count * distance:
            joined[-1] = (joined[-1][0] * count, distance)
        elif count > 1:
            joined.append((count, distance))
    return joined
