# SPDX-License-Identifier: Apache-2.0
"""`sparsec run MODEL --on CPU --input x.npy`: build, run, and compare with the interpreter."""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import dequantized
from sparsec.ir.borders import converts_as_tflite
from sparsec.run.cpus import RUNNABLE
from sparsec.run.errors import RunError
from sparsec.run.execute import RunResult, run_project
from sparsec.run.profile.profile import Profile, profile_project
from sparsec.run.self_test import SelfTestRun, run_self_test
from sparsec.run.toolchain import COMPILERS, Cc
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.console import progress
from sparsec.tools.emission import cmsis_nn_directory, project_files, write_files
from sparsec.tools.errors import UserError
from sparsec.tools.inputs import as_bytes, read_inputs
from sparsec.tools.options import Parser, add_model_options, add_self_test_option, hides_progress
from sparsec.tools.profile_table import print_profile, profile_report
from sparsec.tools.semantics import input_shapes, input_types

Array: TypeAlias = np.ndarray[Any, Any]
SCHEMA_VERSION = 1
INT8 = np.dtype(np.int8)
EXAMPLES = """\
examples:
  sparsec run lenet.pt --on=host --input=x.npy
  sparsec run lenet.pt --on=cortex-m55 --input=x.npy --json
  sparsec run lenet.pt --on=cortex-m4 --profile
  sparsec run lenet.pt --on=cortex-m55 --cc=clang
  sparsec run lenet.pt --on=cortex-m4 --self-test=images.npz
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec run",
        description="Compile a model, build it, run it on this machine or on QEMU, and compare "
        "every output byte with the interpreter. Exit code 1 if any differs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_model_options(result)
    result.add_argument(
        "--on",
        choices=RUNNABLE,
        default="host",
        help="where to run; default host. "
        "Code for cortex-m85 runs on QEMU's Cortex-M55, which has its instructions except for branch protection",
    )
    add_cc_option(result)
    result.add_argument(
        "--input",
        action="append",
        metavar="FILE",
        help=".npy with inputs, float32 (quantized first) or int8, the integers themselves where the network takes others, one sample or N of them, e.g. "
        "x.npy; repeat for models with several inputs; default: one random input",
    )
    result.add_argument(
        "--profile",
        action="store_true",
        help="instructions, exact, and cycles, estimated, of each layer and the hottest functions, "
        "for the first sample; needs a Cortex-M in --on, e.g. --on=cortex-m4",
    )
    add_self_test_option(result)
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress or warnings")
    return result


def add_cc_option(parser: argparse.ArgumentParser) -> None:
    """The compiler of whatever `execute` builds."""
    parser.add_argument(
        "--cc",
        choices=COMPILERS,
        default="gcc",
        help="what compiles for the device, e.g. clang, which is Debian's clang-22 and links with gcc's libraries; "
        "default gcc. Code for cortex-m85 is that of a Cortex-M55 unless the compiler knows it, as clang does",
    )


def execute(
    args: argparse.Namespace,
    compilation: Compilation,
    inputs: Sequence[Array],
    report_progress: Callable[[str], None],
    profile: bool = False,
) -> tuple[RunResult, Profile | None]:
    """Build the project in a temporary place and run it on `args.on`, with `profile` under the profiler."""
    files, cc = project_files(args, compilation), Cc(args.cc)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as directory:
        project = Path(directory) / compilation.name
        write_files(files, project)
        flat = [as_bytes(array) for array in inputs]
        cmsis_nn = cmsis_nn_directory(args)
        try:
            if profile:
                return profile_project(
                    project, args.on, flat, cmsis_nn=cmsis_nn, cc=cc, progress=report_progress
                )
            result = run_project(
                project, args.on, flat, cmsis_nn=cmsis_nn, cc=cc, progress=report_progress
            )
            return result, None
        except RunError as error:
            raise UserError(str(error)) from error


def run_and_compare(
    args: argparse.Namespace, compilation: Compilation, report_progress: Callable[[str], None]
) -> tuple[dict[str, Any], list[Array]]:
    """The report of a run, and the outputs as the device gives them, [N, ..]."""
    if compilation.quantized is None:
        raise UserError("sparsec run compares with the int8 network: give a model, nn or qnn IR")
    inputs = read_inputs(
        args.input,
        input_shapes(compilation.quantized),
        input_types(compilation.quantized),
        compilation.inputs,
        converts_as_tflite(compilation.quantized),
    )
    report_progress("interpreting")
    expected = interpret(compilation.quantized, inputs)
    result, profile = execute(args, compilation, inputs, report_progress, args.profile)
    outputs = [
        array.view(reference.dtype).reshape(reference.shape)
        for array, reference in zip(result.outputs, expected, strict=True)
    ]
    counts = result.instructions
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": compilation.name,
        "on": args.on,
        "samples": len(inputs[0]),
        "outputs": [array.tolist() for array in outputs],
        "instructions": None if counts is None else counts.tolist(),
        "mismatches": sum(
            int(np.count_nonzero(array.view(np.int8) != as_bytes(reference).reshape(array.shape)))
            for array, reference in zip(result.outputs, expected, strict=True)
        ),
        "bytes_compared": sum(array.nbytes for array in outputs),
    }
    if profile is not None:
        report["profile"] = profile_report(profile)
    return report, outputs


def print_report(report: dict[str, Any], real: Sequence[Array]) -> None:
    """The outputs of each sample in real numbers, instructions and mismatches as lines of text."""
    for sample in range(report["samples"]):
        for index, output in enumerate(real):
            label = f"sample {sample}" + (f" output {index}" if len(real) > 1 else "")
            values = " ".join(f"{value:.6g}" for value in output[sample].reshape(-1)[:16])
            print(f"{label}: {values}{' ..' if output[sample].size > 16 else ''}")
    if counts := report["instructions"]:
        low, high = min(counts), max(counts)
        spread = "" if low == high else f" ({low:,} to {high:,})"
        print(f"instructions per inference: {round(sum(counts) / len(counts)):,}{spread}")
    print(f"mismatches: {report['mismatches']} of {report['bytes_compared']} bytes")
    if "profile" in report:
        print_profile(report["profile"], report["on"])


def self_test(args: argparse.Namespace) -> int:
    """Build and run the self-test of a network, and print what it does: 0 if every byte was the interpreter's."""
    if args.profile or args.json or args.input is not None:
        raise UserError(
            "--self-test has samples and prints a report of its own: leave --input, --profile and --json out"
        )
    ran: SelfTestRun | None = None
    with progress(hides_progress(args)) as report_progress:
        compilation = compile_model(args, "c", report_progress)
        if not args.print_pipeline:
            files = project_files(args, compilation)
            ran = built_and_tested(args, compilation.name, files, report_progress)
    if ran is None:
        print(compilation.pipeline)
        return 0
    print(ran.text, end="")
    return 0 if ran.passed else 1


def built_and_tested(
    args: argparse.Namespace,
    name: str,
    files: dict[str, str],
    report_progress: Callable[[str], None],
) -> SelfTestRun:
    """What the self-test among the files of a project does on `args.on`."""
    cmsis_nn, cc = cmsis_nn_directory(args), Cc(args.cc)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as directory:
        project = Path(directory) / name
        write_files(files, project)
        try:
            return run_self_test(
                project, args.on, cmsis_nn=cmsis_nn, cc=cc, progress=report_progress
            )
        except RunError as error:
            raise UserError(str(error)) from error


def main(arguments: Sequence[str]) -> int:
    """`sparsec run`: 0 if the device gave the bytes of the interpreter, 1 if not."""
    args = parser().parse_args(arguments)
    args.target = args.target or args.on
    if args.profile and args.on == "host":
        raise UserError("--profile counts on QEMU: add --on=cortex-m4, or another Cortex-M")
    if args.self_test is not None:
        return self_test(args)
    report: dict[str, Any] = {}
    outputs: list[Array] = []
    with progress(hides_progress(args)) as report_progress:
        compilation = compile_model(args, "c", report_progress)
        if not args.print_pipeline:
            report, outputs = run_and_compare(args, compilation, report_progress)
    if args.print_pipeline:
        print(compilation.pipeline)
        return 0
    if args.json:
        print(json.dumps(report))
    else:
        known = len(compilation.outputs) == len(outputs)
        print_report(report, dequantized(outputs, compilation.outputs) if known else outputs)
    return 1 if report["mismatches"] else 0
