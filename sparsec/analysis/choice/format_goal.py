# SPDX-License-Identifier: Apache-2.0
"""What formats are chosen for, and which ways to store weights may win at all.

The rule: under `latency` nothing wins that is not surely faster than what dense weights alone would be run by, nor what is
faster than another way by less than its bytes are worth.

Without a budget only those formats are laid out that can win: what a kernel takes at least follows from the shape and the
non-zeros, and what is not surely faster than dense weights cannot (`cannot_win`). `explain` lays out all, and a test compares
the choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from sparsec.analysis.choice.layer_groups import Group, Way
from sparsec.analysis.memory.layer_memory import LayerMemory
from sparsec.kernels.code import code_of
from sparsec.kernels.cost import Cost
from sparsec.kernels.layer import Layer
from sparsec.kernels.way import Way as KernelWay
from sparsec.recipe.recipe import DENSE, Recipe, Wish
from sparsec.targets.cpu import Cpu

Objective: TypeAlias = Literal["latency", "flash", "ram", "balanced"]

MARGIN, FEW = 0.04, 100
"""The share of the cycles of dense weights, and the cycles on top of it, that another way has to save under `latency`,
because costs are only predicted: `make bench-choices` finds them off by 2 % in the mean on the core where it is most, and
branches that a core has not seen yet are in no prediction."""


GAIN = 10
"""Under `latency` an image may grow by so many percent for each percent of the cycles that it saves, both of the dense
network's, and no further. As shares, because a byte is worth more cycles where there are few of them: 32 cycles in MLPerf
Tiny's VWW on Cortex-M4, where each weight meets hundreds of pixels, and a seventh of one in its AD, which reads each once.
`balanced` has 1. With 10 ResNet8 stores 55 KB less for 1.1 % more cycles, and with 20 the same; with 5 it gives another
1.9 % for 9 KB."""

RAM_GAIN = 4
"""Under `latency` and `balanced` scratch memory is free as long as no layer needs more, in strips, than the activations of
the one that needs most take apart, which is what planners without overlaps give them. Beyond that a layer may need so many
percent more for each percent of the cycles that it saves. With 4 a residual network over one dimension gives 3 % of its
cycles for 44 % of its arena; with 2 a small one is 1.6 times slower for 47 % of its own, and with 1 another one 2.7 times
for 350 bytes."""

LITTLE_RAM = 1024
"""Bytes that are free in any case: of a network that needs less than that nobody has to save."""

DECODED = "decodes weights into RAM, which latency leaves to other objectives and to budgets"
"""So that more zeros do not change a layer from decoded weights to larger ones."""


@dataclass(frozen=True)
class Price:
    """What a byte of flash and a cycle count beside one another, in whole numbers."""

    byte: int
    cycle: int

    def of(self, bytes: int, cycles: int) -> int:
        """What both cost together."""
        return self.byte * bytes + self.cycle * cycles


@dataclass(frozen=True)
class Goal:
    """What to choose for, and what to keep to.

    `flash`, of all constants, and `ram`, of the arena, are bytes. `weights` is a wish for every layer that has a kernel
    for it; the wishes of `recipe` have to be met.
    """

    objective: Objective = "latency"
    flash: int | None = None
    ram: int | None = None
    weights: Wish | None = None
    recipe: Recipe = field(default_factory=Recipe)


def price(objective: Objective, bytes: int, cycles: int) -> Price:
    """The price for which the least sum is chosen; `bytes` and `cycles` are those of the dense network."""
    gain = 1 if objective == "balanced" else GAIN
    return Price(max(cycles, 1), gain * max(bytes, 1))


def objection(goal: Goal, group: Group, way: Way, dense: Way | None, cpu: str) -> str:
    """Why `way` may not win on the core `cpu`, empty if it may. `dense` is what it has to beat."""
    if way is dense or len(group.ways) == 1 or goal.objective == "flash":
        return ""
    if not way.measured:
        return f"its cost on {cpu} is not known"
    if dense is None or goal.objective == "balanced":
        return ""
    if not dense.measured:
        return f"the cost of dense weights on {cpu} is not known"
    name = DENSE if dense is group.dense else group.told_apart(dense)
    return too_slow(way, dense, name) or (DECODED if way.decodes else "")


def too_slow(other: Way | Cost, dense: Way, name: str = DENSE) -> str:
    """Why a cost is not surely below that of dense weights, which are called `name`; empty if it is."""
    if other.cycles > dense.cycles:
        return f"{other.cycles - dense.cycles:,} cycles more than {name}"
    if other.cycles > (1 - MARGIN) * dense.cycles - FEW:
        return (
            f"saves less than {MARGIN:.0%} and {FEW} of the cycles of {name}, which are predictions"
        )
    return ""


def cannot_win(goal: Goal, group: Group, layer: Layer, way: KernelWay, cpu: Cpu) -> bool:
    """Whether the only `layer` of `group` run by `way` surely does not win under `latency`, budgets apart.

    It is told without laying the weights out, from the shape, the non-zeros and the ways that `group` has already.
    """
    dense = group.dense
    if dense is None or not dense.measured:
        return False
    key = way.kernel, way.decoder is None
    if key in group.hopeless:
        return True
    least = way.least_cost(layer, cpu)
    if least is None or (way.decoder is None and not too_slow(least, dense)):
        return False
    group.hopeless.add(key)
    return True


class Rivals:
    """The ways that a group of only one layer has already, next to which others may surely cost more."""

    def __init__(self, price: Price, memory: LayerMemory, group: Group, layer: Layer, cpu: Cpu):
        self._price = price
        self._memory = memory
        self._group = group
        self._layer = layer
        self._cpu = cpu
        self._known: list[tuple[int, int]] = []
        """For each measured way what it costs if no other layer has a part of it, and the RAM that it needs."""
        self._looked_at = 0
        self._nonzeros = int(np.count_nonzero(layer.matrix))

    def beat(self, way: KernelWay) -> bool:
        """Whether `way` surely costs more than one of them, budgets apart, which needs no more RAM that counts.

        Of `way` it is known what its kernel takes at least, and that each weight that is not zero is stored in a byte.
        """
        key = way.kernel, way.decoder is None
        if key in self._group.hopeless:
            return True
        least = way.least_cost(self._layer, self._cpu)
        if least is None:
            return False
        at_least = self._price.of(self._nonzeros, least.cycles)
        needs = [need for cost, need in self._costs() if cost < at_least]
        if not any(need <= max(self._memory.activations, LITTLE_RAM) for need in needs):
            scratch = 0 if way.decoder is not None else way.kernel.scratch(self._layer, self._cpu)
            same = self._memory.bytes(self._layer, way.kernel, scratch)
            if not any(need <= same for need in needs):
                return False
        self._group.hopeless.add(key)
        return True

    def _costs(self) -> Sequence[tuple[int, int]]:
        code = code_of(self._cpu.name)
        for each in self._group.ways[self._looked_at :]:
            if each.measured:
                flash = sum(each.constants.values()) + code.alone(each.calls)
                cost = self._price.of(flash, each.cycles)
                self._known.append((cost, self._group.need(each, self._memory)))
        self._looked_at = len(self._group.ways)
        return self._known
