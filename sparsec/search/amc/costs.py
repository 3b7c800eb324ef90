# SPDX-License-Identifier: Apache-2.0
"""What a network costs at the levels of a walk: MACs, which are counted, or what the compiler says.

The one rule: what the compiler says of a network is known of whole networks alone. On the way it is estimated, from
networks with one step taken; a candidate that exceeds its target in the end loses more until it does not.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Protocol as Interface

from torch import nn

from sparsec.search.amc.walks import Walk
from sparsec.search.objectives import Prices

POINTS = 4
"""Networks that are compiled for each step, to tell what it saves."""

HALVINGS = 6
"""Of the way from what was wanted to the most that can go."""


class Costs(Interface):
    """Of the networks of a walk."""

    metric: str

    @property
    def whole(self) -> float:
        """Of the dense network."""
        ...

    def step(self, index: int) -> float:
        """Of the layers of a step, as they are."""
        ...

    def expected(self, levels: Sequence[int]) -> float:
        """At these levels, -1 where nothing was decided; never less at a higher level."""
        ...

    def settled(self, levels: Sequence[int], most: float | None) -> tuple[tuple[int, ...], float]:
        """These levels, or, where they exceed `most`, higher ones that do not; and the exact cost."""
        ...


class MacCosts:
    """MACs, exact all the way."""

    metric = "macs"

    def __init__(self, walk: Walk) -> None:
        self._walk = walk

    @property
    def whole(self) -> float:
        """Of the dense network."""
        return self._walk.macs([-1] * len(self._walk.steps))

    def step(self, index: int) -> float:
        """Of the layers of a step, as they are."""
        return self._walk.steps[index].facts.macs

    def expected(self, levels: Sequence[int]) -> float:
        """At these levels."""
        return self._walk.macs(levels)

    def settled(self, levels: Sequence[int], most: float | None) -> tuple[tuple[int, ...], float]:
        """As they are: who keeps to what is expected keeps to what comes."""
        return tuple(levels), self._walk.macs(levels)


class CompiledCosts:
    """Cycles, or bytes of flash or of the arena, as the compiler has them."""

    def __init__(self, walk: Walk, prices: Callable[[nn.Module], Prices], metric: str) -> None:
        self.metric = metric
        self._walk, self._prices = walk, prices
        self._known: dict[tuple[int, ...], float] = {}

    def exact(self, levels: Sequence[int]) -> float:
        """What the compiler says. Raises ValueError where it cannot compile the network."""
        key = tuple(levels)
        if key not in self._known:
            self._known[key] = self._prices(self._walk.made(key)).of(self.metric)
        return self._known[key]

    @property
    def whole(self) -> float:
        """Of the dense network."""
        return self.exact([-1] * len(self._walk.steps))

    @cached_property
    def _savings(self) -> list[list[float]]:
        """By step what each of its levels saves, a line between those that were compiled, and never less at a higher one."""
        found: list[list[float]] = []
        for index, step in enumerate(self._walk.steps):
            top = len(step.shares) - 1
            points = sorted({round(top * part / POINTS) for part in range(POINTS + 1)})
            best, saved = 0.0, [(-1, 0.0)]
            for level in points:
                levels = [-1] * len(self._walk.steps)
                levels[index] = level
                best = max(best, self.whole - self.exact(levels))
                saved.append((level, best))
            found.append([_between(saved, level) for level in range(top + 1)])
        return found

    def step(self, index: int) -> float:
        """What the layers of a step can save at most, as if all of them could go."""
        step = self._walk.steps[index]
        return self._savings[index][-1] / step.ratios[-1] if step.ratios[-1] else 0.0

    def expected(self, levels: Sequence[int]) -> float:
        """At these levels, as if what each step saves were saved beside all others."""
        saved = sum(self._savings[index][level] for index, level in enumerate(levels) if level >= 0)
        return self.whole - saved

    def settled(self, levels: Sequence[int], most: float | None) -> tuple[tuple[int, ...], float]:
        """What goes is raised, by the same part of what is left in each step, until the compiler's cost fits; all that can
        go does at last."""
        found, cost = tuple(levels), self.exact(levels)
        if most is None or cost <= most:
            return found, cost
        low, high = 0.0, 1.0
        found = self._walk.highest
        for _ in range(HALVINGS):
            part = (low + high) / 2
            tried = tuple(
                level + round(part * (top - level))
                for level, top in zip(levels, self._walk.highest, strict=True)
            )
            if self.exact(tried) <= most:
                found, high = tried, part
            else:
                low = part
        return found, self.exact(found)


def _between(points: Sequence[tuple[int, float]], level: int) -> float:
    for (left, lower), (right, upper) in pairwise(points):
        if left <= level <= right:
            return lower + (upper - lower) * (level - left) / (right - left)
    return points[-1][1]
