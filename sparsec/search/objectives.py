# SPDX-License-Identifier: Apache-2.0
"""What a search is for: figures to make better, and limits that every candidate must keep.

accuracy, cycles                 accuracy up, estimated cycles down
flash <= 200000, ram <= 64K      limits; `cycles <= 0.5x` is half of what the dense network takes
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

METRICS: Mapping[str, Literal["maximize", "minimize"]] = {
    "accuracy": "maximize",
    "cycles": "minimize",
    "flash": "minimize",
    "ram": "minimize",
    "macs": "minimize",
}
"""What is counted: a share of right answers, estimated cycles, bytes, bytes of the arena, multiplications."""

PRICES = tuple(name for name in METRICS if name != "accuracy")
"""What is known before any training."""

_LIMIT = re.compile(r"(\w+)\s*(<=|>=)\s*([0-9][0-9_,.]*(?:[eE][+-]?\d+)?)\s*(K|M|x)?")
_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}


@dataclass(frozen=True)
class Prices:
    """What the compiler says of a network: exact bytes of flash and of the arena, estimated cycles, and what is counted."""

    cycles: int
    instructions: int
    flash: int
    ram: int
    macs: int
    weights: int
    nonzeros: int

    def of(self, metric: str) -> float:
        """A price by its name."""
        if metric not in PRICES:
            raise ValueError(f"{metric} is no price, known: {', '.join(PRICES)}")
        return float(getattr(self, metric))


@dataclass(frozen=True)
class Limit:
    """`metric` is at most `value`, accuracy at least; `relative`: times what the dense network has."""

    metric: str
    value: float
    relative: bool = False

    @property
    def text(self) -> str:
        """As one writes it."""
        sign = ">=" if METRICS[self.metric] == "maximize" else "<="
        return f"{self.metric} {sign} {self.value:.12g}{'x' if self.relative else ''}"

    def excess(self, found: float, dense: float) -> float:
        """By how much `found` breaks it, as a share of the limit; 0 or less where it is kept."""
        bound = self.value * dense if self.relative else self.value
        apart = found - bound if METRICS[self.metric] == "minimize" else bound - found
        return apart / bound if bound else apart


@dataclass(frozen=True)
class Objectives:
    """`goals` are made better, the first one first in tables; `limits` are kept."""

    goals: tuple[str, ...]
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        if not self.goals:
            raise ValueError("a search needs a goal, e.g. accuracy")
        for name in self.goals:
            if name not in METRICS:
                raise ValueError(f"there is no goal '{name}', known: {', '.join(METRICS)}")
        if len(set(self.goals)) != len(self.goals):
            raise ValueError(f"a goal is given twice: {', '.join(self.goals)}")
        limited = [limit.metric for limit in self.limits]
        for name in limited:
            if limited.count(name) > 1:
                raise ValueError(f"{name} is limited twice: say the smaller limit alone")

    @property
    def directions(self) -> tuple[Literal["maximize", "minimize"], ...]:
        """Of the goals."""
        return tuple(METRICS[name] for name in self.goals)

    @property
    def text(self) -> str:
        """On one line."""
        return ", ".join([*self.goals, *(limit.text for limit in self.limits)])

    def broken(self, prices: Prices, dense: Prices) -> list[tuple[Limit, float]]:
        """The limits on prices that are broken, with their excess."""
        found = [
            (limit, limit.excess(prices.of(limit.metric), dense.of(limit.metric)))
            for limit in self.limits
            if limit.metric in PRICES
        ]
        return [(limit, excess) for limit, excess in found if excess > 0]

    def better(self, ours: Sequence[float], theirs: Sequence[float]) -> bool:
        """Whether `ours`, one value for each goal, is as good in all and better in one (Pareto dominance)."""
        signs = [1 if way == "maximize" else -1 for way in self.directions]
        apart = [sign * (a - b) for sign, a, b in zip(signs, ours, theirs, strict=True)]
        return all(each >= 0 for each in apart) and any(each > 0 for each in apart)

    def front(self, values: Sequence[Sequence[float]]) -> list[int]:
        """The indices of those that no other one dominates, in their order."""
        return [
            index
            for index, mine in enumerate(values)
            if not any(self.better(other, mine) for other in values)
        ]


def parse_objectives(goals: str, limits: Sequence[str] = ()) -> Objectives:
    """`goals` with commas between them, each limit as text. Raises ValueError where they say nothing known."""
    names = tuple(name for part in goals.split(",") if (name := part.strip()))
    return Objectives(names, tuple(parse_limit(each) for each in limits))


def parse_limit(text: str) -> Limit:
    """A limit as one writes it. Raises ValueError where it is none."""
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"'{text[:40]}' is no limit: write e.g. flash<=200000, ram<=64K or cycles<=0.5x"
        )
    metric, sign, number, unit = match[1], match[2], match[3], match[4] or ""
    if metric not in METRICS:
        raise ValueError(
            f"there is nothing called '{metric}' to limit, known: {', '.join(METRICS)}"
        )
    wanted = ">=" if METRICS[metric] == "maximize" else "<="
    if sign != wanted:
        raise ValueError(f"a limit of {metric} is written with {wanted}")
    try:
        value = float(number.replace("_", "").replace(",", ""))
    except ValueError:
        raise ValueError(f"'{number}' in '{text[:40]}' is no number") from None
    if metric == "accuracy" and (unit or value > 1):
        raise ValueError("accuracy is a share of right answers, e.g. accuracy>=0.85")
    relative = unit == "x"
    return Limit(metric, value if relative else value * _UNITS[unit], relative)
