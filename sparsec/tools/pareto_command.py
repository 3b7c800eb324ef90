# SPDX-License-Identifier: Apache-2.0
"""`sparsec pareto MODEL`: every choice of formats that none beats in flash and cycles, as CSV and as a plot.

The rule: a line is what its recipe compiles to. So each choice is lowered until `overlap-buffers` has decided which layers
are done in strips, which takes code and cycles, and what is beaten then is left out.
"""

import argparse
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sparsec import pipelines
from sparsec.analysis.choice.choice_record import record_of
from sparsec.analysis.choice.format_choice import Point
from sparsec.backends.c.report import constants_of
from sparsec.ir.kernel import KernelOp
from sparsec.kernels.code import code_of, passed
from sparsec.tools.compilation import Compilation, compile_model, pipeline_options, run_passes
from sparsec.tools.console import progress
from sparsec.tools.emission import cannot_write, write_text
from sparsec.tools.errors import UserError
from sparsec.tools.explain_command import problem_of
from sparsec.tools.options import Parser, add_model_options, hides_progress
from sparsec.tools.registry import context

COLUMNS = ("flash_bytes", "estimated_cycles", "instructions", "recipe")
PLOTS = (".png", ".svg", ".pdf")
EXAMPLES = """\
columns:
  flash_bytes       constants and code of the network, see --flash
  estimated_cycles  predicted for the layers with weights, with instructions; layers in strips, see --max-slowdown, included
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


def recipe_of(point: Point) -> str:
    """What makes a compilation choose `point`."""
    return "; ".join(f"{layer}: {format}" for layer, format in point.formats)


def as_compiled(
    front: Sequence[Point], compilation: Compilation, options: pipelines.PipelineOptions
) -> Iterator[Point]:
    """What each choice compiles to. UserError where it does not."""
    if options.max_slowdown == 0 and options.ram is None:
        yield from front  # no layer is done in strips
        return
    order, *_ = pipelines.kernels(options)
    ordered = (compilation.chosen_from or compilation.module).clone()
    run_passes(context(), ordered, [order], (), verify_each=False)
    for point in front:
        recipe = "; ".join(filter(None, (recipe_of(point), options.pins)))
        asked = replace(options, weights="auto", recipe=recipe)
        module = ordered.clone()
        _, *others = pipelines.kernels(asked)[:-1]
        run_passes(context(), module, others, (), verify_each=False)
        calls = [op for op in module.walk() if isinstance(op, KernelOp)]
        names = [name for op in calls for name in (op.C_FUNCTION, *map(passed, op.callbacks()))]
        chosen = record_of(module)
        assert chosen is not None
        yield Point(
            sum(array.nbytes for array in constants_of(module).values())
            + code_of(compilation.cpu.name).bytes(names),
            sum(layer.cycles or 0 for layer in chosen.layers),
            sum(layer.instructions or 0 for layer in chosen.layers),
            point.formats,
        )


def unbeaten(points: Iterable[Point]) -> list[Point]:
    """Those that none beats, from the smallest to the fastest; of equal ones the first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.flash, point.cycles)):
        if not found or point.cycles < found[-1].cycles:
            found.append(point)
    return found


def csv_text(front: Sequence[Point]) -> str:
    """The front as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in front:
        writer.writerow((point.flash, point.cycles, point.instructions, recipe_of(point)))
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
            problem = problem_of(args, compilation)
            options = pipeline_options(args, compilation.cpu, problem.module, None)
            front = unbeaten(as_compiled(problem.front(), compilation, options))
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
