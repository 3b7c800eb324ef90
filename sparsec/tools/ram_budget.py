# SPDX-License-Identifier: Apache-2.0
"""A second try for networks whose planned memory is larger than `--ram`.

Formats are chosen before memory is planned, from what layers need at least. Where the plan needs more, the layer at
its peak gets less scratch memory, formats are chosen again and planned again, until the plan fits or nothing is left.

The layer at the peak carries a `sparsec.scratch_limit` then.
"""

from collections.abc import Callable

from xdsl.dialects.builtin import IntegerAttr, ModuleOp

from sparsec.analysis.memory.plan_view import PlanView
from sparsec.ir import qnn
from sparsec.ir.attributes import SCRATCH_LIMIT
from sparsec.ir.layer import layer_of
from sparsec.tools.errors import UserError


def within_ram(
    module: ModuleOp,
    ram: int,
    lower: Callable[[ModuleOp], None],
    plan_of: Callable[[ModuleOp], PlanView | None],
) -> tuple[ModuleOp, ModuleOp]:
    """`module`, a network at `qnn` or below, before and after `lower`: within `ram` bytes if a try was, else the smallest.

    Raises what `lower` raises at the first try.
    """
    again = module.clone()
    lower(module)
    best, plan = (again.clone(), module), plan_of(module)
    least = planned_bytes(plan)
    while least > ram and plan is not None and limit_scratch(again, plan, ram):
        tried = again.clone()
        try:
            lower(tried)
        except UserError:  # nothing is left for the layer, or not within --flash
            break
        plan = plan_of(tried)
        if planned_bytes(plan) < least:
            best, least = (again.clone(), tried), planned_bytes(plan)
    return best


def planned_bytes(plan: PlanView | None) -> int:
    """The bytes of all memories of a plan."""
    return 0 if plan is None else sum(plan.memories.values())


def limit_scratch(module: ModuleOp, plan: PlanView, ram: int) -> bool:
    """Take from the layer at the peak of `plan`, of `module`, what scratch memory it has too much; False if it cannot
    give enough."""
    if not plan.peaks:
        return False
    peak = plan.peaks[0]
    scratch = sum(
        buffer.size
        for buffer in plan.buffers
        if buffer.kind in ("scratch", "weights") and plan.calls[buffer.first] == peak.layer
    )
    limit = scratch - max(1, peak.bytes - ram)
    layers = [
        op for op in module.walk() if isinstance(op, qnn.WeightedOp) and layer_of(op) == peak.layer
    ]
    if not scratch and not any(SCRATCH_LIMIT in op.attributes for op in layers):
        limit = 0  # Activations in another layout may be larger.
    for op in layers:
        op.attributes[SCRATCH_LIMIT] = IntegerAttr(limit, 64)
    return limit >= 0 and bool(layers)
