# SPDX-License-Identifier: Apache-2.0
"""What a layer costs by each kernel on each core: fitted sums, never a measurement.

A kernel's loops follow from the shape and from what is stored (`Costed.loops`); what a pass of each loop takes on a core
is in costs.json, which `make calibrate` writes and nobody edits. The rule: no coefficient stands in code.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from sparsec.kernels.loops import Loops
from sparsec.kernels.stored import NOTHING, Stored
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import LIKELY_GATHERS, GatherPrice, VectorUnit, cpu_named

COSTS = Path(__file__).parent / "costs.json"

CALIBRATED = (
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4",
    "cortex-m7",
    "cortex-m33",
    "cortex-m55",
)
"""The cores that QEMU runs."""

STAND_INS: Mapping[str, str] = MappingProxyType({"cortex-m85": "cortex-m55", "host": "cortex-m3"})
"""Whose costs other processors take. The host compiles the plain C that the Cortex-M3 has too."""

What: TypeAlias = Literal["instructions", "cycles", "gathered"]
WHAT: tuple[What, ...] = get_args(What)
"""The fields of `Cost`."""

Fit: TypeAlias = Mapping[str, Mapping[What, float]]
"""What a pass of each loop takes; a loop that is not in it, and what is not said of one, is nothing."""


@dataclass(frozen=True)
class Cost:
    """Instructions and cycles of one call. Cycles are estimates at zero wait states, as sparsec/targets/timing.py has them;
    they hang on an assumption for each of the `gathered` elements."""

    instructions: int
    cycles: int
    gathered: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.instructions + other.instructions,
            self.cycles + other.cycles,
            self.gathered + other.gathered,
        )

    def __sub__(self, other: "Cost") -> "Cost":
        return self + -1 * other

    def __rmul__(self, times: int) -> "Cost":
        return Cost(times * self.instructions, times * self.cycles, times * self.gathered)

    def under(self, gathers: GatherPrice) -> "Cost":
        """The cost where gathers take what `gathers` says and not what they likely take."""
        likely, other = (self.gathered // each.per_cycle for each in (LIKELY_GATHERS, gathers))
        return replace(self, cycles=self.cycles + other - likely)


class Costed(ABC):
    """Something whose time is a sum over its loops: the C function `function`."""

    function: str

    @abstractmethod
    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        """The path it takes, empty where it has only one, and how often each of its loops runs. Raises ValueError where
        nothing is known of its cost."""

    def inside(self, work: Workload) -> "Costed | None":
        """What it calls for each strip of `work`, besides its own loops; None where it does all at once."""
        return None


@dataclass(frozen=True)
class Strips(Costed):
    """`function` does a layer strip by strip, each by `inner`, or by `point` where the window is one pixel."""

    function: str
    inner: Costed
    point: Costed | None = None

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", {"calls": 1, "strips": work.parts().total()}

    def inside(self, work: Workload) -> Costed:
        return self.point if self.point is not None and work.is_point else self.inner


def cost_of(each: Costed, cpu: str, work: Workload, stored: Stored = NOTHING) -> Cost:
    """What `each` takes for `work` on the core `cpu`; `stored` is what is stored of sparse weights.

    Raises ValueError where `cpu` is unknown or has no fit for it and the path that it takes.
    """
    path, loops = each.loops(cpu_named(cpu).vector_unit, work, stored)
    row = row_name(each.function, path)
    fit = costs_on(cpu).get(row)
    if fit is None:
        raise ValueError(f"there is no cost of {row} on {cpu}: make calibrate measures it")
    own = Cost(
        *(
            round(sum(n * fit[name].get(what, 0) for name, n in loops.items() if name in fit))
            for what in WHAT
        )
    )
    inner = each.inside(work)
    if inner is None:
        return own
    strips = (n * cost_of(inner, cpu, part, stored) for part, n in work.parts().items())
    return sum(strips, own)


def row_name(function: str, path: str) -> str:
    """How costs.json calls a path of a C function."""
    return f"{function} {path}".rstrip()


def costs_on(cpu: str) -> Mapping[str, Fit]:
    """Those of a core, by C function with its path; empty where it has none."""
    return costs().get(STAND_INS.get(cpu, cpu), {})


@cache
def costs() -> Mapping[str, Mapping[str, Fit]]:
    """costs.json: by core, C function with its path, loop."""
    return json.loads(COSTS.read_text(encoding="utf-8"))
