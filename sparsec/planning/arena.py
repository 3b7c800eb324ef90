"""Places buffers in one arena: greedy, by size over lifetimes.

Two buffers may share bytes unless both are live at one time. Sources: Pisarchyk and Lee, Efficient
Memory Management for Deep Neural Net Inference (2020), "greedy by size"; TensorFlow Lite Micro's
GreedyMemoryPlanner.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Buffer:
    """`size` bytes that are live from time `first` to time `last`, both included."""

    size: int
    first: int
    last: int
    alignment: int = 1


@dataclass(frozen=True)
class Plan:
    """An offset for each buffer, in bytes, and the bytes of the whole arena."""

    offsets: tuple[int, ...]
    arena_bytes: int


def plan(buffers: Sequence[Buffer]) -> Plan:
    """Offsets for `buffers`: the best of a few greedy orders, by size first."""
    plans = (place(buffers, sorted(range(len(buffers)), key=order(buffers))) for order in ORDERS)
    return min(plans, key=lambda candidate: candidate.arena_bytes)


Order = Callable[[Sequence[Buffer]], Callable[[int], tuple[int, ...]]]

ORDERS: tuple[Order, ...] = (
    lambda buffers: lambda i: (-buffers[i].size, buffers[i].first, i),
    lambda buffers: (
        lambda i: (
            -buffers[i].size * (buffers[i].last - buffers[i].first + 1),
            buffers[i].first,
            i,
        )
    ),
    lambda buffers: lambda i: (buffers[i].first - buffers[i].last, -buffers[i].size, i),
    lambda buffers: lambda i: (buffers[i].first, -buffers[i].size, i),
)
"""By size, by size and lifetime, by lifetime, by first use; ties are broken by the order given."""


def place(buffers: Sequence[Buffer], order: Sequence[int]) -> Plan:
    """Each buffer in turn at the lowest offset that is free for its whole lifetime."""
    offsets: dict[int, int] = {}
    # Who is live at each time: a buffer meets few others, however many there are.
    live: defaultdict[int, list[int]] = defaultdict(list)
    for i in order:
        times = range(buffers[i].first, buffers[i].last + 1)
        others = {j for time in times for j in live[time]}
        offset = 0
        for start, end in sorted((offsets[j], offsets[j] + buffers[j].size) for j in others):
            if offset + buffers[i].size <= start:
                break
            offset = max(offset, _round_up(end, buffers[i].alignment))
        offsets[i] = offset
        for time in times:
            live[time].append(i)
    ends = (offsets[i] + buffer.size for i, buffer in enumerate(buffers))
    return Plan(tuple(offsets[i] for i in range(len(buffers))), max(ends, default=0))


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The largest number of bytes that are live at one time: no plan is smaller."""
    last_time = max((buffer.last for buffer in buffers), default=-1)
    changes = [0] * (last_time + 2)
    for buffer in buffers:
        changes[buffer.first] += buffer.size
        changes[buffer.last + 1] -= buffer.size
    return max(accumulate(changes), default=0)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
