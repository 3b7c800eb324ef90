# SPDX-License-Identifier: Apache-2.0
"""`sparsec prune MODEL`: put zeros into an exported network, train it with them, and write it."""

import argparse
import copy
import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsec.pruning.patterns import PATTERNS
from sparsec.pruning.plan import Plan, parse_plan
from sparsec.quiet import only_our_messages
from sparsec.tools.compilation import compile_model
from sparsec.tools.console import Progress, print_table, progress
from sparsec.tools.emission import write_bytes
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser, add_model_options, hides_progress
from sparsec.tools.training_options import (
    add_training_options,
    check_training,
    read_program,
    read_samples,
    settings_of,
)
from sparsec.tools.what_if import WhatIf, plan_for, shares_of, smallest_channels
from sparsec.tools.what_if_command import pattern_list, ratio_list

if TYPE_CHECKING:
    from sparsec.compress.pruner import Pruner, Schedule
    from sparsec.compress.training import Row
    from sparsec.frontends.modules import Module
    from sparsec.frontends.programs import Program

SCHEMA_VERSION = 1
FOR_PATTERNS = "unstructured,block(1x4),block(4x1),block(1x16),nm(2:4)"
FOR_RATIOS = "0.3,0.5,0.6,0.7,0.8,0.9,0.95"

EXAMPLES = """\
A plan says for layers by name, or by patterns of names, what goes: "conv*: block(1x4) 0.75; fc: nm(2:4); stem: dense".
With --for the plan is made from the predicted costs of the target: of all patterns and ratios each layer gets those that
save most for what they lose. With --data the network is trained with its zeros, batch norms as they were exported.

examples:
  sparsec prune lenet.pt --sparsity=0.75 -o sparse.pt2                 the smallest three quarters, in one shot
  sparsec prune lenet.pt --sparsity=0.9 --data=train.npz --gradual     trained while the zeros grow
  sparsec prune lenet.pt --plan="conv*: block(1x16) 0.75; fc1: nm(2:4)"
  sparsec prune lenet.pt --threshold=0.01 --layers='fc*'
  sparsec prune lenet.pt --for=latency --target=cortex-m4 --keep=0.5   half of the predicted cycles
  sparsec prune lenet.pt --for=ram --keep=0.5                          whole channels, for half of the arena
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec prune",
        description="Take weights out of a network of torch.export.save: by magnitude, in a pattern that the compiler "
        "stores, as many as asked for or as a budget of predicted cycles or bytes takes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_model_options(result)
    group = result.add_argument_group("what goes, one of --sparsity, --threshold, --plan and --for")
    group.add_argument(
        "--sparsity",
        type=ratio_list,
        metavar="X",
        help="the share of zeros, e.g. 0.75; with --for a list to choose from",
    )
    group.add_argument(
        "--threshold", type=float, metavar="X", help="smaller magnitudes go, e.g. 0.01"
    )
    group.add_argument(
        "--plan", metavar="TEXT|FILE", help='what each layer loses, e.g. "conv*: block(1x4) 0.75"'
    )
    group.add_argument(
        "--for",
        dest="goal",
        choices=("latency", "flash", "ram"),
        help="make a plan for what counts: predicted cycles, bytes of constants, or the arena",
    )
    group.add_argument(
        "--keep",
        type=float,
        metavar="X",
        help="the part of it that may be left with --for, e.g. 0.25",
    )
    group.add_argument(
        "--pattern",
        type=pattern_list,
        metavar="PATTERN",
        help=f"{PATTERNS}; default unstructured; with --for a list to choose from, e.g. 'unstructured,block(1x16)'",
    )
    group.add_argument(
        "--layers",
        action="append",
        metavar="NAMES",
        help="only these, patterns as in recipes, or 1x1, e.g. 'conv*'; can be repeated",
    )
    group.add_argument(
        "--scope",
        choices=("global", "local"),
        default="global",
        help="whether the share is of all layers together or of each, e.g. local; default global",
    )
    group.add_argument(
        "--importance",
        choices=("magnitude", "l2", "lamp"),
        default="magnitude",
        help="of a weight; others in Python, see sparsec.compress; default magnitude, e.g. l2",
    )
    group.add_argument(
        "--gradual",
        action="store_true",
        help="with --data: let the zeros grow over the first half of the training, e.g. for 0.9",
    )
    group.add_argument(
        "--distill",
        type=float,
        metavar="WEIGHT",
        help="with --data: learn from the network as it was too, e.g. 1.0",
    )
    add_training_options(result)
    result.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the pruned network; default NAME-pruned.pt2, e.g. sparse.pt2",
    )
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress or warnings")
    return result


def check_options(args: argparse.Namespace) -> None:
    """UserError where the options contradict each other."""
    given = [
        name
        for name, value in (
            ("--threshold", args.threshold),
            ("--plan", args.plan),
            ("--for", args.goal),
        )
        if value is not None
    ]
    if args.sparsity is not None and args.goal is None:
        given.insert(0, "--sparsity")
    if len(given) != 1:
        raise UserError(
            "say what goes by one of --sparsity, --threshold, --plan and --for"
            + (f", not by {' and '.join(given)}" if given else "")
        )
    if (args.goal is None) != (args.keep is None):
        raise UserError("--for and --keep go together, e.g. --for=latency --keep=0.25")
    if args.keep is not None and not 0 < args.keep < 1:
        raise UserError(f"--keep is above 0 and below 1, not {args.keep:g}")
    if args.goal is None and len(args.sparsity or [0]) != 1:
        raise UserError("--sparsity takes one share, a list with --for alone")
    if args.goal is None and len(args.pattern or [0]) != 1:
        raise UserError("--pattern takes one pattern, a list with --for alone")
    if args.data is None and (args.gradual or args.distill is not None):
        raise UserError("--gradual and --distill belong to training: give --data")
    check_training(args, parser())


def plan_of(args: argparse.Namespace, program: "Program", report_progress: Progress) -> Plan | None:
    """The plan that is given, or made for the layers of `program` that are asked for. UserError where there is none to be
    had."""
    from sparsec.compress.layers import layers_of, selected

    if args.plan is not None:
        path = Path(args.plan)
        is_file = ":" not in args.plan and path.is_file()
        try:
            return parse_plan(path.read_text() if is_file else args.plan)
        except (ValueError, OSError) as error:
            raise UserError(f"--plan: {error}") from error
    if args.goal is None:
        return None
    if args.goal == "ram" and args.pattern is not None:
        raise UserError("--for=ram takes whole channels: leave --pattern out")
    try:
        names = {each.parameter: each.name for each in selected(layers_of(program), args.layers)}
    except ValueError as error:
        raise UserError(str(error)) from error
    if not names:
        raise UserError(f"{args.model} has no layer with weights, so there is nothing to prune")
    what_if = WhatIf(compile_model(args, "qnn", report_progress), args)
    ratios = args.sparsity or ratio_list(FOR_RATIOS)
    if args.goal != "ram":
        args.objective = args.goal
        shares = shares_of(args.pattern or pattern_list(FOR_PATTERNS), ratios)
        return plan_for(what_if, args.goal, args.keep, shares, report_progress, names)

    def measured(plan: Plan) -> int:
        pruned = copy.deepcopy(program)
        pruner_of(args, pruned, plan, 0).detach()
        return compiled_now(args, pruned).arena({})

    return smallest_channels(what_if, args.keep, ratios, report_progress, names, measured)


def pruner_of(
    args: argparse.Namespace, program: "Program", plan: Plan | None, iterations: int
) -> "Pruner":
    """The zeros of `program`. UserError where they cannot be had."""
    from sparsec.compress.pruner import Pruner
    from sparsec.pruning.schedules import Gradual

    ratio = None if args.sparsity is None or args.goal is not None else args.sparsity[0]
    schedule: Schedule | None = None
    if args.gradual:
        if args.threshold is not None:
            raise UserError("--gradual needs shares of zeros: --threshold has none")
        target = 0.99 if ratio is None else ratio
        ramp = max(iterations // 2, 1)
        schedule = Gradual(
            target,
            pruning=ramp,
            tuning=iterations - ramp,
            steps=min(50, ramp),
            initial=min(0.15, target),
        )
    try:
        return Pruner(
            program,
            ratio=ratio if schedule is None else None,
            threshold=args.threshold,
            plan=plan,
            pattern="unstructured"
            if args.pattern is None or args.goal is not None
            else args.pattern[0],
            layers=args.layers,
            scope=args.scope,
            importance=args.importance,
            schedule=schedule,
        )
    except ValueError as error:
        raise UserError(str(error)) from error


def trained(
    args: argparse.Namespace, program: "Program", plan: Plan | None
) -> tuple["Pruner", dict[str, Any]]:
    """Prune `program`, and train it where there is data; what is to be told of that."""
    from sparsec.compress.distillation import Distillation
    from sparsec.compress.training import accuracy_of, fit

    if args.data is None:
        return pruner_of(args, program, plan, 0), {}
    settings = settings_of(args)
    data = read_samples(args.data, args.labels, program, args.batch)
    test = None if args.test is None else read_samples(args.test, args.labels, program, 1024)
    before = None if test is None else accuracy_of(program, test)
    distillation = None
    if args.distill is not None:
        distillation = Distillation(copy.deepcopy(program), args.distill)
    pruner = pruner_of(args, program, plan, settings.epochs * len(data))
    try:
        history: list[Row] = fit(
            program,
            data,
            settings,
            test=test,
            pruner=pruner,
            distillation=distillation,
            folder=args.folder,
            predict=None if args.folder is None else partial(predicted_of, args),
            track=args.track,
            quiet=args.quiet or args.json,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    return pruner, {
        "accuracy_before": before,
        "accuracy": history[-1].accuracy,
        "loss": history[-1].loss,
        "epochs": len(history),
    }


def compiled(args: argparse.Namespace, model: str, report_progress: Progress) -> WhatIf:
    """A network as it is, on its target."""
    asked = argparse.Namespace(**{**vars(args), "model": model, "quiet": True})
    return WhatIf(compile_model(asked, "qnn", report_progress), asked)


def compiled_now(args: argparse.Namespace, program: "Module") -> WhatIf:
    """The network with the weights that it has now."""
    from sparsec.frontends.programs import Program

    assert isinstance(program, Program)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        path = Path(folder, "model.pt2")
        path.write_bytes(program.saved())
        return compiled(args, str(path), lambda _: None)


def predicted(args: argparse.Namespace, model: str, report_progress: Progress) -> dict[str, Any]:
    """What a network takes on its target."""
    what_if = compiled(args, model, report_progress)
    total = what_if.total(None)
    return {
        "target": what_if.compilation.cpu.name,
        "flash_bytes": total.flash,
        "arena_bytes": what_if.arena({}),
        "instructions": total.instructions,
        "estimated_cycles": total.cycles,
    }


def predicted_of(args: argparse.Namespace, program: "Module") -> dict[str, float]:
    """What the network takes with the weights that it has now, for the history."""
    total = compiled_now(args, program).total(None)
    return {"cycles": total.cycles, "bytes": total.flash}


def main(arguments: Sequence[str]) -> int:
    """`sparsec prune`."""
    args = parser().parse_args(arguments)
    check_options(args)
    output = args.output or Path(f"{Path(args.model).stem}-pruned.pt2")
    with only_our_messages():
        program = read_program(args.model)
    with progress(hides_progress(args)) as report_progress:
        plan = plan_of(args, program, report_progress)
        before = predicted(args, args.model, report_progress)  # --output may overwrite it
    pruner, training = trained(args, program, plan)
    pruner.apply()
    write_bytes(program.saved(), output)
    with progress(hides_progress(args)) as report_progress:
        after = predicted(args, str(output), report_progress)
    report = {
        "schema_version": SCHEMA_VERSION,
        "output": str(output),
        "plan": None if plan is None else plan.text,
        "sparsity": pruner.sparsity,
        "layers": [
            {
                "layer": each.layer,
                "pattern": each.pattern,
                "zeros": each.zeros,
                "weights": each.weights,
            }
            for each in pruner.by_layer
        ],
        "before": before,
        "after": after,
        **training,
    }
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        summarize(report)
    return 0


def summarize(report: dict[str, Any]) -> None:
    """The layers, and what they are worth."""
    rows = [
        [
            each["layer"],
            each["pattern"],
            each["zeros"],
            each["weights"],
            f"{each['zeros'] / each['weights']:.3f}",
        ]
        for each in report["layers"]
    ]
    print_table("pruned", ("layer", "pattern", "zeros", "weights", "share"), rows)
    print(f"zeros      {report['sparsity']:.4f} of the weights of these layers")
    before, after = report["before"], report["after"]
    figures = (
        ("flash", "flash_bytes"),
        ("arena", "arena_bytes"),
        ("est. cycles", "estimated_cycles"),
    )
    for name, key in figures:
        print(f"{name:<10} {before[key]:,} -> {after[key]:,}, predicted for {after['target']}")
    if report.get("accuracy") is not None:
        print(
            f"accuracy   {report['accuracy_before']:.4f} -> {report['accuracy']:.4f} in float, after {report['epochs']} epochs"
        )
    print(f"written to {report['output']}")
