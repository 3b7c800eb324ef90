# SPDX-License-Identifier: Apache-2.0
"""`sparsec selftest`: a program that holds every kernel of a core to CMSIS-NN, row by row, run on QEMU or written as C."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sparsec.run.cpus import RUNNABLE
from sparsec.run.errors import RunError
from sparsec.run.execute import run_project
from sparsec.run.project import read_project
from sparsec.run.toolchain import Cc
from sparsec.targets.cpu import cpu_named
from sparsec.tools.console import progress
from sparsec.tools.emission import cmsis_nn_directory, write_files
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser, add_model_options
from sparsec.tools.run_command import add_cc_option
from sparsec.tools.selftest import compiled_files, on_harness

EXAMPLES = """\
Every kernel with weights that the core has, with each format that it reads, runs a small layer; CMSIS-NN's function runs
the same layer. A line is a row of weights: an output channel, over all pixels.

examples:
  sparsec selftest --on=cortex-m55
  sparsec selftest --on=cortex-m55 --cc=clang -q       by another compiler, only what fails
  sparsec selftest --on=cortex-m55 -o selftest         the C of it, to run on a board
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec selftest",
        description="Run every kernel of a core on QEMU, or on this machine, next to CMSIS-NN on the same layers, and print "
        "PASS or FAIL for each kernel and row of weights. Exit code 1 if any failed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        "--on", choices=RUNNABLE, default="cortex-m55", help="where to run; default cortex-m55"
    )
    add_cc_option(result)
    result.add_argument("--cmsis-nn", type=Path, metavar="DIR", help="CMSIS-NN to hold kernels to")
    result.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="write the C project there and do not run it: sparsec_selftest of selftest.h, which is given a function that "
        "prints",
    )
    result.add_argument(
        "-q", "--quiet", action="store_true", help="print no progress, and FAIL lines alone"
    )
    return result


def main(arguments: Sequence[str]) -> int:
    """`sparsec selftest`: 0 if every row passed, 1 if not."""
    args = parser().parse_args(arguments)
    words = ["selftest.mlir", f"--target={args.on}", "--plan-seconds=0"]
    if args.cmsis_nn is not None:
        words.append(f"--cmsis-nn={args.cmsis_nn}")
    compiler = Parser(prog="sparsec selftest")
    add_model_options(compiler)
    options = compiler.parse_args(words)
    with progress(args.quiet) as report:
        report("compiling the kernels")
        test, files = compiled_files(options, cpu_named(args.on))
        lines = [] if args.output is not None else run(args, options, files)
    layers = len(test.checks)
    if args.output is not None:
        write_files(files, args.output)
        print(f"{layers} layers in {args.output}, whose selftest.h says how to run them")
        return 0
    failed = [line for line in lines if not line.startswith("PASS ")]
    for line in failed if args.quiet else lines:
        print(line)
    passed = len(lines) - len(failed)
    print(f"{passed} of {len(lines)} rows of {layers} layers pass on {args.on}")
    return 1 if failed else 0


def run(args: argparse.Namespace, options: argparse.Namespace, files: dict[str, str]) -> list[str]:
    """What the program prints."""
    with tempfile.TemporaryDirectory(prefix="sparsec-") as directory:
        project = Path(directory, "selftest")
        write_files(on_harness(files), project)
        inputs = [np.zeros((1, each.bytes), np.int8) for each in read_project(project).inputs]
        try:
            result = run_project(
                project, args.on, inputs, cmsis_nn=cmsis_nn_directory(options), cc=Cc(args.cc)
            )
        except RunError as error:
            raise UserError(str(error)) from error
    return result.printed.splitlines()
