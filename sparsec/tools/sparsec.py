# SPDX-License-Identifier: Apache-2.0
"""`sparsec`: the compiler. `sparsec MODEL --emit=c` writes C; other commands look at networks.

What compiles is imported once the options are read, so that --help and mistakes answer at once.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sparsec import pipelines
from sparsec.tools.errors import UserError, guarded
from sparsec.tools.options import (
    Parser,
    add_model_options,
    add_self_test_option,
    hides_progress,
    search_hint,
)

EXAMPLES = """\
examples:
  sparsec lenet.pt --emit=c -o lenet                   C for Cortex-M4, calibrated by its examples
  sparsec lenet.pt --calibrate=images.npz --target=cortex-m55
  sparsec lenet.pt --objective=flash --ram=64K         the smallest, in an arena of at most 64 KiB
  sparsec lenet.pt --plan-seconds=60                   a longer search where no plan is proven the smallest
  sparsec lenet.pt --memory=dtcm=4K --memory=sram=64K  what is used most in the fastest memory
  sparsec lenet.pt --memory=dtcm=4K --memory=sram=64K --recipe="conv2: in dtcm; fc3.weight: in dtcm"
                                                       what conv2 writes, and a constant, where one says
  sparsec lenet.pt --io=caller                         inputs and outputs where the caller has them
  sparsec lenet.pt --recipe="conv*: delta8; fc3: dense"
                                                       formats by the names of layers
  sparsec kws.tflite --int8-io -o kws                  no float32 conversions in kws.h
  sparsec lenet.pt --emit=qnn --elide-constants-larger-than=16
  sparsec lenet.pt --emit=qnn | sparsec - --emit=c     go on from IR text
  sparsec lenet.pt --emit=plan                         what lies where in the arena, and when
  sparsec lenet.pt --emit=plan-svg -o plan.svg         the same as a picture
  sparsec kws.tflite --emit=tflm-plan -o planned.tflite
                                                       TFLite Micro's kernels in our memory plan
  sparsec lenet.pt --emit=weights-txt -o weights       int8 weights and biases as text, scales as JSON
  sparsec lenet.pt --self-test=images.npz              a program that tests the network on the device
  sparsec tensors/ --name=tinyformer                   a network of sparse-engine, from its folder
  sparsec run lenet.pt --on=cortex-m4 --input=x.npy    build, run on QEMU, compare
"""


def parser() -> argparse.ArgumentParser:
    """The options of the compiler."""
    result = Parser(
        prog="sparsec",
        description="Compile a PyTorch or int8 TensorFlow Lite model to C for Cortex-M. Also: "
        "sparsec run builds and runs it, sparsec accuracy says how far int8 is from float and what would help, "
        "sparsec analyze shows what each layer costs, "
        "sparsec diff compares two models, sparsec formats shows the bytes of a weight tensor "
        "in each storage format, sparsec explain why each layer is stored as it is, "
        "sparsec pareto what flash and latency can be had, sparsec what-if what zeros would be worth, "
        "sparsec sensitivity how much each layer minds, sparsec prune puts them in, "
        "sparsec quantize makes a network int8 from data or by training, "
        "sparsec search looks for what each layer should become, "
        "sparsec compress-tflite stores the weights of a .tflite file as dCSR, "
        "sparsec selftest holds every kernel to CMSIS-NN "
        "(each has --help).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_model_options(result)
    add_self_test_option(result)
    result.add_argument(
        "--emit",
        choices=(*pipelines.STAGES, "tflm-plan", "weights-txt", "weights-bin"),
        default="c",
        help="what to write: IR text of a level, C, the memory plan as a table or a picture, or "
        "tflm-plan, the .tflite file with a memory plan for TensorFlow Lite Micro, or weights-txt and weights-bin, the "
        "int8 weights alone in FPGAI's layouts with a JSON of exact scales; default c",
    )
    result.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="directory of the C project, default ./NAME; file of IR text or of the memory plan, "
        "default stdout; of tflm-plan there is no default",
    )
    result.add_argument(
        "--json", action="store_true", help="print report.json or the memory plan, not a table"
    )
    result.add_argument(
        "-q", "--quiet", action="store_true", help="print no progress, warnings or report"
    )
    return result


def summarize(report: dict[str, Any]) -> None:
    """What was written, as a table of layers and some lines."""
    from sparsec.tools.console import print_table

    rows = [
        (
            layer["name"],
            layer["kernel"],
            layer["format"],
            layer["layout"],
            f"{layer['density']:.2f}",
            layer["macs_effective"],
            layer["weight_bytes_stored"],
            layer["scratch_bytes"],
        )
        for layer in report["layers"]
    ]
    columns = (
        *("layer", "kernel", "format", "layout", "density"),
        *("MACs", "weights B", "scratch B"),
    )
    print_table(f"{report['name']} for {report['target']}", columns, rows)
    stored, dense = report["flash_weight_bytes_stored"], report["flash_weight_bytes_dense"]
    print(f"constants  {stored:,} B in flash ({dense:,} B if all were dense)")
    print(f"flash      {report['flash_bytes']:,} B with {report['flash_code_bytes']:,} B of code")
    if report["smaller"] is not None:
        print(f"smaller    {smaller_text(report['smaller'])}")
    print(f"arena      {arena_text(report)}")
    if report["arena_status"] != "optimal":
        print(f"not proven {search_hint()}")
    for memory in report["memories"]:
        if memory["capacity_bytes"] is not None:
            constants = memory["constant_bytes"]
            used, capacity = memory["bytes"] + constants, memory["capacity_bytes"]
            of_them = f", {constants:,} B of them constants" if constants else ""
            print(f"{memory['name']:<10} {used:,} B of {capacity:,} B{of_them}")
    if report["arena_peak"] is not None:
        print(f"peak       {peak_text(report['arena_peak'])}")


def takes_layout(args: argparse.Namespace) -> bool:
    """Whether --input-layout could be another one: of other files than those of torch it says nothing."""
    return args.input_layout == "nchw" and not args.model.endswith((".tflite", ".mlir", "-"))


def moves_text(moves: dict[str, Any]) -> str:
    """What the entry does to images whose channels come first."""
    saved = f" and about {moves['arena_bytes']:,} B of the arena" if moves["arena_bytes"] else ""
    return (
        f"channels come first: --input-layout=nhwc takes images with channels last and spares the moving of "
        f"{moves['bytes_moved']:,} B{saved}"
    )


def smaller_text(smaller: dict[str, Any]) -> str:
    """What another objective saves; strips, whose code comes later, are not in it."""
    return (
        f"--objective={smaller['objective']} by {smaller['flash_bytes_saved']:,} B for "
        f"{smaller['estimated_cycles_more_percent']:+.1f} % estimated cycles "
        f"(dense weights by {smaller['flash_bytes_saved_dense']:,} B)"
    )


def arena_text(report: dict[str, Any]) -> str:
    """The arena and the bounds on it: of any plan of these calls, and of one in which no output lies over its input.

    The latter is about one arena, so nothing is said of it where there are several memories, nor where the other says more.
    """
    bound, live = report["arena_lower_bound_bytes"], report["arena_live_bytes"]
    apart = ""
    if live is not None and live > bound and len(report["memories"]) == 1:
        apart = f", none without overlaps less than {live:,} B"
    return (
        f"{report['arena_bytes']:,} B in RAM, {report['arena_status']} "
        f"(no plan needs less than {bound:,} B{apart})"
    )


def peak_text(peak: dict[str, Any]) -> str:
    """`conv3: 36,864 B = input 18,432 + output 18,432`."""
    from sparsec.analysis.memory.live_bytes import sum_text

    parts = [(buffer["role"], buffer["bytes"]) for buffer in peak["buffers"]]
    return f"{peak['layer']}: {peak['bytes']:,} B = {sum_text(parts, peak['shared_bytes'])}"


def compile_command(arguments: Sequence[str]) -> int:
    """`sparsec MODEL`: compile and write."""
    args = parser().parse_args(arguments)
    if args.emit == "tflm-plan":
        from sparsec.tools.tflm_plan import write_planned

        return write_planned(args)

    if args.emit.startswith("weights"):
        return weights_command(args)

    from sparsec.tools.compilation import compile_model
    from sparsec.tools.console import progress
    from sparsec.tools.emission import project_files, write_files, write_text
    from sparsec.tools.plan_emission import check_plan_options, write_plan
    from sparsec.tools.printing import module_text

    check_plan_options(args)
    if args.self_test is not None and args.emit != "c":
        raise UserError(f"--self-test writes C, and --emit={args.emit} does not")
    files: dict[str, str] = {}
    with progress(hides_progress(args)) as report_progress:
        compilation = compile_model(args, args.emit, report_progress)
        if args.emit == "c" and not args.print_pipeline:
            report_progress("writing C")
            files = project_files(args, compilation)
    if args.print_pipeline:
        print(compilation.pipeline)
        return 0
    if args.emit.startswith("plan"):
        write_plan(args, compilation)
        return 0
    if args.emit != "c":
        write_text(module_text(compilation.module, args.elide_constants_larger_than), args.output)
        return 0
    directory = args.output or Path(compilation.name)
    write_files(files, directory, None if args.output else compilation.named_after)
    if args.json:
        sys.stdout.write(files["report.json"])
    elif not args.quiet:
        report = json.loads(files["report.json"])
        summarize(report)
        if report["input_moves"] is not None and takes_layout(args):
            print(f"input      {moves_text(report['input_moves'])}")
        if compilation.accuracy is not None:
            print(f"accuracy   {compilation.accuracy.text}")
        print(f"written to {directory}")
    return 0


def weights_command(args: argparse.Namespace) -> int:
    """`--emit=weights-txt` and `weights-bin`."""
    from sparsec.tools.compilation import compile_model
    from sparsec.tools.console import progress
    from sparsec.tools.weights_emission import write_weights

    with progress(hides_progress(args)) as report_progress:
        compilation = compile_model(args, "qnn", report_progress)
    if args.print_pipeline:
        print(compilation.pipeline)
        return 0
    write_weights(args, compilation)
    return 0


def run_command(arguments: Sequence[str]) -> int:
    """`sparsec run MODEL`: build, run and compare."""
    from sparsec.tools import run_command

    return run_command.main(arguments)


def analyze_command(arguments: Sequence[str]) -> int:
    """`sparsec analyze MODEL`: what each layer costs."""
    from sparsec.tools import analyze_command

    return analyze_command.main(arguments)


def diff_command(arguments: Sequence[str]) -> int:
    """`sparsec diff A B`: compare two networks."""
    from sparsec.tools import diff_command

    return diff_command.main(arguments)


def formats_command(arguments: Sequence[str]) -> int:
    """`sparsec formats WEIGHTS`: bytes in each storage format."""
    from sparsec.tools import formats_command

    return formats_command.main(arguments)


def explain_command(arguments: Sequence[str]) -> int:
    """`sparsec explain MODEL`: every way to store each layer, and why one won."""
    from sparsec.tools import explain_command

    return explain_command.main(arguments)


def pareto_command(arguments: Sequence[str]) -> int:
    """`sparsec pareto MODEL`: the front of flash against latency."""
    from sparsec.tools import pareto_command

    return pareto_command.main(arguments)


def accuracy_command(arguments: Sequence[str]) -> int:
    """`sparsec accuracy MODEL`: int8 against float, and what would help."""
    from sparsec.tools import accuracy_command

    return accuracy_command.main(arguments)


def what_if_command(arguments: Sequence[str]) -> int:
    """`sparsec what-if MODEL`: what zeros would be worth."""
    from sparsec.tools import what_if_command

    return what_if_command.main(arguments)


def prune_command(arguments: Sequence[str]) -> int:
    """`sparsec prune MODEL`: put zeros into a network."""
    from sparsec.tools import prune_command

    return prune_command.main(arguments)


def sensitivity_command(arguments: Sequence[str]) -> int:
    """`sparsec sensitivity MODEL`: accuracy with one layer pruned at a time."""
    from sparsec.tools import sensitivity_command

    return sensitivity_command.main(arguments)


def quantize_command(arguments: Sequence[str]) -> int:
    """`sparsec quantize MODEL`: int8 from data or by training."""
    from sparsec.tools import quantize_command

    return quantize_command.main(arguments)


def search_command(arguments: Sequence[str]) -> int:
    """`sparsec search MODEL`: look for what each layer should become."""
    from sparsec.tools import search_command

    return search_command.main(arguments)


def compress_tflite_command(arguments: Sequence[str]) -> int:
    """`sparsec compress-tflite FILE`: sparse weights stored as dCSR."""
    from sparsec.tools import compress_tflite_command

    return compress_tflite_command.main(arguments)


def selftest_command(arguments: Sequence[str]) -> int:
    """`sparsec selftest`: every kernel against CMSIS-NN, row by row."""
    from sparsec.tools import selftest_command

    return selftest_command.main(arguments)


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "accuracy": accuracy_command,
    "analyze": analyze_command,
    "compress-tflite": compress_tflite_command,
    "diff": diff_command,
    "explain": explain_command,
    "formats": formats_command,
    "pareto": pareto_command,
    "prune": prune_command,
    "quantize": quantize_command,
    "run": run_command,
    "search": search_command,
    "selftest": selftest_command,
    "sensitivity": sensitivity_command,
    "what-if": what_if_command,
}
"""Commands by their first word; without one, `sparsec` compiles."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sparsec`; exits with the code of `sparsec.tools.errors`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command, rest = compile_command, given
    if given and given[0] in COMMANDS:
        command, rest = COMMANDS[given[0]], given[1:]
    sys.exit(guarded(lambda: command(rest), shlex.join(["sparsec", *given])))


if __name__ == "__main__":
    main()
