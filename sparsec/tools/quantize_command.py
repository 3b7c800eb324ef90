# SPDX-License-Identifier: Apache-2.0
"""`sparsec quantize MODEL`: make an exported float network int8, from data or by training, and write it."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec.frontends import FrontendError, load, numpy_files
from sparsec.passes.calibrate import arrays_for
from sparsec.quiet import only_our_messages
from sparsec.tools.accuracy_command import int8_outputs, top
from sparsec.tools.console import progress
from sparsec.tools.emission import write_bytes
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser
from sparsec.tools.torch_comparison import (
    Array,
    Comparison,
    compare_with_torch,
    compile_quantized,
)
from sparsec.tools.training_options import (
    add_training_options,
    check_training,
    read_program,
    read_samples,
    settings_of,
)

if TYPE_CHECKING:
    from sparsec.compress.data import Samples
    from sparsec.compress.quantization import Prepared
    from sparsec.frontends.programs import Program

SCHEMA_VERSION = 1
OBSERVERS = ("histogram", "min-max")
COMPARED = 64
"""Samples at most on which the int8 network is held to torch."""

EXAMPLES = """\
With --calibrate ranges are found from data; with --data the network is trained with int8 simulated, batch norms too, and
weights that are zero stay zero. What is written has int8 weights and scales of its own: sparsec compiles just these, and
the numbers of the chip are those of torch or their neighbours. Calls that have no int8 form of their own are listed; the
compiler quantizes those where it can, with --calibrate. In Python: sparsec.compress.quantization.

examples:
  sparsec quantize lenet.pt --calibrate=images.npz -o int8.pt2
  sparsec quantize lenet.pt --calibrate=images.npz --ranges=min-max   all that was seen, not what errs least
  sparsec quantize lenet.pt --data=train.npz --epochs=2 --test=test.npz --learning-rate=0.0003
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec quantize",
        description="Make a float network of torch.export.save int8, by torchao's PT2E flow and annotated for just what the "
        "compiler runs. It needs torchao: pip install sparsec[compress].",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        "model", metavar="MODEL", help="a float program of torch.export.save (.pt2)"
    )
    result.add_argument(
        "--calibrate",
        metavar="FILE",
        help=".npy or .npz with inputs [N, ..] in torch's layout, to find ranges from, e.g. images.npz",
    )
    result.add_argument(
        "--ranges",
        choices=OBSERVERS,
        default="histogram",
        help="with --calibrate: ranges of the smallest error, or of all that was seen; default histogram, e.g. min-max",
    )
    add_training_options(result)
    result.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the int8 network; default NAME-int8.pt2, e.g. int8.pt2",
    )
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress or warnings")
    return result


def check_options(args: argparse.Namespace) -> None:
    """UserError where the options contradict each other, or torchao is missing."""
    if (args.calibrate is None) == (args.data is None):
        raise UserError(
            "give --calibrate=FILE.npz, or --data=FILE.npz to train with int8 simulated"
        )
    check_training(args, parser())
    try:
        import sparsec.compress.pt2e  # pyright: ignore[reportUnusedImport]  # noqa: F401
    except ImportError as error:
        raise UserError(str(error)) from error


def calibration_data(args: argparse.Namespace, program: "Program") -> list[Array]:
    """Inputs [N, ..] as the program takes them. UserError where they do not fit."""
    from sparsec.frontends.programs import as_taken, input_shapes

    path = Path(args.calibrate)
    try:
        arrays = arrays_for(numpy_files.read_arrays(path), program.input_names, path)
    except ValueError as error:
        raise UserError(f"cannot read calibration data from {path}: {error}") from error
    except Exception as error:  # PassFailedException, which says what the file holds
        raise UserError(str(error)) from error
    for name, array, shape in zip(program.input_names, arrays, input_shapes(program), strict=True):
        if array.dtype.kind not in "fiu" or array.ndim == 0 or array.shape[1:] != shape[1:]:
            wanted = ", ".join(["N", *map(str, shape[1:])])
            raise UserError(
                f"{path}: input {name} must be numbers of shape [{wanted}], not {array.dtype} {list(array.shape)}"
            )
        if not np.isfinite(array).all():
            raise UserError(f"{path}: input {name} has numbers that are not finite")
    counts = {len(array) for array in arrays}
    at_once = program.batch or 1
    if len(counts) != 1 or 0 in counts or min(counts) < at_once:
        raise UserError(
            f"{path}: the inputs have {', '.join(map(str, sorted(counts)))} samples, and must have as many each"
            + (f", {at_once} or more" if at_once > 1 else "")
        )
    try:
        return as_taken(program, arrays)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def trained(
    args: argparse.Namespace, program: "Program"
) -> tuple["Prepared", list[Array], dict[str, Any]]:
    """What was trained with int8 simulated, the data, and what is to be told of it."""
    from sparsec.compress.quantization import prepare_qat, static_masks
    from sparsec.compress.training import accuracy_of, fit

    if program.batch is not None:
        raise UserError(
            f"{args.model} runs {program.batch} samples at once: to train it export it with an open batch, "
            "dynamic_shapes=({0: torch.export.Dim.AUTO},)"
        )
    if next(program.parameters(), None) is None:
        raise UserError(f"{args.model} has no weights to train: give --calibrate")
    settings = settings_of(args)
    data = read_samples(args.data, args.labels, program, args.batch)
    test = None if args.test is None else read_samples(args.test, args.labels, program, 1024)
    before = None if test is None else accuracy_of(program, test)
    prepared = prepare_qat(program, [data.inputs[:8]], static_masks(program))
    history = fit(
        prepared.module,
        data,
        settings,
        test=test,
        folder=args.folder,
        track=args.track,
        quiet=args.quiet or args.json,
    )
    zeros = sum(int((mask == 0).sum()) for mask in prepared.masks.values() if mask.dim() > 1)
    told = {
        "epochs": len(history),
        "loss": history[-1].loss,
        "zeros_held": zeros,
        "accuracy_float": before,
        "accuracy_simulated": history[-1].accuracy,
    }
    return prepared, [data.inputs.numpy()], told


def accuracy_int8(output: Path, test: "Samples") -> float:
    """The share of samples that the int8 network gets right, by the interpreter."""
    _, outputs = int8_outputs(compile_quantized(output), [test.inputs.numpy()])
    return top(outputs[0].reshape(len(test.labels), -1), test.labels.numpy(), 1)


def held_to_torch(program: "Program", output: Path, arrays: Sequence[Array]) -> Comparison | None:
    """What was written against torch on some samples; None where the program runs too many at once."""
    at_once = program.batch or 1
    count = min(COMPARED, len(arrays[0])) // at_once * at_once
    return compare_with_torch(output, [array[:count] for array in arrays]) if count else None


def main(arguments: Sequence[str]) -> int:
    """`sparsec quantize`."""
    args = parser().parse_args(arguments)
    check_options(args)
    from sparsec.compress.quantization import convert
    from sparsec.compress.ranges import ranges_from
    from sparsec.frontends.modules import saved

    output = args.output or Path(f"{Path(args.model).stem}-int8.pt2")
    told: dict[str, Any] = {}
    with only_our_messages():
        program = read_program(args.model)
        try:
            load(Path(args.model))  # what cannot be compiled is refused before it is trained
        except FrontendError as error:
            raise UserError(str(error)) from error
        try:
            if args.data is None:
                arrays = calibration_data(args, program)
                with progress(args.quiet) as report_progress:
                    prepared = ranges_from(program, arrays, args.ranges, report_progress)
            else:
                prepared, arrays, told = trained(args, program)
            content = saved(convert(prepared))
        except (ValueError, FrontendError) as error:
            raise UserError(f"{args.model}: {error}") from error
    write_bytes(content, output)
    compared = None
    if not prepared.left_in_float:
        compared = held_to_torch(program, output, arrays)
        if args.data is not None and args.test is not None:
            test = read_samples(args.test, args.labels, program, 1024)
            told["accuracy"] = accuracy_int8(output, test)
    report = report_of(prepared, output, compared, told)
    if args.json:
        print(json.dumps(report, indent=2))
    elif not args.quiet:
        summarize(report)
    return 0


def report_of(
    prepared: "Prepared", output: Path, compared: Comparison | None, told: dict[str, Any]
) -> dict[str, Any]:
    """What --json prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "output": str(output),
        "left_in_float": list(prepared.left_in_float),
        "torch": None
        if compared is None
        else {
            "samples": compared.samples,
            "compared": compared.compared,
            "differing": compared.differing,
            "largest_steps": compared.largest,
        },
        **told,
    }


def summarize(report: dict[str, Any]) -> None:
    """The report as lines."""
    if report["left_in_float"]:
        print(f"in float   {', '.join(report['left_in_float'])}: compile with --calibrate")
    if (torch := report["torch"]) is not None:
        share = torch["differing"] / torch["compared"]
        print(
            f"torch      {torch['differing']:,} of {torch['compared']:,} outputs differ from torch's ({share:.2%}), "
            f"by {torch['largest_steps']} steps at most"
        )
    if "epochs" in report:
        print(f"trained    {report['epochs']} epochs, loss {report['loss']:.4f}")
        if report["zeros_held"]:
            print(f"zeros      {report['zeros_held']:,} stayed zero")
    if report.get("accuracy_float") is not None:
        int8 = f", {report['accuracy']:.4f} in int8" if "accuracy" in report else ""
        print(f"accuracy   {report['accuracy_float']:.4f} in float{int8}")
    print(f"written to {report['output']}")
