# SPDX-License-Identifier: Apache-2.0
"""Where a sliding window or a slice reads, and what a border adds: geometry without values."""

from dataclasses import dataclass


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

    def loops(
        self, shape: tuple[int, ...], sizes: tuple[int, ...]
    ) -> tuple[int, list[tuple[int, int]]]:
        """Where the first element of the slice lies in memory, and the loops that copy it.

        A loop is (count, distance in memory), the outermost first. Axes whose elements are at one
        distance all along are one loop, so that the innermost is as long as it can be.
        """
        offset, distance = 0, 1
        loops: list[tuple[int, int]] = []
        for axis in reversed(range(len(shape))):
            offset += self.begin[axis] * distance
            step = self.strides[axis] * distance
            if loops and step == loops[0][0] * loops[0][1]:
                loops[0] = (loops[0][0] * sizes[axis], loops[0][1])
            elif sizes[axis] > 1:
                loops.insert(0, (sizes[axis], step))
            distance *= shape[axis]
        return offset, loops
