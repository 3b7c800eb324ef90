# SPDX-License-Identifier: Apache-2.0
"""`--emit=plan`, `plan-svg` and `plan-png`: the memory plan as text, JSON or a picture."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from sparsec.analysis.memory.plan_view import PlanView, peak_facts
from sparsec.quiet import only_our_messages
from sparsec.report.plan_text import plan_text
from sparsec.tools.compilation import Compilation, plan_of
from sparsec.tools.emission import write_bytes, write_text
from sparsec.tools.errors import UserError

SCHEMA_VERSION = 1


def check_plan_options(args: argparse.Namespace) -> None:
    """UserError, before anything is compiled, for a picture that has nowhere to go or is asked for as JSON."""
    if args.json and args.emit in ("plan-svg", "plan-png"):
        raise UserError(f"--json does not go with --emit={args.emit}: choose --emit=plan")
    if args.emit == "plan-png" and goes_to_stdout(args) and sys.stdout.isatty():
        raise UserError("a PNG cannot be shown on a terminal: name a file, e.g. -o plan.png")


def write_plan(args: argparse.Namespace, compilation: Compilation) -> None:
    """Write the plan to `-o` or to stdout. UserError when that is not possible."""
    plan = plan_of(compilation.module)
    if plan is None:
        raise UserError("the network has no memory plan: it calls no kernel")
    title = f"memory plan of {compilation.name} for {compilation.cpu.name}"
    if args.json:
        write_text(json.dumps(plan_facts(compilation, plan), indent=2) + "\n", args.output)
    elif args.emit == "plan":
        write_text(plan_text(plan, title), args.output)
    else:
        # Matplotlib takes long to import, and only who wants a picture has to wait.
        from sparsec.report.plan_picture import plan_picture

        with only_our_messages():
            picture = plan_picture(plan, title, "svg" if args.emit == "plan-svg" else "png")
        if goes_to_stdout(args):
            sys.stdout.buffer.write(picture)
        else:
            write_bytes(picture, args.output)


def goes_to_stdout(args: argparse.Namespace) -> bool:
    """Whether no file is named."""
    return args.output is None or str(args.output) == "-"


def plan_facts(compilation: Compilation, plan: PlanView) -> dict[str, Any]:
    """The content of --json: bytes everywhere, calls by number."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": compilation.name,
        "target": compilation.cpu.name,
        "memories": dict(plan.memories),
        "lower_bound_bytes": plan.bound,
        "lower_bounds": {memory: plan.bound_of(memory) for memory in plan.memories},
        "status": plan.status,
        "peaks": [peak_facts(peak) for peak in plan.peaks],
        "calls": [
            {
                "layer": layer,
                "live_bytes": {memory: plan.live_bytes(memory, call) for memory in plan.memories},
            }
            for call, layer in enumerate(plan.calls)
        ],
        "buffers": [asdict(buffer) for buffer in plan.buffers],
    }
