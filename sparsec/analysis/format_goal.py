"""What formats are chosen for, and which ways to store weights may win at all.

The rule: under `latency` nothing wins that is not surely faster than dense weights.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sparsec.analysis.layer_groups import Group, Way
from sparsec.recipe.recipe import Recipe, Wish

Objective: TypeAlias = Literal["latency", "flash", "balanced"]
OBJECTIVES: tuple[Objective, ...] = ("latency", "flash", "balanced")

MARGIN = 0.1
"""The share of cycles and of instructions that sparse weights have to save under `latency`, because the costs of dense
and sparse kernels are only predicted."""


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
    for what, sparse, limit in (
        ("cycles", way.cycles, dense.cycles),
        ("instructions", way.instructions, dense.instructions),
    ):
        if sparse > limit:
            return f"{sparse - limit:,} {what} more than dense"
        if sparse > (1 - MARGIN) * limit:
            return f"saves less than {MARGIN:.0%} of the {what} of dense, which are predictions"
    return ""
