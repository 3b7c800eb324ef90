# SPDX-License-Identifier: Apache-2.0
"""What is to be placed: buffers with a size and a lifetime. Two may share bytes unless both are live at one time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Buffer:
    """`size` bytes that are live from time `first` to time `last`, both included."""

    size: int
    first: int
    last: int
    alignment: int = 1


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The largest number of bytes that are live at one time: no plan without overlaps is smaller."""
    last_time = max((buffer.last for buffer in buffers), default=-1)
    changes = [0] * (last_time + 2)
    for buffer in buffers:
        changes[buffer.first] += buffer.size
        changes[buffer.last + 1] -= buffer.size
    return max(accumulate(changes), default=0)
