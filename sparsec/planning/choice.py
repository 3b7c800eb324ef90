# SPDX-License-Identifier: Apache-2.0
"""One option for each layer, so that together they are least: a multiple-choice knapsack.

The rule: exact. The whole front of bytes against time is built layer by layer; of two partial
choices that take the same bytes or more and the same time or more, only the better can be part of
an optimum (Nemhauser and Ullmann, 1969), so dropping the other loses nothing.

Equal constants and the code of a kernel are stored once, so that the bytes of layers do not add up: partial choices are
kept apart by what they have stored already of what layers share. One can still beat another that has stored more, if it does so
with all bytes of what it lacks. Layers that may share the same come one behind the other, so that little is kept apart
at a time.
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

MAX_STATES = 1024
"""Combinations of what is shared, stored already and wanted by later layers, that are told apart."""

RIVALS = 8
"""States at either end, smallest and fastest, that the others are compared with: more find little more."""


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
    order = sorted(
        range(len(layers)), key=lambda layer: sorted(frozenset[int]().union(*takers[layer]))
    )
    last = [max(map(order.index, {layer for layer, _ in places})) for places in sets]
    sizes = list(sets.values())
    zero = np.zeros(1, np.int64)
    # By the sets that are stored already and that a later layer may want.
    states = {frozenset[int](): Partial(zero, zero, zero, zero, zero)}
    steps: list[list[Partial]] = []
    for time, index in enumerate(order):
        options = layers[index]
        if not options:
            raise ValueError(f"layer {index} has no option")
        found: defaultdict[frozenset[int], list[Partial]] = defaultdict(list)
        for number, (stored, before) in enumerate(states.items()):
            rows = np.arange(len(before.sizes))
            for pick, option in enumerate(options):
                wanted = takers[index][pick]
                bytes = option.bytes + sum(sizes[each] for each in wanted - stored)
                after = frozenset(each for each in stored | wanted if last[each] > time)
                found[after].append(
                    Partial(
                        *(before.sizes + bytes, before.times + option.time),
                        *(np.full_like(rows, pick), np.full_like(rows, number), rows),
                    )
                )
        states = _unbeaten({after: _undominated(parts) for after, parts in found.items()}, sizes)
        if len(states) > MAX_STATES:
            few = _few({after: [part] for after, part in states.items()}, sizes)
            states = {after: _undominated(parts) for after, parts in few.items()}
        steps.append(list(states.values()))
    (whole,) = states.values()
    return [_choice(steps, whole, end, order) for end in range(len(whole.sizes))]


def _unbeaten(
    states: Mapping[frozenset[int], Partial], sizes: Sequence[int]
) -> Mapping[frozenset[int], Partial]:
    """`states` without the choices that one of another state beats, even with the bytes of all sets that it has not stored
    and they have."""
    if len(states) == 1:
        return states
    parts = list(states.values())
    stored = np.array([[each in state for each in range(len(sizes))] for state in states], np.int64)
    paid = stored * np.array(sizes, np.int64)
    owners = np.repeat(np.arange(len(parts)), [len(part.sizes) for part in parts])
    bytes, times = (np.concatenate([part[field] for part in parts]) for field in (0, 1))
    beaten = np.zeros(len(owners), bool)
    for rival in _rivals(parts):
        lacks = paid.sum(axis=1) - paid @ stored[rival]
        # Times fall from row to row: of the rows that are as fast the first is the smallest.
        own = parts[rival]
        first = np.searchsorted(-own.times, -times)
        able = (first < len(own.times)) & (owners != rival)
        best = own.sizes[np.minimum(first, len(own.sizes) - 1)]
        beaten |= able & (best + lacks[owners] <= bytes)
    ends = np.cumsum([len(part.sizes) for part in parts])[:-1]
    left = {
        state: Partial(*(numbers[kept] for numbers in part))
        for (state, part), kept in zip(states.items(), np.split(~beaten, ends), strict=True)
    }
    return {state: part for state, part in left.items() if len(part.sizes)}


def _rivals(parts: Sequence[Partial]) -> list[int]:
    """The states that are likely to beat others."""
    numbers = range(len(parts))
    smallest = sorted(numbers, key=lambda n: (parts[n].sizes[0], n))[:RIVALS]
    fastest = sorted(numbers, key=lambda n: (parts[n].times[-1], parts[n].sizes[-1], n))[:RIVALS]
    return sorted({*smallest, *fastest})


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
        if shared[name]:
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


def _choice(
    steps: Sequence[Sequence[Partial]], whole: Partial, end: int, order: Sequence[int]
) -> Choice:
    picks: dict[int, int] = {}
    state, row = 0, end
    for layer, step in zip(reversed(order), reversed(steps), strict=True):
        picks[layer] = int(step[state].options[row])
        state, row = int(step[state].states[row]), int(step[state].rows[row])
    taken = tuple(picks[layer] for layer in range(len(order)))
    return Choice(taken, int(whole.sizes[end]), int(whole.times[end]))
