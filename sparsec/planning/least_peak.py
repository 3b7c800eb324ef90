# SPDX-License-Identifier: Apache-2.0
"""One option for each part of a program, so that the largest takes the fewest bytes without taking too long.

The rule: exact. With a limit on the bytes each part takes its fastest option within it, so only the limits that some
option meets exactly are tried, and what is fast enough for one is so for every larger one.
"""

from bisect import bisect_left
from collections.abc import Sequence

from sparsec.planning.choice import Option


def least_peak(
    parts: Sequence[Sequence[Option]], most_time: float | None, enough: int | None = None
) -> tuple[int, ...]:
    """The index of the option taken for each part; an option's bytes are what its part needs while it runs.

    The fewest bytes at the largest part that can be had within `most_time` (None: at any price), and then the least
    time. Where that is more than `enough` bytes, time does not count until it is not. Raises ValueError for a part
    without options.
    """
    for number, options in enumerate(parts):
        if not options:
            raise ValueError(f"part {number} has no option")
    floor = max((min(option.bytes for option in options) for options in parts), default=0)
    limits = sorted({o.bytes for options in parts for o in options if o.bytes >= floor})
    if not limits:
        return ()

    def is_slow(limit: int) -> bool:
        return most_time is not None and time_of(parts, within(parts, limit)) > most_time

    # Slow limits come first. What is fast enough for none is taken as fast as it goes.
    index = min(bisect_left(limits, True, key=lambda limit: not is_slow(limit)), len(limits) - 1)
    if enough is not None and limits[index] > enough:
        index = max(bisect_left(limits, enough + 1) - 1, 0)
    return within(parts, limits[index])


def time_of(parts: Sequence[Sequence[Option]], picks: Sequence[int]) -> int:
    """What the picks take together."""
    return sum(options[pick].time for options, pick in zip(parts, picks, strict=True))


def within(parts: Sequence[Sequence[Option]], limit: float) -> tuple[int, ...]:
    """For each part its fastest option of at most `limit` bytes, or the smallest it has."""
    floors = (min(option.bytes for option in options) for options in parts)
    return tuple(
        _fastest(options, max(limit, floor)) for options, floor in zip(parts, floors, strict=True)
    )


def _fastest(options: Sequence[Option], limit: float) -> int:
    fitting = [i for i, option in enumerate(options) if option.bytes <= limit]
    return min(fitting, key=lambda i: (options[i].time, options[i].bytes, i))
