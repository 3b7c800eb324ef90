"""How each layer stores its weights: chosen for all layers together, with the reason for each format.

The rule: exact for what is predicted. Under `latency` no layer is slower than dense where a dense one is left, under
`flash` no layer is larger, and a budget is kept or refused.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from xdsl.dialects.builtin import ModuleOp

from sparsec.analysis.candidates import Candidate, Constants
from sparsec.analysis.format_goal import Goal, objection
from sparsec.analysis.format_reasons import Judge, Verdict
from sparsec.analysis.layer_groups import Group, Way, groups_of, other_constants, respect_ram
from sparsec.ir import qnn
from sparsec.ir.layer import layer_of
from sparsec.planning import choice
from sparsec.planning.choice import BudgetError, Choice, Option
from sparsec.targets.cpu import Cpu


@dataclass(frozen=True)
class LayerChoice:
    """The verdicts on one layer."""

    op: qnn.WeightedOp
    name: str
    winner: Candidate
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Decision:
    """The layers with weights in their order, and the bytes of all constants of the network."""

    layers: tuple[LayerChoice, ...]
    flash: int


@dataclass(frozen=True)
class Point:
    """One choice of a front: bytes of all constants, cycles and instructions of the layers with weights, and the
    format of each of those as (layer, format)."""

    flash: int
    cycles: int
    instructions: int
    formats: tuple[tuple[str, str], ...]


class Problem:
    """A `qnn` module, what it may store its weights as, and what that costs on a core.

    Raises ValueError for a wish or a RAM budget that cannot be met.
    """

    def __init__(self, module: ModuleOp, cpu: Cpu, goal: Goal):
        self.cpu = cpu
        self.goal = goal
        found = groups_of(module, cpu, goal.recipe, goal.weights)
        if goal.ram is not None:
            respect_ram(found, goal.ram)
        self.groups = [group for group in found if group.ways]
        self.others = other_constants(module)
        self.positions = {op: place for place, op in enumerate(module.walk())}
        self.shared = self._shared()

    def _shared(self) -> Constants:
        """What several layers read if all are dense. It counts for the network, not for a layer, even where no layer
        reads it in the end: so what is counted is exact for dense weights and else never too little."""
        ways = [(group.dense or group.ways[0]).constants for group in self.groups]
        readers = Counter(key for constants in (self.others, *ways) for key in constants)
        return {k: size for constants in ways for k, size in constants.items() if readers[k] > 1}

    def own_bytes(self, way: Way) -> int:
        """Flash of what only these layers read."""
        common = self.shared.keys() | self.others.keys()
        return sum(size for key, size in way.constants.items() if key not in common)

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
        ways, found = self._within_budget()
        winners = [ways[i][pick] for i, pick in enumerate(found.picks[1:])]
        chosen = self.others | {k: v for way in winners for k, v in way.constants.items()}
        judge = Judge(self.goal, self.cpu.name, self.own_bytes)
        layers = {
            op: LayerChoice(
                op, layer_of(op), winner.candidates[i], judge.verdicts(group, winner, i)
            )
            for group, winner in zip(self.groups, winners, strict=True)
            for i, op in enumerate(group.ops)
        }
        order = sorted(layers, key=self.positions.__getitem__)
        return Decision(tuple(layers[op] for op in order), sum(chosen.values()))

    def _within_budget(self) -> tuple[list[list[Way]], Choice]:
        """The ways among which was chosen, and the choice. A budget is harder than the promise not to be slower than
        dense weights, which would not keep to it either: what is slower, and then what is not measured, may win only
        where nothing else is small enough."""
        least: BudgetError | None = None
        for allowed in (self._eligible, self._comparable, _all_ways):
            ways = [allowed(group) for group in self.groups]
            if self.goal.flash is None:
                ways = [[self._best(each)] for each in ways]
            try:
                return ways, self._choose(ways)
            except BudgetError as error:
                least = error
        assert least is not None
        raise ValueError(
            f"--flash allows {least.budget} bytes of constants and the smallest choice takes "
            f"{least.least}: prune the network further"
        )

    def _choose(self, ways: Sequence[Sequence[Way]]) -> Choice:
        found = self._front(ways)
        match self.goal.objective:
            case "latency":
                return choice.fastest_within(found, self.goal.flash)
            case "flash":
                return choice.smallest(found, self.goal.flash)
            case "balanced":
                return choice.balanced(found, self.goal.flash, self._dense_network)

    def _best(self, ways: Sequence[Way]) -> Way:
        """The best way for one group, which without a budget is part of the best choice: the fronts of networks of
        hundreds of layers are long."""
        dense = self._dense_network

        def rank(way: Way) -> tuple[float, float]:
            bytes, time = self.own_bytes(way), self._time(way, ways)
            match self.goal.objective:
                case "latency":
                    return time, bytes
                case "flash":
                    return bytes, time
                case "balanced":
                    return bytes / max(dense.bytes, 1) + time / max(dense.time, 1), bytes

        return min(ways, key=rank)

    @cached_property
    def _dense_network(self) -> Choice:
        """What dense weights take, where they are left."""
        dense = [group.dense or group.ways[0] for group in self.groups]
        (reference,) = self._front([[way] for way in dense])
        return reference

    def _front(self, ways: Sequence[Sequence[Way]]) -> list[Choice]:
        """Picks count from 1: the first are the constants of the network as a whole."""
        fixed = sum((self.shared | self.others).values())
        options = [
            [Option(self.own_bytes(way), self._time(way, each)) for way in each] for each in ways
        ]
        return choice.front([[Option(fixed, 0)], *options])

    def _time(self, way: Way, others: Sequence[Way]) -> int:
        """Cycles; what is not known counts as more than what is."""
        return way.cycles if way.measured else 2 * max(other.cycles for other in others)

    def _point(self, ways: Sequence[Sequence[Way]], found: Choice) -> Point:
        winners = [ways[i][pick] for i, pick in enumerate(found.picks[1:])]
        formats = {
            op: (layer_of(op), way.label)
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
