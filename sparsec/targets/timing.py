# SPDX-License-Identifier: Apache-2.0
"""The rules by which cycles are estimated, one frozen row per core, at zero wait states. Data, not code.

Estimates of an in-order pipeline, never measurements: caches, flash wait states and bus conflicts are not in them.
M3, M4: Arm's Technical Reference Manuals, "Instruction set summary"; M0+ likewise. M33 has no published table and
takes the M4's. M7 and M55 have none either: their rows are what published measurements of these cores agree on.
What those leave open of the M7, latency of loads and of addresses, is the reading that best fits four networks;
make bench-cycles shows the fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sparsec.targets.cpu import LIKELY_GATHERS, GatherPrice


def _table(**cycles: int) -> Mapping[str, int]:
    return MappingProxyType({name.replace("_", " "): value for name, value in cycles.items()})


@dataclass(frozen=True)
class Timing:
    """How one core issues instructions.

    `issue`: cycles for which an instruction of a kind keeps others from issuing, 1 where not named. Transfers of
    several registers take `several` cycles and `per_transfer` for each register.
    `latency`: cycles from issue to a usable result; where not named the cycles of `issue`. `address_latency` is what
    a calculated address takes longer.
    `accumulate_latency`: from one accumulation to the next into the same register.
    `pipelined_loads`: a load right after a load takes one cycle, unless its address is what that one loads.
    `pipes`: kinds of vector instructions by the pipe that they hold for `vector_cycles`.
    `scalar_result`: latency of a vector instruction to a core register.
    `gathers`: what a gather or scatter takes, which wants its offsets `gather_offset_latency` later than others would.
    `taken` and `taken_indirect`: cycles that a taken branch adds; `mispredicted` those of a wrong prediction, of
    cores that predict.
    """

    issue_width: int = 1
    issue: Mapping[str, int] = field(default_factory=_table)
    indexed_store: int = 1
    several: int = 1
    per_transfer: int = 1
    latency: Mapping[str, int] = field(default_factory=_table)
    address_latency: int = 0
    accumulate_latency: int = 1
    pipelined_loads: bool = False
    pipes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    vector_cycles: int = 1
    scalar_result: int = 1
    gathers: GatherPrice = LIKELY_GATHERS
    gather_offset_latency: int = 0
    taken: int = 0
    taken_indirect: int = 0
    mispredicted: int = 0


_M4 = Timing(
    issue=_table(load=2, divide=7, float_multiply=3),
    indexed_store=2,
    address_latency=1,
    pipelined_loads=True,
    taken=2,
    taken_indirect=3,
)

TIMINGS: Mapping[str, Timing] = MappingProxyType(
    {
        "cortex-m0plus": Timing(
            issue=_table(load=2, store=2), indexed_store=2, taken=1, taken_indirect=1
        ),
        "cortex-m3": Timing(
            issue=_table(load=2, divide=7, long_multiply=5),
            indexed_store=2,
            address_latency=1,
            pipelined_loads=True,
            taken=2,
            taken_indirect=3,
        ),
        "cortex-m4": _M4,
        "cortex-m33": _M4,
        "cortex-m7": Timing(
            issue_width=2,
            issue=_table(divide=7),
            several=0,
            latency=_table(
                load=2, several=2, multiply=2, long_multiply=2, float=3, float_multiply=5
            ),
            mispredicted=7,
        ),
        "cortex-m55": Timing(
            issue=_table(divide=7),
            several=0,
            latency=_table(
                load=2, multiply=2, long_multiply=2, vector_multiply=2, float=2, float_multiply=4
            ),
            pipes=MappingProxyType(
                {
                    "vector load": "memory",
                    "vector store": "memory",
                    "vector gather": "memory",
                    "vector integer": "integer",
                    "vector multiply": "multiply",
                }
            ),
            vector_cycles=2,
            scalar_result=3,
            gather_offset_latency=3,
            taken=2,
            taken_indirect=3,
        ),
    }
)
"""By the name of the core, for those that QEMU has. Of Cortex-M85, two scalar instructions at once, nothing is published."""
