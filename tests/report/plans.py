# SPDX-License-Identifier: Apache-2.0
"""Plans to show: a small one with everything in it."""

from sparsec.analysis.memory.plan_view import PlannedBuffer, PlanView

ARENA = "arena"

SMALL = PlanView(
    calls=("stem/Conv", "block/dw", "block/add", "head & <fc>"),
    buffers=(
        PlannedBuffer("input", ARENA, 0, 1200, 0, 0, "input", (0,)),
        # Over the last 400 bytes of the input, which dies.
        PlannedBuffer("stem/Conv", ARENA, 800, 2400, 0, 2, "activation", (1, 2), (0,)),
        PlannedBuffer("stem/Conv scratch", ARENA, 3200, 8, 0, 0, "scratch", (), (0,)),
        PlannedBuffer("block/dw", ARENA, 3200, 2400, 1, 2, "activation", (2,), (1,)),
        PlannedBuffer("block/add", ARENA, 3200, 2400, 2, 3, "activation", (3,), (2,)),
        PlannedBuffer("head & <fc> weights", ARENA, 0, 600, 3, 3, "weights", (3,)),
        PlannedBuffer("output", ARENA, 600, 10, 3, 3, "output", (), (3,)),
    ),
    memories={ARENA: 5600},
    bound=4800,
    status="feasible",
)
"""A residual block whose sum is computed in place."""
