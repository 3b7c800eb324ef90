# SPDX-License-Identifier: Apache-2.0
"""How each layer stores its weights: chosen for all layers together, with the reason for each format.

The rule: exact for what is predicted. Under `latency` no layer is slower than if all weights were dense, where dense ones
are left, under `flash` no network is larger than any other choice for it, code included, and a budget is kept or refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial

from xdsl.dialects.builtin import ModuleOp

from sparsec.analysis.choice.candidates import Candidate, Constants, bytes_of
from sparsec.analysis.choice.format_goal import (
    LITTLE_RAM,
    RAM_GAIN,
    Goal,
    Price,
    Rivals,
    cannot_win,
    objection,
    price,
)
from sparsec.analysis.choice.format_reasons import Judge, Verdict
from sparsec.analysis.choice.layer_groups import (
    Group,
    Known,
    Needs,
    Way,
    groups_of,
    has_scratch_limit,
    other_constants,
    respect_ram,
    respect_scratch_limits,
)
from sparsec.analysis.choice.network_code import NetworkCode
from sparsec.analysis.choice.never_decoded import never_decoded
from sparsec.analysis.choice.totals import Totals, Ways
from sparsec.ir import qnn
from sparsec.ir.layer import layer_of
from sparsec.kernels.layer import Layer
from sparsec.kernels.way import Way as KernelWay
from sparsec.planning.choice import Choice
from sparsec.recipe.recipe import DENSE
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
    """The layers with weights in their order; `others` are the constants that no layer with weights reads, `network` is
    the code of those without."""

    layers: tuple[LayerChoice, ...]
    others: Constants
    network: NetworkCode

    @cached_property
    def constants(self) -> int:
        """Bytes of all constants of the network: equal arrays are stored once."""
        return bytes_of([self.others, *(layer.winner.constants for layer in self.layers)])

    @property
    def code(self) -> int:
        """Bytes of all code, as far as it is chosen here."""
        return self.network.bytes([call for layer in self.layers for call in layer.winner.calls])

    @property
    def flash(self) -> int:
        """Bytes of the network."""
        return self.constants + self.code

    @property
    def cycles(self) -> int:
        """Estimated, of the layers with weights whose cost is known."""
        costs = (layer.winner.cost for layer in self.layers)
        return sum(cost.cycles for cost in costs if cost is not None)


@dataclass(frozen=True)
class Smaller:
    """What another choice takes than the one that was made: the bytes of flash that it saves, and that dense weights would
    save; the cycles of the layers with weights, and as many of the one that was made."""

    saved: int
    dense_saves: int
    cycles: int
    chosen_cycles: int


@dataclass(frozen=True)
class Point:
    """One choice of a front: bytes of all constants and code, cycles and instructions of the layers with weights, and
    the format of each of those as (layer, format), as recipes write it."""

    flash: int
    cycles: int
    instructions: int
    formats: tuple[tuple[str, str], ...]


class Problem:
    """A `qnn` module, what it may store its weights as, and what that costs on a core.

    Raises ValueError for a wish or a RAM budget that cannot be met.
    """

    def __init__(
        self,
        module: ModuleOp,
        cpu: Cpu,
        goal: Goal,
        explained: bool = True,
        price: Price | None = None,
        known: Known | None = None,
    ):
        """Only with `explained` are there verdicts on ways that cannot win. `price` is that of the objective, if it is
        known already, `known` what is of the module."""
        self.module = module
        self.cpu = cpu
        self.goal = goal
        self._price_known = price
        self._least_ram = False
        self._known = known = Known() if known is None else known
        self._memories = known.memories
        self._rivals: dict[Group, Rivals] = {}
        unlimited = goal.flash is goal.ram is None and not has_scratch_limit(module)
        in_a_hurry = goal.objective == "latency" or price is not None
        left_out = self._cannot_win if unlimited and not explained and in_a_hurry else None
        groups = partial(
            groups_of, module, cpu, goal.recipe, goal.weights, layer=known.layers.__getitem__
        )
        complete: dict[qnn.WeightedOp, Group] = {}
        if left_out is not None and price is not None:
            few = groups(self._decodes_or_cannot_win)
            never = never_decoded(few, other_constants(module), price, known, cpu)
            complete = {group.ops[0]: group for group in few if group.ops[0] in never}
        found = groups(left_out, complete)
        respect_scratch_limits(found)
        if goal.ram is not None:
            respect_ram(found, goal.ram)
        if goal.objective == "ram":
            respect_ram(found, None)
            self._least_ram = True
            # What is left needs no more than it must: of that what latency takes.
            self.goal = replace(goal, objective="latency")
        self.groups = [group for group in found if group.ways]
        self.totals = Totals(module, cpu, self.groups)
        self.positions = {op: place for place, op in enumerate(module.walk())}

    def _decodes_or_cannot_win(self, group: Group, layer: Layer, way: KernelWay) -> bool:
        return way.decoder is not None or self._cannot_win(group, layer, way)

    def _cannot_win(self, group: Group, layer: Layer, way: KernelWay) -> bool:
        if self.goal.objective == "latency":
            return cannot_win(self.goal, group, layer, way, self.cpu)
        assert self._price_known is not None
        if group not in self._rivals:
            memory = self._memories[group]
            self._rivals[group] = Rivals(self._price_known, memory, group, layer, self.cpu)
        return self._rivals[group].beat(way)

    def front(self) -> list[Point]:
        """Every choice that none beats in flash and cycles, from the smallest to the fastest; what cannot be compared
        and what a budget forbids is left out."""
        limit = self.goal.flash
        return [
            self._point(found, winners)
            for found, winners in self.totals.front([self._comparable(g) for g in self.groups])
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
        return Decision(tuple(layers), self.totals.others, self.totals.code)

    def _verdicts(
        self, winners: Sequence[Way], group: Group, winner: Way, index: int
    ) -> tuple[Verdict, ...]:
        elsewhere = [way for way in winners if way is not winner]
        own_bytes = partial(self.totals.added, others=elsewhere)
        ram = partial(group.need, memory=self._memories[group])
        dense = self._to_beat.get(group)
        judge = Judge(self.goal, self.cpu.name, dense, self._price, own_bytes, ram)
        return judge.verdicts(group, winner, index)

    def _winners(self) -> list[Way]:
        """The way of each group. A budget is harder than the promise not to be slower than dense weights, which would
        not keep to it either: what is slower, and then what is not measured, may win only where nothing else is small
        enough."""
        best = self._unlimited()
        budget = self.goal.flash
        if budget is None or self.totals.flash(best) <= budget:
            return best
        smallest = best
        for allowed in (self._eligible, self._comparable, _all_ways):
            ways = [allowed(group) for group in self.groups]
            smallest = self.totals.smallest(ways)
            if self.totals.flash(smallest) <= budget:
                return self._within(ways, budget) or smallest
        raise ValueError(
            f"--flash allows {budget} bytes and the smallest choice takes "
            f"{self.totals.flash(smallest)}, code included: prune the network further"
        )

    def _unlimited(self) -> list[Way]:
        """The best, budgets apart: a least sum, for which no front of all choices is needed."""
        ways = [self._eligible(group) for group in self.groups]
        return self.totals.smallest(ways) if self.goal.objective == "flash" else self._best(ways)

    def _best(self, ways: Ways) -> list[Way]:
        """What the objective, if it is not `flash`, takes of `ways`."""
        if self.goal.ram is not None or self._least_ram:
            return self.totals.cheapest(ways, self._price)
        return self._cheapest_with_ram(ways)

    def _cheapest_with_ram(self, ways: Ways) -> list[Way]:
        """The cheapest, if RAM that the layer which needs most needs beyond what activations take has its price too. Each
        limit that makes a difference is tried."""
        needs = Needs(self.groups, self._memories)
        known = [
            {id(way): needs.of(group, way) for way in each}
            for group, each in zip(self.groups, ways, strict=True)
        ]
        least = max((min(each.values()) for each in known), default=0)
        enough = max(needs.activations, least, LITTLE_RAM)
        share = Fraction(self._price.cycle * self.dense[1], RAM_GAIN * enough)
        found: list[tuple[Fraction, list[Way]]] = []
        while True:
            taken = self.totals.cheapest(ways, self._price)
            peak = max((each[id(way)] for each, way in zip(known, taken, strict=True)), default=0)
            cycles = sum(way.cycles for way in taken)
            cost = self._price.of(self.totals.flash(taken), cycles)
            found.append((cost + share * max(peak - enough, 0), taken))
            if peak <= enough:
                return min(found, key=lambda each: each[0])[1]
            ways = [
                [way for way in each if of[id(way)] < peak]
                for each, of in zip(ways, known, strict=True)
            ]

    def _within(self, ways: Ways, budget: int) -> list[Way] | None:
        """The best within a budget that the best of all does not keep to; None where the front has none."""
        if self.goal.objective == "flash":
            return None
        fitting = [each for each in self.totals.front(ways) if each[0].bytes <= budget]
        if not fitting:
            return None
        _, best = min(fitting, key=lambda each: self._price.of(each[0].bytes, each[0].time))
        return best

    @cached_property
    def dense(self) -> tuple[int, int]:
        """Bytes and cycles of the network with dense weights and the kernels preferred for them, where those are left."""
        ways = [group.dense or group.ways[0] for group in self.groups]
        return self.totals.flash(ways), sum(way.cycles for way in ways)

    @cached_property
    def _price(self) -> Price:
        return self._price_known or price(self.goal.objective, *self.dense)

    def smaller(self, decision: Decision) -> Smaller | None:
        """What `balanced` takes, where `decision` is for latency alone and takes more flash than dense weights do; None
        where that is nothing smaller."""
        dense_flash, _ = self.dense
        if self.goal.objective != "latency" or self.goal.flash is not None:
            return None
        if decision.flash <= dense_flash:
            return None
        balanced = replace(self.goal, objective="balanced")
        weighed = price("balanced", *self.dense)
        other = Problem(self.module, self.cpu, balanced, False, weighed, self._known).decide()
        if other.flash >= decision.flash:
            return None
        saved, dense_saves = (decision.flash - flash for flash in (other.flash, dense_flash))
        return Smaller(saved, dense_saves, other.cycles, decision.cycles)

    def _point(self, found: Choice, winners: Sequence[Way]) -> Point:
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
        dense = self._to_beat.get(group)
        return [
            way for way in group.ways if not objection(self.goal, group, way, dense, self.cpu.name)
        ] or group.ways[:1]

    @cached_property
    def _to_beat(self) -> Mapping[Group, Way]:
        """What each group would take if all weights were dense, where those are left; under `latency` others have to beat
        that. Several kernels run dense weights, and the fastest may not be worth its code."""
        if self.goal.objective != "latency":
            return {}
        dense = {group: self._dense_ways(group) for group in self.groups if group.dense is not None}
        if all(len(ways) == 1 for ways in dense.values()):
            return {group: way for group, (way,) in dense.items()}
        best = self._best([dense.get(group) or self._comparable(group) for group in self.groups])
        return {g: way for g, way in zip(self.groups, best, strict=True) if g in dense}

    def _dense_ways(self, group: Group) -> list[Way]:
        """Those of dense weights that may win among themselves."""
        return [
            way
            for way in group.ways
            if way.label == DENSE
            and not objection(self.goal, group, way, group.dense, self.cpu.name)
        ]


def _all_ways(group: Group) -> list[Way]:
    return group.ways
