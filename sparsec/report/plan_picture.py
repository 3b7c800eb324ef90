# SPDX-License-Identifier: Apache-2.0
"""A memory plan as a picture: calls from left to right, bytes upwards, one box for each buffer.

The rule: every length is in inches and follows from the plan alone, so the same plan is the same file.
"""

import io
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from textwrap import wrap
from typing import Any, Literal

# Drawing takes long to import: whoever imports this module wants a picture.
import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch, Rectangle
from matplotlib.textpath import TextToPath

from sparsec.analysis.memory.plan_view import Kind, Peak, PlannedBuffer, PlanView

Format = Literal["svg", "png"]

_COLORS: dict[Kind, str] = {
    "input": "#6FC3EF",
    "output": "#4DBB9D",
    "activation": "#9DBAD9",
    "weights": "#D99BC0",
    "scratch": "#EDB84A",
}
"""Told apart by every eye: paler tones of Okabe and Ito, Color Universal Design (2008)."""

_PEAK, _INK = "#D55E00", "#222222"

_DPI = 144
_POINTS = 72
_WIDEST = 36.0
"""Inches of the widest plot."""

_HEAD = 0.55
"""Inches above a memory, where its lines and its peak are named."""

_SMALL, _NORMAL, _TITLE = 6.5, 8.0, 11.0
"""Points of the letters in boxes, elsewhere, and in the title."""

_LINE_SPACING = 1.15

_FONT = "DejaVu Sans"
"""Matplotlib brings it along, so pictures are the same everywhere."""

_LONGEST_NAME = 40
"""Letters of a layer's name below the axis."""

_STYLE: dict[Any, Any] = {
    "font.family": _FONT,
    "text.parse_math": False,
    "svg.fonttype": "none",  # text stays text: small, and found by a search
    "svg.hashsalt": "sparsec",  # no random names
    "hatch.linewidth": 0.6,
}


def plan_picture(view: PlanView, title: str, format: Format) -> bytes:
    """The content of a picture file; in SVG each box and each call tells its name and bytes under the pointer."""
    with matplotlib.rc_context(_STYLE):
        figure = _Picture(view, title).figure
        file = io.BytesIO()
        key = {"png": "Software", "svg": "Date"}[format]
        figure.savefig(file, format=format, dpi=_DPI, metadata={key: None})
    return file.getvalue() if format == "png" else _with_tooltips(file.getvalue(), view)


class _Picture:
    """Margins, one plot for each memory from the first down, the names of the layers below the last."""

    def __init__(self, view: PlanView, title: str):
        self.view = view
        calls = max(len(view.calls), 1)
        self.column = min(max(9.0 / calls, 0.36), 3.0, _WIDEST / calls)
        self.width = max(self.column * calls, 6.0)
        self.names = [_shortened(name, _LONGEST_NAME) for name in view.calls]
        most = max(view.memories.values(), default=0)
        heights = [_HEAD + max(4.0 * size / max(most, 1), 1.0) for size in view.memories.values()]
        left, right, top, gap = 0.85, 0.25, 0.75, 0.15
        bottom = 0.2 + max((_text_width(n, _NORMAL, "bold") for n in self.names), default=0.0)
        total = (
            left + self.width + right,
            top + sum(heights) + gap * (len(heights) - 1) + bottom,
        )
        self.figure = Figure(figsize=total, facecolor="white")
        y = total[1] - top
        axes: Axes | None = None
        for memory, height in zip(view.memories, heights, strict=True):
            y -= height
            place = (left / total[0], y / total[1], self.width / total[0], height / total[1])
            axes = self.figure.add_axes(place)
            self._draw_memory(axes, memory, height)
            y -= gap
        if axes is not None:
            self._name_calls(axes)
        self._head(title, left, total)

    def _head(self, title: str, left: float, total: tuple[float, float]) -> None:
        x = left / total[0]
        self.figure.text(x, 1 - 0.3 / total[1], title, size=_TITLE, weight="bold", color=_INK)
        kinds = {each.kind for each in self.view.buffers}
        handles = [
            Patch(facecolor=color, edgecolor="white", label=kind)
            for kind, color in _COLORS.items()
            if kind in kinds
        ]
        if any(True for _ in _shared(self.view.buffers)):
            handles.append(_hatched(Patch(label="two buffers share these bytes")))
        self.figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(x, 1 - 0.36 / total[1]),
            ncols=len(handles) or 1,
            frameon=False,
            fontsize=_NORMAL,
            borderaxespad=0.0,
            borderpad=0.2,
            handlelength=1.2,
            handleheight=1.0,
            columnspacing=1.4,
        )

    def _draw_memory(self, axes: Axes, memory: str, height: float) -> None:
        view, size = self.view, self.view.memories[memory]
        bound = view.bound_of(memory) if len(view.memories) == 1 or view.bounds else 0
        scale = (height - _HEAD) / max(size, bound, 1)
        axes.set_xlim(0, self.width / self.column)
        axes.set_ylim(0, height / scale)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylabel(memory, size=_NORMAL, color=_INK)
        ticks = _ticks(size, min(8, int((height - _HEAD) / 0.3)))
        axes.set_yticks(ticks, [_bytes(tick, size) for tick in ticks], size=_NORMAL, color=_INK)
        axes.set_xticks([])
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.6, zorder=0)
        peak = view.peak(memory)
        for number, each in enumerate(view.buffers):
            if each.memory == memory:
                self._draw_buffer(axes, each, f"buffer{number}", scale)
        for calls, place in _shared(each for each in view.buffers if each.memory == memory):
            axes.add_patch(_hatched(_box(*calls, *place, zorder=3)))
        if peak is not None:
            self._mark_peak(axes, peak, height / scale)
        if bound == size:
            self._draw_line(axes, size, f"{size:,} B = lower bound: no plan needs less", "dashed")
        else:
            self._draw_line(axes, size, f"{memory} {size:,} B", "solid")
            if bound:
                self._draw_line(axes, bound, f"lower bound {bound:,} B", "dashed", on_left=True)

    def _draw_buffer(self, axes: Axes, each: PlannedBuffer, id: str, scale: float) -> None:
        """`scale`: inches of a byte."""
        place = each.first, each.last, each.offset, each.end
        axes.add_patch(_box(*place, facecolor=_COLORS[each.kind], linewidth=0, zorder=2, gid=id))
        # Over all faces, so that one sees where a covered buffer ends.
        axes.add_patch(_box(*place, fill=False, edgecolor="white", linewidth=1.0, zorder=2.2))
        for first, columns in (_alone(each, self.view.buffers), (each.first, _calls(each))):
            label = _label(each, columns * self.column, each.size * scale)
            if label is not None:
                self._draw_label(axes, each, first + columns / 2, *label)
                return

    def _draw_label(
        self, axes: Axes, each: PlannedBuffer, x: float, text: str, rotation: int
    ) -> None:
        axes.text(
            x,
            each.offset + each.size / 2,
            text,
            size=_SMALL,
            color=_INK,
            rotation=rotation,
            ha="center",
            va="center",
            linespacing=_LINE_SPACING,
            # Legible where another box or its hatching covers this one.
            bbox={"facecolor": _COLORS[each.kind], "linewidth": 0, "pad": 0.5},
            zorder=4,
        )

    def _draw_line(
        self, axes: Axes, height: int, text: str, style: str, *, on_left: bool = False
    ) -> None:
        axes.axhline(height, color=_INK, linewidth=1.0, linestyle=style, zorder=3.5)
        axes.annotate(
            text,
            (0.005 if on_left else 0.995, height),
            (0, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            size=_NORMAL,
            color=_INK,
            ha="left" if on_left else "right",
            va="bottom",
            bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5},
            zorder=5,
        )

    def _mark_peak(self, axes: Axes, peak: Peak, top: float) -> None:
        """Its column, its buffers and, in the head, its sum."""
        axes.axvspan(peak.call, peak.call + 1, color=_PEAK, alpha=0.13, linewidth=0, zorder=1)
        for each in peak.buffers:
            place = each.first, each.last, each.offset, each.end
            axes.add_patch(_box(*place, fill=False, edgecolor=_PEAK, linewidth=1.2, zorder=3.2))
        text = f"peak {peak.sum}"
        letters = int(self.width / _text_width("0", _NORMAL, "bold"))
        lines = wrap(text, max(letters, 40), break_long_words=False)
        wide = max(_text_width(line, _NORMAL, "bold") for line in lines) / self.column
        axes.text(
            max(0.0, min(peak.call + 0.08, self.width / self.column - wide)),
            top,
            "\n".join(lines),
            size=_NORMAL,
            weight="bold",
            color=_PEAK,
            ha="left",
            va="top",
            linespacing=_LINE_SPACING,
            zorder=5,
        )

    def _name_calls(self, axes: Axes) -> None:
        """Every name, or as many as there is room for."""
        step = max(1, round(0.14 / self.column + 0.499))
        shown = range(0, len(self.names), step)
        axes.set_xticks([call + 0.5 for call in shown], [self.names[call] for call in shown])
        axes.tick_params(axis="x", length=0, labelsize=_NORMAL, labelcolor=_INK, rotation=90)
        busiest = {peak.call for peak in self.view.peaks}
        for call, tick in zip(shown, axes.get_xticklabels(), strict=True):
            tick.set_gid(f"call{call}")
            if call in busiest:
                tick.set(color=_PEAK, weight="bold")


def _box(first: int, last: int, start: int, end: int, **style: Any) -> Rectangle:
    """The calls from `first` to `last`, both included, and the bytes from `start` to `end`."""
    return Rectangle((first, start), last + 1 - first, end - start, **style)


def _hatched(patch: Patch) -> Patch:
    patch.set(fill=False, hatch="////", edgecolor=_INK, linewidth=0.6)
    return patch


def _shared(buffers: Iterable[PlannedBuffer]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """What two buffers of one memory share: (first and last call, first byte and the one behind the last)."""
    in_order = sorted(buffers, key=lambda each: each.first)
    for number, one in enumerate(in_order):
        for other in in_order[number + 1 :]:
            if other.first > one.last:
                break
            start, end = max(one.offset, other.offset), min(one.end, other.end)
            if one.memory == other.memory and start < end:
                yield (other.first, min(one.last, other.last)), (start, end)


def _calls(each: PlannedBuffer) -> int:
    """In how many it lives."""
    return each.last + 1 - each.first


def _alone(each: PlannedBuffer, buffers: Iterable[PlannedBuffer]) -> tuple[int, int]:
    """The first call, and the number of those, in which nobody shares its middle; all if there are none."""
    middle = (each.offset + each.end) / 2
    shared = {
        call
        for other in buffers
        if other is not each and other.memory == each.memory
        if other.offset < middle < other.end
        for call in range(max(other.first, each.first), min(other.last, each.last) + 1)
    }
    calls = [call for call in range(each.first, each.last + 1) if call not in shared]
    return (calls[0], calls[-1] + 1 - calls[0]) if calls else (each.first, _calls(each))


def _label(each: PlannedBuffer, width: float, height: float) -> tuple[str, int] | None:
    """The fullest text that fits into a box of so many inches, and its rotation; None for a box that is too small."""
    size = f"{each.size:,} B"
    # The layer of scratch memory stands below it.
    name = each.kind if each.kind == "scratch" else each.name
    names = (name, name.replace("/", "/\n"), _shortened(name, 20), _shortened(name, 12))
    for text in (*(f"{variant}\n{size}" for variant in names), *names, size):
        lines = text.split("\n")
        wide = max(_text_width(line, _SMALL) for line in lines) + 0.06
        tall = (_LINE_SPACING * len(lines)) * _SMALL / _POINTS + 0.02
        if wide <= width and tall <= height:
            return text, 0
        if wide <= height and tall <= width:
            return text, 90
    return None


@cache
def _text_width(text: str, points: float, weight: str = "normal") -> float:
    """Inches that a line of text is wide."""
    font = FontProperties(family=_FONT, size=points, weight=weight)
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return width / _POINTS


def _shortened(name: str, longest: int) -> str:
    """`name`, of one too long the end, which tells most."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def _ticks(size: int, most: int) -> list[int]:
    """Multiples of a power of two, from 0 to `size`, at most so many besides 0."""
    step = 1
    while size // step > most:
        step *= 2
    return list(range(0, size + 1, step))


def _bytes(tick: int, size: int) -> str:
    """A tick of an axis of `size` bytes."""
    if tick == 0:
        return "0"
    return f"{tick // 1024:,} KiB" if size >= 8 * 1024 else f"{tick:,} B"


def _with_tooltips(svg: bytes, view: PlanView) -> bytes:
    """The picture with the full name and numbers of each box and call, which browsers show under the pointer."""
    text = svg.decode()
    tips = {
        f"buffer{number}": f"{each.name}: {each.kind}, {each.size:,} B at {each.offset:,}, "
        f"calls {each.first} to {each.last}"
        for number, each in enumerate(view.buffers)
    }
    for number, layer in enumerate(view.calls):
        live = sum(view.live_bytes(memory, number) for memory in view.memories)
        tips[f"call{number}"] = f"call {number}, {layer}: {live:,} B in use"
    for id, tip in tips.items():
        text = text.replace(f'<g id="{id}">', f'<g id="{id}"><title>{escape(tip)}</title>', 1)
    return text.encode()
