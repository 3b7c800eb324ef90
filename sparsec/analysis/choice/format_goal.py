# SPDX-License-Identifier: Apache-2.0
"""What formats are chosen for, and which ways to store weights may win at all.

The rule: under `latency` nothing wins that is not surely faster than dense weights.

Without a budget only those formats are laid out that can win: what a kernel takes at least follows from the shape and the
non-zeros, and what is not surely faster than dense weights, or slower than what is found already, cannot (`cannot_win`).
`explain` lays out all, and a test compares the choices.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sparsec.analysis.choice.layer_groups import Group, Way
from sparsec.kernels.cost import Cost
from sparsec.kernels.layer import Layer
from sparsec.kernels.way import Way as KernelWay
from sparsec.recipe.recipe import Recipe, Wish
from sparsec.targets.cpu import Cpu

Objective: TypeAlias = Literal["latency", "flash", "ram", "balanced"]

MARGIN, FEW = 0.04, 100
"""The share of the cycles of dense weights, and the cycles on top of it, that another way has to save under `latency`,
because costs are only predicted: `make bench-choices` finds them off by 2 % in the mean on the core where it is most, and
branches that a core has not seen yet are in no prediction."""


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


def objection(goal: Goal, group: Group, way: Way, cpu: str) -> str:
    """Why `way` may not win on the core `cpu`, empty if it may."""
    dense = group.dense
    if way is dense or len(group.ways) == 1 or goal.objective == "flash":
        return ""
    if not way.measured:
        return f"its cost on {cpu} is not known"
    if dense is None or goal.objective == "balanced":
        return ""
    if not dense.measured:
        return f"the cost of dense weights on {cpu} is not known"
    return too_slow(way, dense)


def too_slow(sparse: Way | Cost, dense: Way) -> str:
    """Why a cost is not surely below that of dense weights, empty if it is."""
    if sparse.cycles > dense.cycles:
        return f"{sparse.cycles - dense.cycles:,} cycles more than dense"
    if sparse.cycles > (1 - MARGIN) * dense.cycles - FEW:
        return (
            f"saves less than {MARGIN:.0%} and {FEW} of the cycles of dense, which are predictions"
        )
    return ""


def cannot_win(goal: Goal, group: Group, layer: Layer, way: KernelWay, cpu: Cpu) -> bool:
    """Whether the only `layer` of `group` run by `way` is surely not the fastest, budgets apart.

    It is told without laying the weights out, from the shape, the non-zeros and the ways that `group` has already.
    """
    dense = group.dense
    if dense is None or not dense.measured:
        return False
    key = way.kernel, way.decoder is None
    if key in group.hopeless:
        return True
    least = way.least_cost(layer, cpu)
    if least is None:
        return False
    best = min(way.cycles for way in group.ways if not objection(goal, group, way, cpu.name))
    if least.cycles <= best and not too_slow(least, dense):
        return False
    group.hopeless.add(key)
    return True
