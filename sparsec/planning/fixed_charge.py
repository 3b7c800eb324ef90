# SPDX-License-Identifier: Apache-2.0
"""One option for each layer at the least sum of costs, where what several options need is paid for once.

This is facility location without capacities (Cornuejols, Nemhauser and Wolsey, 1990), with options that need several
facilities: layers are the clients, the code of kernels and constants that layers share are the facilities.

The rule: exact. Branch and bound over what is paid for: a bound lets each layer that may use a thing pay an equal part of
it, which together is never more than its price. Costs are whole numbers, so nothing is rounded.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

MAX_NODES = 20_000
"""Of a search, which a hundred end: then what was found so far is returned, and may not be the cheapest."""


@dataclass(frozen=True)
class Priced:
    """A way to do a layer: its own cost, and what it needs besides, by name."""

    cost: int
    needs: frozenset[Hashable] = frozenset()


Set: TypeAlias = int
"""Things by the bits of a number."""

Options: TypeAlias = Sequence[tuple[int, Set, int]]
"""Of a layer: cost, needs and number."""


def cheapest(layers: Sequence[Sequence[Priced]], prices: Mapping[Any, int]) -> tuple[int, ...]:
    """The number of the option for each layer, of equals always the same. ValueError for a layer without options."""
    for index, options in enumerate(layers):
        if not options:
            raise ValueError(f"layer {index} has no option")
    things, prepared = _prepared(layers, prices)
    return _Search(things, prepared).run()


def _prepared(
    layers: Sequence[Sequence[Priced]], prices: Mapping[Any, int]
) -> tuple[list[int], list[Options]]:
    """The prices of things, and the options that may be part of the cheapest. What the same options need is one thing, and
    what one layer alone may need is part of their costs."""
    users: defaultdict[Any, list[tuple[int, int]]] = defaultdict(list)
    for layer, options in enumerate(layers):
        for number, option in enumerate(options):
            for name in option.needs:
                users[name].append((layer, number))
    costs = [[option.cost for option in options] for options in layers]
    needs = [[0 for _ in options] for options in layers]
    together: Counter[tuple[tuple[int, int], ...]] = Counter()
    for name, places in users.items():
        together[tuple(places)] += prices[name]
    things: list[int] = []
    for places, price in together.items():
        if len({layer for layer, _ in places}) == 1:
            for layer, number in places:
                costs[layer][number] += price
            continue
        for layer, number in places:
            needs[layer][number] |= 1 << len(things)
        things.append(price)
    prepared = [
        _undominated(sorted(zip(cost, need, range(len(cost)), strict=True)))
        for cost, need in zip(costs, needs, strict=True)
    ]
    return things, prepared


def _undominated(options: Options) -> Options:
    """Of options by cost those that need something that each cheaper one can do without."""
    kept: list[tuple[int, Set, int]] = []
    for option in options:
        if not any(needs & ~option[1] == 0 for _, needs, _ in kept):
            kept.append(option)
    return kept


def _members(things: Set) -> Iterator[int]:
    while things:
        lowest = things & -things
        yield lowest.bit_length() - 1
        things ^= lowest


class _Search:
    """`paid` are things that are paid for, `banned` those that no option may need any more."""

    def __init__(self, prices: Sequence[int], layers: Sequence[Options]):
        self.prices = prices
        self.layers = layers
        self.best: tuple[int, ...] = ()
        self.least: int | None = None
        self.nodes = 0

    def run(self) -> tuple[int, ...]:
        """The numbers of the cheapest options."""
        waiting = [(0, 0)]
        while waiting and self.nodes < MAX_NODES:
            self.nodes += 1
            waiting += self.branches(*waiting.pop())
        return self.best

    def price(self, things: Set) -> int:
        """Of all of them."""
        return sum(self.prices[each] for each in _members(things))

    def branches(self, paid: Set, banned: Set) -> list[tuple[Set, Set]]:
        """What is left to try below a node, the likelier last."""
        layers = [[o for o in options if not o[1] & banned] for options in self.layers]
        if not all(layers):
            return []
        layers = [useful(options, paid) for options in layers]
        if hopeless := self.hopeless(layers, paid):
            return [(paid, banned | hopeless)]
        users = Counter(
            thing
            for options in layers
            for thing in _members(_union(need for _, need, _ in options) & ~paid)
        )
        parts = {thing: self.prices[thing] // count for thing, count in users.items()}
        bound = self.price(paid)
        picks: list[tuple[int, Set, int]] = []
        payers: Counter[int] = Counter()
        for options in layers:
            part, pick = min(
                (cost + sum(parts[thing] for thing in _members(need & ~paid)), (cost, need, number))
                for cost, need, number in options
            )
            bound += part
            picks.append(pick)
            payers.update(_members(pick[1] & ~paid))
        if self.least is not None and bound >= self.least:
            return []
        used = paid | _union(need for _, need, _ in picks)
        total = self.price(used) + sum(cost for cost, _, _ in picks)
        if self.least is None or total < self.least:
            self.least, self.best = total, tuple(number for _, _, number in picks)
        if bound == total:
            return []
        gaps = {each: self.prices[each] - payers[each] * parts[each] for each in payers}
        thing = max(gaps, key=lambda each: (gaps[each], -each))
        without, with_it = (paid, banned | 1 << thing), (paid | 1 << thing, banned)
        return [without, with_it] if 2 * gaps[thing] <= self.prices[thing] else [with_it, without]

    def hopeless(self, layers: Sequence[Options], paid: Set) -> Set:
        """Things that save less than they cost: what each layer saves by one is most where nothing else is paid for, and
        what it needs besides is free."""
        savings: Counter[int] = Counter()
        for options in layers:
            alone = min((cost for cost, need, _ in options if not need & ~paid), default=None)
            least: dict[int, int] = {}
            for cost, need, _ in options:
                for thing in _members(need & ~paid):
                    least[thing] = min(cost, least.get(thing, cost))
            for thing, cost in least.items():
                # Without anything that is paid for, the layer may need it at any price.
                savings[thing] += self.prices[thing] + 1 if alone is None else max(0, alone - cost)
        return sum(1 << thing for thing, saved in savings.items() if saved <= self.prices[thing])


def useful(options: Options, paid: Set) -> Options:
    """The options that cost less than the cheapest of those for which all is paid, and that one."""
    alone = min((o for o in options if not o[1] & ~paid), default=None)
    if alone is None:
        return options
    return [alone, *(o for o in options if o[1] & ~paid and o[0] < alone[0])]


def _union(sets: Iterator[Set]) -> Set:
    found = 0
    for each in sets:
        found |= each
    return found
