# SPDX-License-Identifier: Apache-2.0
"""`sparsec pareto MODEL`: every choice of formats that none beats in flash and cycles, as CSV and as a plot."""

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from sparsec.analysis.choice.format_choice import Point
from sparsec.tools.compilation import compile_model
from sparsec.tools.console import progress
from sparsec.tools.emission import cannot_write, write_text
from sparsec.tools.errors import UserError
from sparsec.tools.explain_command import problem_of
from sparsec.tools.options import Parser, add_model_options, hides_progress

COLUMNS = ("flash_bytes", "estimated_cycles", "instructions", "recipe")
PLOTS = (".png", ".svg", ".pdf")
EXAMPLES = """\
columns:
  flash_bytes       constants and code of the network, see --flash
  estimated_cycles  predicted for the layers with weights, with instructions
  recipe            the formats, as --recipe takes them, and the kernel of those that several run

examples:
  sparsec pareto lenet.pt
  sparsec pareto lenet.pt --target=cortex-m7 --output=front.csv --plot=front.svg
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec pareto",
        description="Print the whole front of flash against latency as CSV, from the smallest network "
        "to the fastest. --flash and --ram leave out what is over them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_model_options(result)
    result.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write the CSV; default stdout"
    )
    result.add_argument(
        "--plot", type=plot_file, metavar="FILE", help="draw the front, e.g. front.png or front.svg"
    )
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress or warnings")
    return result


def plot_file(text: str) -> Path:
    """The file of a plot; argparse reports the error."""
    if Path(text).suffix.lower() not in PLOTS:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no picture, write e.g. front.png or front.svg"
        )
    return Path(text)


def csv_text(front: Sequence[Point]) -> str:
    """The front as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in front:
        recipe = "; ".join(f"{layer}: {format}" for layer, format in point.formats)
        writer.writerow((point.flash, point.cycles, point.instructions, recipe))
    return file.getvalue()


def draw(front: Sequence[Point], title: str, path: Path) -> None:
    """Write the picture of a front. UserError when that is not possible."""
    # It takes long to import, and only who wants a picture has to wait.
    from matplotlib import rc_context  # pyright: ignore[reportUnknownVariableType]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.step([p.flash for p in front], [p.cycles for p in front], where="post", marker="o", ms=3)
    axes.set(title=title, xlabel="flash, bytes", ylabel="estimated cycles")
    axes.grid(alpha=0.3)
    try:
        # Without the date and random names the same front is the same file.
        key = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}[path.suffix.lower()]
        with rc_context({"svg.hashsalt": "sparsec"}):
            figure.savefig(path, metadata={key: None})
    except OSError as error:
        raise cannot_write(path, "file", error) from error


def main(arguments: Sequence[str]) -> int:
    """`sparsec pareto`."""
    args = parser().parse_args(arguments)
    front: list[Point] = []
    with progress(hides_progress(args)) as report_progress:
        compilation = compile_model(args, "qnn", report_progress)
        if not args.print_pipeline:
            report_progress("choosing formats")
            front = problem_of(args, compilation).front()
    if args.print_pipeline:
        print(compilation.pipeline)
        return 0
    if not front:
        raise UserError("no choice keeps within --flash: sparsec explain tells what it takes")
    write_text(csv_text(front), args.output)
    if args.plot is not None:
        title = f"{compilation.name} for {compilation.cpu.name}"
        draw(front, title, args.plot)
    return 0
