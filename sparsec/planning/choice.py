# SPDX-License-Identifier: Apache-2.0
"""One option for each layer, so that together they are least: a multiple-choice knapsack.

The rule: exact. The whole front of bytes against time is built layer by layer; of two partial
choices that take the same bytes or more and the same time or more, only the better can be part of
an optimum (Nemhauser and Ullmann, 1969), so dropping the other loses nothing. Partial choices that
have stored other shared arrays are not compared.

Equal constants are stored once, so that the bytes of layers do not add up: partial choices are kept apart by the shared arrays
that they have stored already.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]
Place: TypeAlias = tuple[int, int]
"""A layer and one of its options."""

MAX_STATES = 256
"""Combinations of shared arrays, stored already and wanted by later layers, that are told apart."""


@dataclass(frozen=True)
class Option:
    """What a way to store and compute one layer takes: bytes of flash, and time in any one unit.

    `shared` names what options of other layers take too, whose bytes count once, and are not in `bytes`.
    """

    bytes: int
    time: int
    shared: frozenset[Hashable] = frozenset()


@dataclass(frozen=True)
class Choice:
    """The index of the option taken for each layer, and what they take together."""

    picks: tuple[int, ...]
    bytes: int
    time: int


class BudgetError(ValueError):
    """No choice fits the budget; `least` is what the smallest takes."""

    def __init__(self, budget: int, least: int):
        super().__init__(f"no choice fits {budget} bytes: the smallest takes {least}")
        self.budget = budget
        self.least = least


class Partial(NamedTuple):
    """Choices for the layers so far, by size: what they take, which option they take last, and which choice before it,
    as (state, row)."""

    sizes: Numbers
    times: Numbers
    options: Numbers
    states: Numbers
    rows: Numbers


def front(
    layers: Sequence[Sequence[Option]], shared: Mapping[Any, int] | None = None
) -> list[Choice]:
    """Every choice that no other beats in bytes and in time, from the smallest to the fastest.

    `shared` are the bytes of what options share. Of choices that take the same bytes and time one is kept, always the
    same. Exact but where so much is shared that there were more than MAX_STATES states: then the smallest arrays may
    count more than once, and bytes are never too few. Raises ValueError for a layer without options.
    """
    sets = _shared_sets(layers, shared or {})
    takers = [[frozenset[int]() for _ in options] for options in layers]
    for number, places in enumerate(sets):
        for layer, option in places:
            takers[layer][option] |= {number}
    last = [max(places)[0] for places in sets]
    sizes = list(sets.values())
    zero = np.zeros(1, np.int64)
    # By the sets that are stored already and that a later layer may want.
    states = {frozenset[int](): Partial(zero, zero, zero, zero, zero)}
    steps: list[list[Partial]] = []
    for index, options in enumerate(layers):
        if not options:
            raise ValueError(f"layer {index} has no option")
        found: defaultdict[frozenset[int], list[Partial]] = defaultdict(list)
        for number, (stored, before) in enumerate(states.items()):
            rows = np.arange(len(before.sizes))
            for pick, option in enumerate(options):
                wanted = takers[index][pick]
                bytes = option.bytes + sum(sizes[each] for each in wanted - stored)
                after = frozenset(each for each in stored | wanted if last[each] > index)
                found[after].append(
                    Partial(
                        *(before.sizes + bytes, before.times + option.time),
                        *(np.full_like(rows, pick), np.full_like(rows, number), rows),
                    )
                )
        few = _few(found, sizes)
        states = {after: _undominated(parts) for after, parts in few.items()}
        steps.append(list(states.values()))
    (whole,) = states.values()
    return [_choice(steps, whole, end) for end in range(len(whole.sizes))]


def _shared_sets(
    layers: Sequence[Sequence[Option]], shared: Mapping[Any, int]
) -> dict[frozenset[Place], int]:
    """The places of the options that take the same shared arrays, with the bytes of those."""
    takers: defaultdict[Any, set[Place]] = defaultdict(set)
    for layer, options in enumerate(layers):
        for pick, option in enumerate(options):
            for name in option.shared:
                takers[name].add((layer, pick))
    sets: Counter[frozenset[Place]] = Counter()
    for name, places in takers.items():
        sets[frozenset(places)] += shared[name]
    return sets


def _few(
    found: Mapping[frozenset[int], list[Partial]], sizes: Sequence[int]
) -> Mapping[frozenset[int], list[Partial]]:
    """`found`, in which as many of the smallest sets are forgotten as make it MAX_STATES or fewer."""
    open = frozenset[int]().union(*found)
    for forgotten in sorted(open, key=lambda each: (sizes[each], each)):
        if len(found) <= MAX_STATES:
            break
        fewer: defaultdict[frozenset[int], list[Partial]] = defaultdict(list)
        for stored, parts in found.items():
            fewer[stored - {forgotten}] += parts
        found = fewer
    return found


def _undominated(parts: Sequence[Partial]) -> Partial:
    """What no other beats, by size."""
    joined = Partial(*map(np.concatenate, zip(*parts, strict=True)))
    # Of equals the first of the first choice before it is kept.
    order = np.lexsort((joined.options, joined.rows, joined.states, joined.times, joined.sizes))
    ordered = joined.times[order]
    fastest_before = np.concatenate([[np.iinfo(np.int64).max], np.minimum.accumulate(ordered)[:-1]])
    kept = order[ordered < fastest_before]
    return Partial(*(numbers[kept] for numbers in joined))


def _choice(steps: Sequence[Sequence[Partial]], whole: Partial, end: int) -> Choice:
    picks: list[int] = []
    state, row = 0, end
    for step in reversed(steps):
        picks.append(int(step[state].options[row]))
        state, row = int(step[state].states[row]), int(step[state].rows[row])
    return Choice(tuple(reversed(picks)), int(whole.sizes[end]), int(whole.times[end]))


def fastest_within(choices: Sequence[Choice], budget: int | None) -> Choice:
    """The fastest choice of a front that takes at most `budget` bytes.

    Raises BudgetError if none does.
    """
    return _within(choices, budget)[-1]


def smallest(choices: Sequence[Choice], budget: int | None) -> Choice:
    """The choice of a front that takes the fewest bytes. Raises BudgetError."""
    return _within(choices, budget)[0]


def balanced(choices: Sequence[Choice], budget: int | None, reference: Choice) -> Choice:
    """The choice with the least sum of bytes and time, each as a share of `reference`'s.

    Raises BudgetError.
    """

    def share(choice: Choice) -> float:
        return choice.bytes / max(reference.bytes, 1) + choice.time / max(reference.time, 1)

    return min(_within(choices, budget), key=share)


def _within(choices: Sequence[Choice], budget: int | None) -> Sequence[Choice]:
    fitting = [choice for choice in choices if budget is None or choice.bytes <= budget]
    if not fitting:
        assert budget is not None
        raise BudgetError(budget, choices[0].bytes)
    return fitting
