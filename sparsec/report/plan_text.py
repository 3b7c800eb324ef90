# SPDX-License-Identifier: Apache-2.0
"""A memory plan as text: the arena over time, one row for each call, and a table of its buffers."""

from collections.abc import Sequence
from itertools import combinations
from string import ascii_letters, digits

from sparsec.analysis.memory.plan_view import PlannedBuffer, PlanView

_WIDTH = 64
"""Columns of the arena."""

_LETTERS = ascii_letters + digits
"""What buffers are drawn with, in turn."""

_SHARED = "*"
_FREE = "."


def plan_text(view: PlanView, title: str) -> str:
    """The plan under a title, ending in a newline."""
    parts = [*_summary(view, title), ""]
    for memory in view.memories:
        parts += [*_timeline(view, memory), ""]
    return "\n".join([*parts, *_buffers(view)]) + "\n"


def _summary(view: PlanView, title: str) -> list[str]:
    lines = [title]
    for name, size in view.memories.items():
        status = view.status_of(name)
        than = "" if status == "optimal" else f" than {view.bound_of(name):,} B"
        lines.append(f"{name}  {size:,} B, {status}: no plan needs less{than}")
    return lines + [f"peak   {peak.layer}: {peak.sum}" for peak in view.peaks]


def _timeline(view: PlanView, memory: str) -> list[str]:
    """One row for each call: the bytes in use, and from left to right who has which."""
    peak = view.peak(memory)
    letters = _letters(view)
    scale = max(view.memories[memory], 1) / _WIDTH
    rows: list[tuple[str, ...]] = []
    for call, layer in enumerate(view.calls):
        cells = [_FREE] * _WIDTH
        live = view.live(memory, call)
        for each in live:
            _fill(cells, each.offset, each.end, scale, letters[each])
        for one, other in combinations(live, 2):
            _fill(cells, max(one.offset, other.offset), min(one.end, other.end), scale, _SHARED)
        mark = "<- peak" if peak is not None and peak.call == call else ""
        used = f"{view.live_bytes(memory, call):,}"
        rows.append((str(call), layer, used, "".join(cells), mark))
    head = (
        "call",
        "layer",
        "in use B",
        f"{memory}: a column is {scale:,.4g} B, {_SHARED} two buffers",
        "",
    )
    return _table(head, rows, right=(0, 2))


def _fill(cells: list[str], start: int, end: int, scale: float, letter: str) -> None:
    """Draw the bytes from `start` to `end`, if there are any, as one cell at least."""
    first = min(int(start / scale), len(cells) - 1)
    for cell in range(first, max(first + 1, round(end / scale)) if start < end else first):
        cells[cell] = letter


def _buffers(view: PlanView) -> list[str]:
    letters = _letters(view)
    rows = [
        (
            letters[each],
            each.name,
            each.kind,
            each.memory,
            f"{each.offset:,}",
            f"{each.size:,}",
            f"{each.first}" if each.first == each.last else f"{each.first}-{each.last}",
        )
        for each in view.buffers
    ]
    return _table(("", "buffer", "kind", "memory", "offset", "bytes", "calls"), rows, right=(4, 5))


def _letters(view: PlanView) -> dict[PlannedBuffer, str]:
    return {each: _LETTERS[i % len(_LETTERS)] for i, each in enumerate(view.buffers)}


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> list[str]:
    """Aligned columns, those in `right` to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
