# SPDX-License-Identifier: Apache-2.0
"""`sparsec explain MODEL`: for each layer every way to store its weights, what it costs, and why one won."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sparsec.analysis.choice.format_choice import Decision, LayerChoice, Problem
from sparsec.analysis.choice.format_reasons import Verdict
from sparsec.ir.level import Level, level_of
from sparsec.targets.cpu import PESSIMISTIC_GATHERS
from sparsec.tools.compilation import Compilation, compile_model, goal_of
from sparsec.tools.console import print_table, progress
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser, add_model_options, hides_progress

SCHEMA_VERSION = 1
EXAMPLES = """\
columns:
  layout        how the kernel wants the weights in flash; plain: as the format says
  flash B       all constants of the layer: weights, biases, multipliers, shifts; what "why" counts as bytes more is with
                code and calls that no other layer has
  scratch B     memory that its kernels want while they run
  instructions  predicted, with est. cycles, from calibrated costs of each kernel (kernels/costs.json)

examples:
  sparsec explain lenet.pt
  sparsec explain lenet.pt --objective=flash --target=cortex-m55
  sparsec explain lenet.pt --flash=64K --recipe='fc1: block(4x1)' --json
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec explain",
        description="Print for each layer with weights every way to store them, what it costs on the "
        "target, and why one won and the others lost. Writes nothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_model_options(result)
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress or warnings")
    return result


def problem_of(args: argparse.Namespace, compilation: Compilation) -> Problem:
    """What there is to choose. UserError where a wish or the RAM budget cannot be met."""
    module = compilation.chosen_from or compilation.module
    if level_of(module) is Level.KERNELS:
        raise UserError(f"{args.model} is at the level of kernels already: give its qnn IR")
    try:
        return Problem(module, compilation.cpu, goal_of(args, compilation.cpu, module))
    except ValueError as error:
        raise UserError(str(error)) from error


def describe_verdict(verdict: Verdict) -> dict[str, Any]:
    """A format for a layer, as JSON; a number is null where it is not known."""
    found = verdict.candidate
    cost = None if found is None else found.cost
    return {
        "format": verdict.label,
        "layout": None if found is None else found.way.layout,
        "kernel": None if found is None else found.kernel,
        "decoder": None if found is None else found.decoder,
        "flash_bytes": None if found is None else found.bytes,
        "scratch_bytes": None if found is None else found.scratch,
        "instructions": None if cost is None else cost.instructions,
        "estimated_cycles": None if cost is None else cost.cycles,
        "pessimistic_cycles": None if cost is None else cost.under(PESSIMISTIC_GATHERS).cycles,
        "won": verdict.won,
        "reason": verdict.reason,
    }


def pessimistic(problem: Problem, decision: Decision) -> Decision:
    """What would be chosen if gathers took what the pessimistic assumption says. ValueError where nothing could be."""
    found = (verdict.candidate for layer in decision.layers for verdict in layer.verdicts)
    if not any(each is not None and each.cost is not None and each.cost.gathered for each in found):
        return decision
    cpu = replace(problem.cpu, gathers=PESSIMISTIC_GATHERS)
    return Problem(problem.module, cpu, problem.goal).decide()


def describe_layer(layer: LayerChoice, other: LayerChoice) -> dict[str, Any]:
    """The candidates of a layer, and which of them is `other`, if that is another one than won."""
    found: dict[str, Any] = {
        "layer": layer.name,
        "candidates": [describe_verdict(verdict) for verdict in layer.verdicts],
        "if_gathers_are_slow": None,
    }
    now, then = layer.winner, other.winner
    if (now.label, now.kernel) != (then.label, then.kernel):
        found["if_gathers_are_slow"] = {"format": then.label, "kernel": then.kernel}
    return found


def explain(compilation: Compilation, problem: Problem) -> dict[str, Any]:
    """The content of --json. UserError where no choice keeps to the budget of flash."""
    try:
        decision = problem.decide()
        others = pessimistic(problem, decision)
    except ValueError as error:
        raise UserError(str(error)) from error
    goal = problem.goal
    return {
        "schema_version": SCHEMA_VERSION,
        "name": compilation.name,
        "target": compilation.cpu.name,
        "objective": goal.objective,
        "flash_budget_bytes": goal.flash,
        "ram_budget_bytes": goal.ram,
        "flash_bytes": decision.flash,
        "flash_code_bytes": decision.code,
        "layers": [
            describe_layer(layer, other)
            for layer, other in zip(decision.layers, others.layers, strict=True)
        ],
    }


def row(candidate: dict[str, Any]) -> list[object]:
    """The cells of a candidate; a star marks the winner."""
    functions = [candidate["decoder"], candidate["kernel"]]
    return [
        ("* " if candidate["won"] else "  ") + candidate["format"],
        candidate["layout"],
        " + ".join(f.removeprefix("sparsec_") for f in functions if f is not None),
        candidate["flash_bytes"],
        candidate["scratch_bytes"],
        candidate["instructions"],
        candidate["estimated_cycles"],
        candidate["reason"],
    ]


def print_layer(layer: dict[str, Any]) -> None:
    """The candidates of a layer, then what it cannot be stored as."""
    possible = [each for each in layer["candidates"] if each["kernel"] is not None]
    columns = (
        *("format", "layout", "kernel", "flash B"),
        *("scratch B", "instructions", "est. cycles", "why"),
    )
    print_table(layer["layer"], ["  " + columns[0], *columns[1:]], [row(c) for c in possible])
    refused: dict[str, list[str]] = {}
    for each in layer["candidates"]:
        if each["kernel"] is None:
            refused.setdefault(each["reason"], []).append(each["format"])
    for reason, formats in refused.items():
        print(f"  not {', '.join(formats)}: {reason}")
    if (other := layer["if_gathers_are_slow"]) is not None:
        kernel = other["kernel"].removeprefix("sparsec_")
        print(f"  {other['format']} by {kernel} if gathers take a cycle for each element")
    print()


def print_explanation(report: dict[str, Any]) -> None:
    """A table for each layer, and what the network takes."""
    print(f"{report['name']} for {report['target']}, objective {report['objective']}")
    print()
    for layer in report["layers"]:
        print_layer(layer)
    print(f"flash  {report['flash_bytes']:,} B, {report['flash_code_bytes']:,} B of them code")


def main(arguments: Sequence[str]) -> int:
    """`sparsec explain`."""
    args = parser().parse_args(arguments)
    with progress(hides_progress(args)) as report_progress:
        # Only the memory plan tells with which choice --ram is kept.
        emit = "qnn" if args.ram is None else "kernels"
        compilation = compile_model(args, emit, report_progress)
        if args.print_pipeline:
            report = {}
        else:
            report_progress("choosing formats")
            report = explain(compilation, problem_of(args, compilation))
    if args.print_pipeline:
        print(compilation.pipeline)
    elif args.json:
        print(json.dumps(report))
    else:
        print_explanation(report)
    return 0
