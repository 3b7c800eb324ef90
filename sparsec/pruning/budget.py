# SPDX-License-Identifier: Apache-2.0
"""Which share of zeros each layer gets, so that all together cost no more than is allowed and lose as little as can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Option:
    """What a layer may become: what it costs then, and what it loses."""

    cost: int
    loss: float


def distribute(layers: Sequence[Sequence[Option]], limit: int) -> list[int]:
    """For each layer the index of the option to take, so that the costs are at most `limit`.

    By marginal gains: of all steps to a cheaper option the one that saves most per loss is taken next, along the lower
    convex hull of each layer (Everett 1963, "Generalized Lagrange Multiplier Method"), which no other choice of the same
    cost beats where a step ends; then each layer takes the option of least loss that the limit still leaves it.

    Raises ValueError where even the cheapest options cost more than `limit`; the message says how much.
    """
    least = sum(min(option.cost for option in options) for options in layers)
    if least > limit:
        raise ValueError(
            f"{limit:,} are allowed and the least that these patterns and ratios cost is {least:,}"
        )
    hulls = [_hull(options) for options in layers]
    taken = [hull[0] for hull in hulls]
    total = sum(options[index].cost for options, index in zip(layers, taken, strict=True))
    steps = sorted(
        (-_gain(layers[place], before, after), place, after)
        for place, hull in enumerate(hulls)
        for before, after in pairwise(hull)
    )
    for _, place, after in steps:
        if total <= limit:
            break
        total += layers[place][after].cost - layers[place][taken[place]].cost
        taken[place] = after
    _give_back(layers, taken, limit)
    return taken


def _gain(options: Sequence[Option], before: int, after: int) -> float:
    saved = options[before].cost - options[after].cost
    lost = options[after].loss - options[before].loss
    return saved / lost if lost > 0 else float("inf")


def _hull(options: Sequence[Option]) -> list[int]:
    """From the option of least loss to the cheapest those on the lower convex hull of loss over cost."""
    order = sorted(
        range(len(options)), key=lambda index: (options[index].loss, options[index].cost)
    )
    hull: list[int] = []
    for index in order:
        if hull and options[index].cost >= options[hull[-1]].cost:
            continue
        while len(hull) > 1 and _gain(options, hull[-1], index) >= _gain(
            options, hull[-2], hull[-1]
        ):
            hull.pop()
        hull.append(index)
    return hull


def _give_back(layers: Sequence[Sequence[Option]], taken: list[int], limit: int) -> None:
    """Let each layer lose less where the limit leaves room, those that gain most first, until nothing changes."""
    while True:
        total = sum(options[index].cost for options, index in zip(layers, taken, strict=True))
        better = [
            (options[index].loss - options[taken[place]].loss, place, index)
            for place, options in enumerate(layers)
            for index in range(len(options))
            if options[index].loss < options[taken[place]].loss
            and total - options[taken[place]].cost + options[index].cost <= limit
        ]
        if not better:
            return
        _, place, index = min(better)
        taken[place] = index
