# SPDX-License-Identifier: Apache-2.0
"""`sparsec sensitivity MODEL`: what each layer's zeros cost in accuracy, one layer at a time."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sparsec.pruning.patterns import PATTERNS
from sparsec.quiet import only_our_messages
from sparsec.tools.console import print_table, progress
from sparsec.tools.emission import cannot_write, write_text
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser
from sparsec.tools.pareto_command import plot_file
from sparsec.tools.training_options import read_program, read_samples
from sparsec.tools.what_if_command import pattern_list, ratio_list

SCHEMA_VERSION = 1
EXAMPLES = """\
Each layer is pruned in one shot while all others stay as they are. sparsec what-if says what that is worth on the chip.

examples:
  sparsec sensitivity lenet.pt --data=test.npz
  sparsec sensitivity lenet.pt --data=test.npz --sparsity=0.5,0.9 --pattern='block(1x4)' -o scan.csv --plot=scan.svg
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec sensitivity",
        description="Measure the accuracy of a network of torch.export.save with one layer pruned at a time.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        "model", metavar="MODEL", help="a file of torch.export.save, e.g. lenet.pt2"
    )
    result.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help=".npz with inputs [N, ..] in torch's layout, and labels, e.g. test.npz",
    )
    result.add_argument(
        "--labels",
        default="labels",
        metavar="NAME|FILE",
        help="whole numbers [N]: an array of --data or a .npy file; default labels, e.g. y.npy",
    )
    result.add_argument(
        "--sparsity",
        type=ratio_list,
        default=ratio_list("0.5,0.75,0.9"),
        metavar="LIST",
        help="shares of zeros; default 0.5,0.75,0.9",
    )
    result.add_argument(
        "--pattern",
        type=pattern_list,
        default=pattern_list("unstructured"),
        metavar="PATTERN",
        help=f"{PATTERNS}; default unstructured, e.g. 'nm(2:4)'",
    )
    result.add_argument(
        "--layers",
        action="append",
        metavar="NAMES",
        help="only these, e.g. 'conv*'; can be repeated",
    )
    result.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write CSV, e.g. scan.csv; default a table on stdout",
    )
    result.add_argument("--plot", type=plot_file, metavar="FILE", help="draw it, e.g. scan.svg")
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress")
    return result


def main(arguments: Sequence[str]) -> int:
    """`sparsec sensitivity`."""
    args = parser().parse_args(arguments)
    from sparsec.compress.layers import layers_of, selected
    from sparsec.compress.sensitivity import draw_scan, scan, scan_text

    if len(args.pattern) != 1:
        raise UserError("--pattern takes one pattern")
    with only_our_messages():
        program = read_program(args.model)
    data = read_samples(args.data, args.labels, program, 1024)
    with progress(args.quiet) as report_progress:
        try:
            rows = list(
                scan(
                    program,
                    data,
                    args.sparsity,
                    pattern=args.pattern[0],
                    layers=args.layers,
                    progress=report_progress,
                )
            )
        except ValueError as error:
            raise UserError(str(error)) from error
    measured = {row.layer for row in rows}
    left_out = [
        layer.name
        for layer in selected(layers_of(program), args.layers)
        if layer.name not in measured
    ]
    if left_out and len(rows) == 1:
        raise UserError(f"{args.pattern[0].label} is larger than each layer: {', '.join(left_out)}")
    if left_out and not args.quiet:
        print(
            f"left out, as {args.pattern[0].label} is larger: {', '.join(left_out)}",
            file=sys.stderr,
        )
    if args.output is not None:
        write_text(scan_text(rows), args.output)
    if args.plot is not None:
        try:
            draw_scan(rows, args.plot)
        except OSError as error:
            raise cannot_write(args.plot, "file", error) from error
    if args.json:
        report = {
            "schema_version": SCHEMA_VERSION,
            "samples": len(data.labels),
            "left_out": left_out,
            "rows": [asdict(row) for row in rows],
        }
        print(json.dumps(report, indent=2))
    elif args.output is None:
        table = [
            [
                row.layer or "as it is",
                row.pattern,
                f"{row.ratio:.2f}" if row.layer else "",
                f"{row.accuracy:.4f}",
            ]
            for row in rows
        ]
        print_table(
            f"accuracy on {len(data.labels):,} samples",
            ("layer", "pattern", "ratio", "accuracy"),
            table,
        )
    return 0
