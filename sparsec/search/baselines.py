# SPDX-License-Identifier: Apache-2.0
"""Candidates without a sampler: the same share of zeros everywhere, and by what each layer loses for what it saves.

They are what engines are compared with, and where studies begin.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sparsec.compress.norm_statistics import measure_norms
from sparsec.compress.training import accuracy_of
from sparsec.pruning.budget import Option, distribute
from sparsec.pruning.patterns import NOfM, Pattern
from sparsec.pruning.plan import Share
from sparsec.search.objectives import PRICES, Objectives, Prices
from sparsec.search.space import Candidate, Choice, Space
from sparsec.search.subject import Subject

RATIOS = (0.5, 0.75, 0.9)
"""At which a layer is looked at."""
KEPT = (0.75, 0.5, 0.35)
"""What is left of a price in greedy candidates where no limit says it."""
CORRECTIONS = 4
"""How often a candidate is made again as the sum of what its layers save was too hopeful."""


def uniform(space: Space, ratios: Sequence[float] = RATIOS) -> list[Candidate]:
    """For each pattern and ratio the candidate that has them in all layers that may; others take their first pattern."""
    patterns = dict.fromkeys(
        pattern for choice in space.layers.values() for pattern in choice.patterns if pattern
    )
    found = [
        Candidate(
            {
                name: _share(
                    choice, pattern if pattern in choice.patterns else choice.patterns[0], ratio
                )
                for name, choice in space.layers.items()
                if pattern in choice.patterns or choice.patterns[0] is not None
            },
            _settings(space),
        )
        for ratio in ratios
        for pattern in patterns
    ]
    return list({each.text: each for each in found}.values())


def _share(choice: Choice, pattern: Pattern | None, ratio: float) -> Share:
    assert pattern is not None
    if isinstance(pattern, NOfM):
        return Share(pattern, pattern.ratio)
    return Share(pattern, min(max(ratio, choice.low), choice.high))


def _settings(space: Space) -> dict[str, str]:
    """The first of each, as networks have them by default."""
    return {name: values[0] for name, values in space.settings.items()}


@dataclass(frozen=True)
class Look:
    """One layer alone with a share of zeros, None as it is: what the network costs then and loses, not trained but for the
    statistics of its batch norms."""

    share: Share | None
    prices: Prices
    lost: float


def look(
    subject: Subject,
    space: Space,
    ratios: Sequence[float] = RATIOS,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Look]]:
    """For each layer all that it may become, alone. What cannot be made or compiled is left out."""
    dense = accuracy_of(subject.model, subject.test)
    found: dict[str, list[Look]] = {}
    for name, choice in space.layers.items():
        found[name] = (
            [Look(None, subject.dense, 0.0)] if None in choice.patterns or choice.low == 0 else []
        )
        shares = [
            _share(choice, pattern, ratio)
            for pattern in choice.patterns
            if pattern is not None
            for ratio in ratios
        ]
        for share in dict.fromkeys(shares):
            progress(f"{name}: {share.text}")
            candidate = Candidate({name: share}, _settings(space))
            try:
                model, prices = subject.made(candidate), subject.prices(candidate)
            except ValueError:
                continue
            measure_norms(model, subject.inputs)
            lost = max(dense - accuracy_of(model, subject.test), 0.0)
            found[name].append(Look(share, prices, lost))
    return {name: looks for name, looks in found.items() if looks}


def greedy(
    subject: Subject,
    space: Space,
    objectives: Objectives,
    looks: dict[str, list[Look]],
    kept: Sequence[float] = KEPT,
) -> list[Candidate]:
    """Candidates of which each layer's loss for what it saves is balanced: within the limits on prices, and at `kept` of the
    first price that is a goal, cycles where none is."""
    limits = [limit for limit in objectives.limits if limit.metric in PRICES]
    wanted = [
        (
            limit.metric,
            limit.value * subject.dense.of(limit.metric) if limit.relative else limit.value,
        )
        for limit in limits
    ]
    metric = next((goal for goal in objectives.goals if goal in PRICES), "cycles")
    wanted += [(metric, share * subject.dense.of(metric)) for share in kept]
    found: dict[str, Candidate] = {}
    for name, bound in wanted:
        candidate = _balanced(subject, space, looks, name, bound)
        if candidate is not None:
            found.setdefault(candidate.text, candidate)
    return list(found.values())


def _balanced(
    subject: Subject, space: Space, looks: dict[str, list[Look]], metric: str, bound: float
) -> Candidate | None:
    """The candidate of at most `bound`; None where the looks have none."""
    dense, target = subject.dense.of(metric), bound
    options = [
        [Option(round(each.prices.of(metric) - dense), each.lost) for each in of_layer]
        for of_layer in looks.values()
    ]
    for _ in range(CORRECTIONS):
        try:
            taken = distribute(options, round(target - dense))
        except ValueError:
            return None
        shares = {
            name: share
            for (name, of_layer), index in zip(looks.items(), taken, strict=True)
            if (share := of_layer[index].share) is not None
        }
        candidate = _within(space, shares)
        try:
            apart = subject.prices(candidate).of(metric) - bound
        except ValueError:
            return None
        if apart <= 0:
            return candidate
        target -= apart
    return None


def _within(space: Space, shares: dict[str, Share]) -> Candidate:
    """As the space has it: a layer that stays as it is and may not be called dense has a share of nothing."""
    every: dict[str, Share] = {}
    for name, choice in space.layers.items():
        if name in shares:
            every[name] = shares[name]
        elif None not in choice.patterns:
            first = next(each for each in choice.patterns if each is not None)
            every[name] = _share(choice, first, 0.0)
    return Candidate(every, _settings(space))


def cheapest(subject: Subject, space: Space, metric: str) -> Candidate:
    """The corner of the space where `metric` is least, each layer by itself: most zeros, in the pattern that is cheapest."""
    settings = _settings(space)
    if "width" in space.settings:
        settings["width"] = min(space.settings["width"], key=float)
    shares: dict[str, Share] = {}
    for name, choice in space.layers.items():
        best: tuple[float, Share | None] | None = None
        for pattern in choice.patterns:
            share = None if pattern is None else _share(choice, pattern, choice.high)
            alone = Candidate({} if share is None else {name: share}, settings)
            try:
                price = subject.prices(alone).of(metric)
            except ValueError:
                continue
            if best is None or price < best[0]:
                best = price, share
        if best is not None and best[1] is not None:
            shares[name] = best[1]
    return Candidate(shares, settings)


def check_feasible(subject: Subject, space: Space, objectives: Objectives) -> None:
    """ValueError, with the smallest value that would do, where no candidate of the space keeps a limit on a price."""
    bounds = [limit for limit in objectives.limits if limit.metric in PRICES]
    quick = Candidate(
        {
            name: _share(choice, pattern, choice.high)
            for name, choice in space.layers.items()
            if (pattern := next((each for each in choice.patterns if each is not None), None))
        },
        _settings(space),
    )
    for limit in bounds:
        dense = subject.dense.of(limit.metric)
        if limit.excess(dense, dense) <= 0:
            continue
        least = _price(subject, quick, limit.metric)
        if limit.excess(least, dense) > 0:
            careful = cheapest(subject, space, limit.metric)
            least = min(least, _price(subject, careful, limit.metric))
        if limit.excess(least, dense) > 0:
            unit = f" ({least / dense:.3f}x)" if limit.relative else ""
            raise ValueError(
                f"no candidate of the space keeps {limit.text}: the smallest {limit.metric} in it is {least:,.0f}{unit}, "
                "so allow that or let more go"
            )


def _price(subject: Subject, candidate: Candidate, metric: str) -> float:
    """Infinite where it cannot be had."""
    try:
        return subject.prices(candidate).of(metric)
    except ValueError:
        return float("inf")
