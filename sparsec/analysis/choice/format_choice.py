# SPDX-License-Identifier: Apache-2.0
"""How each layer stores its weights: chosen for all layers together, with the reason for each format.

The rule: exact for what is predicted. Under `latency` no layer is slower than dense where a dense one is left, under
`flash` no layer is larger, and a budget is kept or refused.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from xdsl.dialects.builtin import ModuleOp

from sparsec.analysis.choice.candidates import Candidate, Constants, bytes_of
from sparsec.analysis.choice.format_goal import Goal, cannot_win, objection
from sparsec.analysis.choice.format_reasons import Judge, Verdict
from sparsec.analysis.choice.layer_groups import (
    Group,
    Way,
    groups_of,
    has_scratch_limit,
    other_constants,
    respect_ram,
    respect_scratch_limits,
)
from sparsec.ir import qnn
from sparsec.ir.layer import layer_of
from sparsec.kernels.layer import Layer
from sparsec.kernels.way import Way as KernelWay
from sparsec.planning import choice
from sparsec.planning.choice import BudgetError, Choice, Option
from sparsec.targets.cpu import Cpu


@dataclass(frozen=True)
class LayerChoice:
    """What won for a layer, and the verdicts on all ways, which are found when they are asked for."""

    op: qnn.WeightedOp
    name: str
    winner: Candidate
    judged: Callable[[], tuple[Verdict, ...]] = field(repr=False, compare=False)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What was left, then what was refused."""
        return self.judged()


@dataclass(frozen=True)
class Decision:
    """The layers with weights in their order; `others` are the constants that no layer with weights reads."""

    layers: tuple[LayerChoice, ...]
    others: Constants

    @cached_property
    def flash(self) -> int:
        """Bytes of all constants of the network: equal arrays are stored once."""
        return bytes_of([self.others, *(layer.winner.constants for layer in self.layers)])


@dataclass(frozen=True)
class Point:
    """One choice of a front: bytes of all constants, cycles and instructions of the layers with weights, and the
    format of each of those as (layer, format), as recipes write it."""

    flash: int
    cycles: int
    instructions: int
    formats: tuple[tuple[str, str], ...]


class Problem:
    """A `qnn` module, what it may store its weights as, and what that costs on a core.

    Raises ValueError for a wish or a RAM budget that cannot be met.
    """

    def __init__(self, module: ModuleOp, cpu: Cpu, goal: Goal, explained: bool = True):
        """Only with `explained` are there verdicts on ways that cannot win."""
        self.cpu = cpu
        self.goal = goal
        unlimited = goal.flash is goal.ram is None and not has_scratch_limit(module)
        in_a_hurry = unlimited and not explained and goal.objective == "latency"
        left_out = self._cannot_win if in_a_hurry else None
        found = groups_of(module, cpu, goal.recipe, goal.weights, left_out)
        respect_scratch_limits(found)
        if goal.ram is not None:
            respect_ram(found, goal.ram)
        if goal.objective == "ram":
            respect_ram(found, None)
            # What is left needs no more than it must: of that the fastest.
            self.goal = replace(goal, objective="latency")
        self.groups = [group for group in found if group.ways]
        self.others = other_constants(module)
        self.positions = {op: place for place, op in enumerate(module.walk())}

    def _cannot_win(self, group: Group, layer: Layer, way: KernelWay) -> bool:
        return cannot_win(self.goal, group, layer, way, self.cpu)

    @cached_property
    def shared(self) -> Constants:
        """What several groups read in one way or another, but for what is stored in any case."""
        reads = [
            {k: v for way in group.ways for k, v in way.constants.items()} for group in self.groups
        ]
        readers = Counter(key for constants in reads for key in constants)
        return {
            key: size
            for constants in reads
            for key, size in constants.items()
            if readers[key] > 1 and key not in self.others
        }

    def front(self) -> list[Point]:
        """Every choice that none beats in flash and cycles, from the smallest to the fastest; what cannot be compared
        and what a budget forbids is left out."""
        ways = [self._comparable(group) for group in self.groups]
        limit = self.goal.flash
        return [
            self._point(ways, found)
            for found in self._front(ways)
            if limit is None or found.bytes <= limit
        ]

    def decide(self) -> Decision:
        """The choice for the goal. Raises ValueError where no choice keeps to the budget of flash."""
        winners = self._winners()
        layers: list[LayerChoice] = []
        for group, winner in zip(self.groups, winners, strict=True):
            for index, op in enumerate(group.ops):
                judged = partial(self._verdicts, winners, group, winner, index)
                layers.append(LayerChoice(op, layer_of(op), winner.candidates[index], judged))
        layers.sort(key=lambda layer: self.positions[layer.op])
        return Decision(tuple(layers), self.others)

    def _verdicts(
        self, winners: Sequence[Way], group: Group, winner: Way, index: int
    ) -> tuple[Verdict, ...]:
        elsewhere = [way.constants for way in winners if way is not winner]
        stored = self.others.keys() | {key for constants in elsewhere for key in constants}

        def own_bytes(way: Way) -> int:
            return sum(size for key, size in way.constants.items() if key not in stored)

        return Judge(self.goal, self.cpu.name, own_bytes).verdicts(group, winner, index)

    def _winners(self) -> list[Way]:
        """The way of each group. A budget is harder than the promise not to be slower than dense weights, which would
        not keep to it either: what is slower, and then what is not measured, may win only where nothing else is small
        enough."""
        if self.goal.flash is None:
            return self._unlimited([self._eligible(group) for group in self.groups])
        least: BudgetError | None = None
        for allowed in (self._eligible, self._comparable, _all_ways):
            try:
                return self._choose([allowed(group) for group in self.groups])
            except BudgetError as error:
                least = error
        assert least is not None
        raise ValueError(
            f"--flash allows {least.budget} bytes of constants and the smallest choice takes "
            f"{least.least}: prune the network further"
        )

    def _unlimited(self, ways: Sequence[Sequence[Way]]) -> list[Way]:
        """Without a budget the best way of a group that shares nothing is part of the best choice: the fronts of
        networks of hundreds of layers are long."""
        if self.goal.objective == "latency":
            return [self._fastest(each) for each in ways]
        return self._choose(
            [
                each if any(self._shared_by(way) for way in each) else [self._best(each)]
                for each in ways
            ]
        )

    def _choose(self, ways: Sequence[Sequence[Way]]) -> list[Way]:
        found = self._front(ways)
        match self.goal.objective:
            case "latency" | "ram":
                chosen = choice.fastest_within(found, self.goal.flash)
            case "flash":
                chosen = choice.smallest(found, self.goal.flash)
            case "balanced":
                chosen = choice.balanced(found, self.goal.flash, self._dense_network)
        return self._picked(ways, chosen)

    def _picked(self, ways: Sequence[Sequence[Way]], chosen: Choice) -> list[Way]:
        return [each[pick] for each, pick in zip(ways, chosen.picks[1:], strict=True)]

    def _fastest(self, ways: Sequence[Way]) -> Way:
        """The way with the fewest cycles, of equals the smallest."""
        least = min(self._time(way, ways) for way in ways)
        equals = [way for way in ways if self._time(way, ways) == least]
        return min(equals, key=self._bytes) if len(equals) > 1 else equals[0]

    def _best(self, ways: Sequence[Way]) -> Way:
        """The best way for a group that shares nothing, for another objective than `latency`."""
        dense = self._dense_network

        def rank(way: Way) -> tuple[float, float]:
            bytes, time = self._bytes(way), self._time(way, ways)
            if self.goal.objective == "flash":
                return bytes, time
            return bytes / max(dense.bytes, 1) + time / max(dense.time, 1), bytes

        return min(ways, key=rank)

    @cached_property
    def _dense_network(self) -> Choice:
        """What dense weights take, where they are left."""
        dense = [group.dense or group.ways[0] for group in self.groups]
        (reference,) = self._front([[way] for way in dense])
        return reference

    def _front(self, ways: Sequence[Sequence[Way]]) -> list[Choice]:
        """Picks count from 1: the first are the constants that are stored in any case."""
        options = [
            [
                Option(self._bytes(way, self.shared), self._time(way, each), self._shared_by(way))
                for way in each
            ]
            for each in ways
        ]
        fixed = Option(sum(self.others.values()), 0)
        return choice.front([[fixed], *options], self.shared)

    def _bytes(self, way: Way, without: Constants | None = None) -> int:
        """Flash of what is not stored in any case, and not in `without`."""
        known = self.others.keys() | (without or {}).keys()
        return sum(size for key, size in way.constants.items() if key not in known)

    def _shared_by(self, way: Way) -> frozenset[bytes]:
        return frozenset(way.constants.keys() & self.shared.keys())

    def _time(self, way: Way, others: Sequence[Way]) -> int:
        """Cycles; what is not known counts as more than what is."""
        return way.cycles if way.measured else 2 * max(other.cycles for other in others)

    def _point(self, ways: Sequence[Sequence[Way]], found: Choice) -> Point:
        winners = self._picked(ways, found)
        formats = {
            op: (layer_of(op), group.told_apart(way))
            for group, way in zip(self.groups, winners, strict=True)
            for op in group.ops
        }
        order = sorted(formats, key=self.positions.__getitem__)
        instructions = sum(way.instructions for way in winners)
        return Point(found.bytes, found.time, instructions, tuple(formats[op] for op in order))

    def _comparable(self, group: Group) -> list[Way]:
        """The ways whose cost is known, or the first."""
        return [way for way in group.ways if way.measured] or group.ways[:1]

    def _eligible(self, group: Group) -> list[Way]:
        """The ways that may win, budgets apart; never none."""
        return [
            way for way in group.ways if not objection(self.goal, group, way, self.cpu.name)
        ] or group.ways[:1]


def _all_ways(group: Group) -> list[Way]:
    return group.ways
