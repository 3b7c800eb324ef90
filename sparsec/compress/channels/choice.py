# SPDX-License-Identifier: Apache-2.0
"""How many channels of each group go, and which.

The one rule: no more than asked for go, the least important first and of equal ones the first, and what is left of a
layer is a multiple of the size that kernels take at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from sparsec.pruning.masks import check_ratio, zeros_of
from sparsec.pruning.patterns import Array
from sparsec.targets.cpu import VectorUnit, cpu_named

KERNELS_TAKE: dict[VectorUnit, int] = {"scalar": 2, "dsp": 4, "mve": 16}
"""Channels at a time, as `kernels/loops.py` counts: plain C takes outputs in pairs, DSP code inputs by fours, and a
vector of Helium holds 16 inputs."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The channels of a group: what each is worth, whether it may go, and of how many the rest must be a multiple."""

    worth: Array
    free: NDArray[np.bool_]
    multiple: int = 1

    @property
    def size(self) -> int:
        """How many channels there are."""
        return len(self.worth)

    def gone(self, count: int) -> list[int]:
        """The channels that go when at most `count` may."""
        count = min(count, int(self.free.sum()), self.size - 1)
        left = -(-(self.size - count) // self.multiple) * self.multiple
        order = np.argsort(np.where(self.free, self.worth, np.inf), kind="stable")
        return sorted(int(each) for each in order[: max(self.size - left, 0)])


def group_size_of(target: str) -> int:
    """Of how many channels the kernels of a core like multiples. Raises ValueError where there is no such target."""
    return KERNELS_TAKE[cpu_named(target).vector_unit]


def multiple_of(group_size: int, rows: Sequence[int], size: int, at_least: bool) -> int:
    """Of how many channels the rest must be a multiple, so that layers which have as many `rows` for each channel keep
    a multiple of `group_size` rows; of a group of fewer than two such multiples a half, a quarter, .. of `group_size`
    will do unless it must be `at_least` that."""
    if group_size < 1:
        raise ValueError(f"a group size is at least 1, not {group_size}")
    while True:
        multiple = lcm(*(group_size // gcd(group_size, each) for each in rows))
        if at_least or group_size == 1 or 2 * multiple <= size:
            return multiple
        group_size //= 2


def local(choices: Sequence[Choice], ratios: Sequence[float]) -> list[list[int]]:
    """Of each group its own share goes."""
    for ratio in ratios:
        check_ratio(ratio)
    return [
        choice.gone(zeros_of(ratio, choice.size))
        for choice, ratio in zip(choices, ratios, strict=True)
    ]


def overall(choices: Sequence[Choice], ratio: float) -> list[list[int]]:
    """Of all channels together a share goes; a channel's worth counts relative to the mean of its group."""
    check_ratio(ratio)
    if not choices:
        return []
    worth = np.concatenate([each.worth / (each.worth.mean() or 1) for each in choices])
    free = np.concatenate([_may_go(each) for each in choices])
    owner = np.repeat(np.arange(len(choices)), [each.size for each in choices])
    order = np.argsort(np.where(free, worth, np.inf), kind="stable")
    goes = order[: min(zeros_of(ratio, len(worth)), int(free.sum()))]
    counts = np.bincount(owner[goes], minlength=len(choices))
    return [each.gone(int(count)) for each, count in zip(choices, counts, strict=True)]


def _may_go(choice: Choice) -> NDArray[np.bool_]:
    """All free channels but the most important ones that a group keeps at least."""
    order = np.argsort(-choice.worth, kind="stable")
    free = choice.free.copy()
    free[order[: min(choice.multiple, choice.size)]] = False
    return free
