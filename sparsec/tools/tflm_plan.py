# SPDX-License-Identifier: Apache-2.0
"""`sparsec MODEL.tflite --emit=tflm-plan`: the file with a memory plan for TensorFlow Lite Micro.

No pass runs: the network stays as it is, only the offsets of its tensors are added.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from sparsec.frontends import FrontendError
from sparsec.frontends.archive import read_file
from sparsec.frontends.tflite.offline_plan import OfflinePlan, plan_offline, with_plan
from sparsec.frontends.tflite.reader import IDENTIFIER
from sparsec.planning.budget import Budget
from sparsec.tools.console import progress
from sparsec.tools.emission import write_bytes
from sparsec.tools.errors import UserError
from sparsec.tools.options import hides_progress, search_hint

EMIT = "tflm-plan"


def write_planned(args: argparse.Namespace) -> int:
    """Plan, write and say what came of it. Raises UserError."""
    if args.print_pipeline:
        raise UserError(f"--emit={EMIT} runs no passes: leave --print-pipeline out")
    if args.memory or args.io != "arena":
        raise UserError(f"--emit={EMIT} plans one arena for all: leave --memory and --io out")
    if args.output is None or str(args.output) == "-":
        raise UserError(f"--emit={EMIT} writes a binary file: name it with -o planned.tflite")
    with progress(hides_progress(args)) as report_progress:
        report_progress(f"planning {args.model}")
        plan, content = planned(args.model, args.plan_seconds)
    arena = plan.assignment.arena_bytes
    if args.ram is not None and arena > args.ram:
        raise UserError(
            f"the tensors take {arena} bytes, --ram allows {args.ram}, and no plan of them needs "
            f"less than {plan.assignment.lower_bound}"
        )
    write_bytes(content, args.output)
    if args.json:
        print(json.dumps(figures(plan), indent=2))
    elif not args.quiet:
        summarize(args.model, plan, args.output)
    return 0


def planned(model: str, seconds: float | None) -> tuple[OfflinePlan, bytes]:
    """A plan for the file `model`, found within `seconds`, if given, and the file with it. Raises UserError."""
    try:
        content = read_file(Path(model))
        if content[4:8] != IDENTIFIER:
            raise FrontendError(
                f"this is no model of TensorFlow Lite: --emit={EMIT} plans .tflite files"
            )
        plan = plan_offline(content, Budget(seconds))
        return plan, with_plan(content, plan)
    except FrontendError as error:
        raise UserError(f"{model}: {error}") from error


def figures(plan: OfflinePlan) -> dict[str, Any]:
    """What `--json` prints; sizes in bytes."""
    return {
        "tensors": plan.tensor_count,
        "tensors_planned": len(plan.tensors),
        "arena_bytes": plan.assignment.arena_bytes,
        "arena_lower_bound_bytes": plan.assignment.lower_bound,
        "status": plan.assignment.status,
        "plan_added": plan.is_smaller,
        "plan_refused": {"arena_bytes": plan.refused_bytes, "because": plan.because}
        if plan.because
        else None,
        "tflm_arena_bytes": plan.greedy_bytes,
    }


def summarize(model: str, plan: OfflinePlan, output: Path) -> None:
    """The arena as planned and as TensorFlow Lite Micro would plan it, in four lines."""
    arena, own = plan.assignment.arena_bytes, plan.greedy_bytes
    share = f" ({(own - arena) / own:.0%})" if own > arena else ""
    print(f"{Path(model).name}: {len(plan.tensors)} of {plan.tensor_count} tensors planned")
    print(
        f"activations  {arena:,} B in RAM, {plan.assignment.status} "
        f"(no plan needs less than {plan.assignment.lower_bound:,} B)"
    )
    if plan.is_smaller:
        print(
            f"without it   {own:,} B by TFLM's own planner: {own - arena:,} B{share} saved, "
            "scratch memory apart"
        )
    else:
        print(
            "without it   the same by TFLM's own planner, which stays in charge: no plan is added"
        )
    if plan.because:
        print(
            f"not taken    a plan of {plan.refused_bytes:,} B, which may make a larger arena: {plan.because}"
        )
    if not plan.is_proven:
        print(f"not proven   {search_hint()}")
    print(f"written to {output}")
