# SPDX-License-Identifier: Apache-2.0
"""`sparsec what-if MODEL`: what zeros would be worth on the core, before any training."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sparsec.analysis.choice.what_if import Answer
from sparsec.pruning.masks import check_ratio
from sparsec.pruning.patterns import PATTERNS, Pattern, parse_pattern
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.console import Progress, print_table, progress
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser, add_model_options, hides_progress
from sparsec.tools.what_if import Total, WhatIf, shares_of

SCHEMA_VERSION = 1
DEFAULT_PATTERNS = "unstructured,block(1x4),block(4x1),block(1x16),nm(2:4),channels"
DEFAULT_RATIOS = "0.5,0.75,0.9"
PAYS = 0.96
"""A layer is faster sparse where it takes less than that part of the cycles of the layer as it is: costs are predicted."""

EXAMPLES = """\
columns:
  zeros         of all weights of the network, with those that are there already
  lost          part of the squared weights that goes, mean over the layers: no accuracy, which only training tells
  flash B       constants and code, as sparsec compiles the network then
  instructions  predicted, with est. cycles, of the layers with weights
  of now        estimated cycles as a part of those of the network as it is

Zeros are put where one-shot pruning would put them, at the smallest weights; in channels at whole outputs, whose readers
shrink with them. N:M patterns have a ratio of their own.

examples:
  sparsec what-if lenet.pt
  sparsec what-if lenet.pt --target=cortex-m55 --sparsity=0.75,0.9 --pattern='unstructured,block(1x16)'
  sparsec what-if lenet.pt --objective=flash --sparsity=0.9 --pattern=unstructured --layers
"""


TOTAL_COLUMNS = (
    *("pattern", "ratio", "zeros", "lost"),
    *("flash B", "instructions", "est. cycles", "of now", "layers"),
)
LAYER_COLUMNS = (
    *("layer", "pattern", "ratio", "lost"),
    *("format", "weights B", "instructions", "est. cycles", "of now"),
)
VERDICT_COLUMNS = ("layer", "format", "weights B", "est. cycles")


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec what-if",
        description="Predict for each pattern and share of zeros what the network would take on the target, and which "
        "pattern pays for which layer, before anything is trained. Writes nothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_model_options(result)
    add_zeros_options(result, DEFAULT_PATTERNS, DEFAULT_RATIOS)
    result.add_argument("--layers", action="store_true", help="print every layer with every share")
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress or warnings")
    return result


def add_zeros_options(parser: argparse.ArgumentParser, patterns: str, ratios: str) -> None:
    """Which patterns and ratios are looked at."""
    parser.add_argument(
        "--sparsity",
        type=ratio_list,
        default=ratio_list(ratios),
        metavar="LIST",
        help=f"shares of zeros, e.g. 0.5,0.9; default {ratios}",
    )
    parser.add_argument(
        "--pattern",
        type=pattern_list,
        default=pattern_list(patterns),
        metavar="LIST",
        help=f"of {PATTERNS}, with commas between them; default {patterns}",
    )


def ratio_list(text: str) -> list[float]:
    """Shares with commas between them; argparse reports the error."""
    ratios: list[float] = []
    for word in text.split(","):
        try:
            ratios.append(float(word))
            check_ratio(ratios[-1])
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"'{word[:20]}' is no share of zeros: write numbers of at least 0 and below 1, e.g. 0.5,0.9"
            ) from None
    return ratios


def pattern_list(text: str) -> list[Pattern]:
    """Patterns with commas between them; argparse reports the error."""
    try:
        return [parse_pattern(word) for word in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def part(value: int, whole: int) -> str:
    """A number as a part of another."""
    return f"{value / whole:.2f}" if whole else ""


def total_row(total: Total, now: Total) -> list[object]:
    """A row of the network's table."""
    share = total.share
    return [
        "as it is" if share is None else share.pattern.label,
        "" if share is None else f"{share.ratio:.2f}",
        f"{total.zeros / max(total.weights, 1):.3f}",
        f"{total.lost:.3f}",
        total.flash,
        total.instructions,
        total.cycles,
        part(total.cycles, now.cycles),
        "" if share is None else f"{total.fitting} of {total.layers}",
    ]


def layer_rows(answers: Sequence[Answer]) -> list[list[object]]:
    """All rows of a layer."""
    now = answers[0].estimate
    rows: list[list[object]] = []
    for each in answers:
        found, share = each.estimate, each.share
        rows.append(
            [
                each.layer,
                "as it is" if share is None else share.pattern.label,
                "" if share is None else f"{share.ratio:.2f}",
                f"{each.lost:.3f}",
                *(
                    (
                        found.format,
                        found.bytes,
                        found.instructions,
                        found.cycles,
                        part(found.cycles, now.cycles),
                    )
                    if found is not None and now is not None
                    else (each.reason or "its cost is not known", None, None, None, "")
                ),
            ]
        )
    return rows


def verdicts(layers: Sequence[Sequence[Answer]]) -> list[list[object]]:
    """For each layer and ratio the pattern that saves most cycles, with what it leaves; N:M at its own ratio."""
    rows: list[list[object]] = []
    for answers in layers:
        now = answers[0].estimate
        if now is None:
            continue
        ratios = sorted({each.share.ratio for each in answers if each.share is not None})
        cells: list[object] = []
        for ratio in ratios:
            found = [
                each
                for each in answers
                if each.share is not None
                and each.share.ratio == ratio
                and each.estimate is not None
            ]
            best = min(
                found, key=lambda each: each.estimate.cycles if each.estimate else 0, default=None
            )
            if best is None or best.estimate is None or best.share is None:
                cells.append("")
            elif best.estimate.cycles > PAYS * now.cycles:
                cells.append("as it is")
            else:
                cells.append(f"{best.share.pattern.label} {part(best.estimate.cycles, now.cycles)}")
        rows.append([answers[0].layer, now.format, now.bytes, now.cycles, *cells])
    return rows


def as_json(
    name: str, target: str, totals: Sequence[Total], layers: Sequence[Sequence[Answer]]
) -> dict[str, Any]:
    """The content of --json."""

    def share(each: Total | Answer) -> dict[str, Any]:
        return {
            "pattern": None if each.share is None else each.share.pattern.label,
            "ratio": None if each.share is None else each.share.ratio,
        }

    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "target": target,
        "network": [
            {
                **share(each),
                "zeros": each.zeros,
                "weights": each.weights,
                "lost": each.lost,
                "flash_bytes": each.flash,
                "instructions": each.instructions,
                "estimated_cycles": each.cycles,
                "layers": each.fitting,
            }
            for each in totals
        ],
        "layers": [
            {
                "layer": answers[0].layer,
                "answers": [
                    {
                        **share(each),
                        "zeros": each.zeros,
                        "weights": each.weights,
                        "lost": each.lost,
                        "reason": each.reason or None,
                        "estimate": None if each.estimate is None else asdict(each.estimate),
                    }
                    for each in answers
                ],
            }
            for answers in layers
        ],
    }


def asked(
    args: argparse.Namespace, compilation: Compilation, report_progress: Progress
) -> tuple[list[Total], list[list[Answer]]]:
    """The network and each layer as they are and with each share. UserError where there is nothing to prune."""
    what_if = WhatIf(compilation, args)
    shares = shares_of(args.pattern, args.sparsity)
    layers = what_if.layers(shares, report_progress)
    if not layers:
        raise UserError(f"{args.model} has no layer with weights, so zeros are worth nothing")
    return [what_if.total(share) for share in (None, *shares)], layers


def main(arguments: Sequence[str]) -> int:
    """`sparsec what-if`."""
    args = parser().parse_args(arguments)
    with progress(hides_progress(args)) as report_progress:
        compilation = compile_model(args, "qnn", report_progress)
        if args.print_pipeline:
            print(compilation.pipeline)
            return 0
        totals, layers = asked(args, compilation, report_progress)
    target = compilation.cpu.name
    if args.json:
        print(json.dumps(as_json(compilation.name, target, totals, layers), indent=2))
        return 0
    title = f"{compilation.name} for {target}: what zeros would be worth"
    print_table(title, TOTAL_COLUMNS, [total_row(total, totals[0]) for total in totals])
    print()
    if args.layers:
        rows = [row for answers in layers for row in layer_rows(answers)]
        print_table("each layer", LAYER_COLUMNS, rows)
        return 0
    ratios = sorted({answer.share.ratio for each in layers for answer in each if answer.share})
    title = "the pattern of the fewest cycles for each layer, and its part of those now"
    print_table(
        title, (*VERDICT_COLUMNS, *(f"{each:.2f} zeros" for each in ratios)), verdicts(layers)
    )
    return 0
