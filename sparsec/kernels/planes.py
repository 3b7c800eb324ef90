# SPDX-License-Identifier: Apache-2.0
"""Channel-major activations as kernels see them: which layouts a window reads and leaves, and what conversions cost."""

from dataclasses import dataclass
from math import ceil

from sparsec.ir import rt
from sparsec.kernels.cost import Cost, Costed, cost_of
from sparsec.kernels.loops import Loops
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.layouts.activations import ChannelMajor
from sparsec.layouts.pixel_rows import taps_of
from sparsec.quantization.window import Window
from sparsec.targets.cpu import VectorUnit

Image = tuple[int, int, int]


def with_gaps(rows: int, columns: int, fill: int) -> ChannelMajor:
    """A layout with such gaps, which hold `fill` if there are any."""
    return ChannelMajor(rows, columns, fill if rows or columns else 0)


def read_by(window: Window, fill: int) -> ChannelMajor:
    """The layout of the smallest gaps of which a window, whose padding reads as `fill`, reads."""
    top, left, bottom, right = window.padding
    return with_gaps(max(top, bottom), max(left, right), fill)


def left_by(read: ChannelMajor, image: Image, outputs: Image, rows: int, fill: int) -> ChannelMajor:
    """The layout of an output whose rows are as far apart as those of the input; `rows` are the gaps between planes."""
    columns = image[1] + read.gap_columns - outputs[1]
    if columns < 0:
        raise ValueError("rows of the output are longer than those of the input")
    return with_gaps(rows, columns, fill)


def gaps_of(work: Workload) -> tuple[int, int]:
    """Rows and columns of the gaps that a layer needs, dilations apart."""
    top, left, bottom, right = work.padding
    return max(top, bottom), max(left, right)


def taps_are_apart(work: Workload) -> bool:
    """Whether the kernel can tell the weights of a layer apart."""
    read = with_gaps(*gaps_of(work), 0)
    return taps_of(read, (1, *work.image), work.kernel).are_apart


def conversion(image: Image, gaps: tuple[int, int]) -> Loops:
    """Of an image from NHWC or to it."""
    height, width, channels = image
    rows, pixels = (height, width) if gaps[1] else (1, height * width)
    fours = channels // 4 if channels % 4 == 0 else 0
    singles = 0 if fours else channels
    whole, last = divmod(pixels, 16)
    return {
        "calls": 1,
        "rows": rows,
        "rows, fours": rows * fours,
        "blocks": rows * fours * whole,
        "last blocks": rows * fours * (last > 0),
        "last blocks, fours": rows * fours * ceil(last / 4),
        "rows, channels": rows * singles,
        "words": rows * singles * ceil(pixels / 4),
    }


def filling(image: Image, gaps: tuple[int, int]) -> dict[str, int]:
    """The gaps between rows and behind planes, but for those of whole rows between planes."""
    height, _, channels = image
    return {
        "planes filled": channels * (gaps != (0, 0)),
        "gaps of one": channels * (height - 1) * (gaps[1] == 1),
        "gaps of several": channels * (height - 1) * (gaps[1] > 1),
    }


def to_channel_major(image: Image, gaps: tuple[int, int]) -> Loops:
    """From NHWC to planes with gaps."""
    vectors = ceil(gaps[0] * (image[1] + gaps[1]) / 16)
    between = {"planes filled, vectors": image[2] * vectors}
    return {**conversion(image, gaps), **filling(image, gaps), **between}


class ToChannelMajor(Costed):
    """Of the input of a layer."""

    function = rt.ToChannelMajorOp.C_FUNCTION

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", to_channel_major(work.image, gaps_of(work))


class FromChannelMajor(Costed):
    """Of the output of a layer."""

    function = rt.FromChannelMajorOp.C_FUNCTION

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        width = work.image[1] + gaps_of(work)[1]
        return "", conversion(work.outputs, (0, width - work.outputs[1]))


@dataclass(frozen=True)
class Counted(Costed):
    """A call of `function` whose loops were counted."""

    function: str
    passes: Loops

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", self.passes


def cost_of_loops(function: str, passes: Loops, cpu: str) -> Cost:
    """What a call takes whose loops were counted. ValueError as `cost_of`."""
    nothing = Workload("elementwise", (1, 1, 1), (1, 1), (1, 1), (1, 1, 1))
    return cost_of(Counted(function, passes), cpu, nothing)


def conversion_cost(cpu: str, image: Image, layout: ChannelMajor, back: bool) -> Cost:
    """From NHWC to `layout`, or `back`. ValueError where it is not known."""
    gaps = layout.gap_rows, layout.gap_columns
    if back:
        return cost_of_loops(FromChannelMajor.function, conversion(image, gaps), cpu)
    return cost_of_loops(ToChannelMajor.function, to_channel_major(image, gaps), cpu)
