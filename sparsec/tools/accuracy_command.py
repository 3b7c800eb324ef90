# SPDX-License-Identifier: Apache-2.0
"""`sparsec accuracy MODEL --data FILE.npz`: float, int8 and a device on the same samples, and what would make int8 better."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp, i32
from xdsl.dialects.func import FuncOp
from xdsl.utils.exceptions import PassFailedException

from sparsec.frontends import numpy_files
from sparsec.interpreters.signature import dequantized, quantized
from sparsec.ir.borders import converts_as_tflite
from sparsec.ir.shapes import element_type, shape_of
from sparsec.passes.calibrate import (
    arrays_for,
    check_inputs,
    input_names,
    main_of,
    outputs_of,
    samples_at_once,
)
from sparsec.run.cpus import RUNNABLE
from sparsec.tools.accuracy import LayerAccuracy, accuracy
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.console import print_table, progress
from sparsec.tools.errors import UserError
from sparsec.tools.labels import check_labels, take_labels
from sparsec.tools.options import Parser, add_model_options, hides_progress
from sparsec.tools.run_command import add_cc_option, execute

Array: TypeAlias = np.ndarray[Any, Any]
SCHEMA_VERSION = 1

LEAST_GAIN_DB = 0.1
"""What an option must be worth to be called a help."""

Choice: TypeAlias = Mapping[str, Any]

OBSERVERS: Mapping[str, Choice] = {
    "--observer=percentile": {"observer": "percentile", "percentile": None},
    "--observer=percentile --percentile=99.9": {"observer": "percentile", "percentile": 99.9},
    "--observer=mse": {"observer": "mse", "percentile": None},
    "--observer=auto": {"observer": "auto", "percentile": None},
}
"""Of which one may be chosen."""

OTHERS: Mapping[str, Choice] = {
    "--equalize": {"equalize": True},
    "--correct-biases": {"correct_biases": True},
}
"""Which go with any."""

EXAMPLES = """\
columns:
  dB                signal-to-noise ratio of all outputs against the float network's: six more are half the error
  indices as float  share of the numbers of outputs that are indices
  arg max as float  share of the samples
  top-1, top-5      share of the samples whose label is the largest output, or among the five largest

examples:
  sparsec accuracy lenet.pt2 --data=test.npz --labels=labels         the labels are an array of test.npz
  sparsec accuracy lenet.pt --data=x.npy --labels=y.npy --on=cortex-m4 --no-advice
  sparsec accuracy lenet.pt --data=images.npz --layers --no-advice   the error that each layer adds
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec accuracy",
        description="Run the float and the int8 network on the same samples, and tell how far apart they are, how often "
        "each is right, and which options of the quantization help, each measured on these samples. Calibration is that of "
        "sparsec MODEL; other samples than those that calibrate tell more.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_model_options(result)
    result.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help=".npy or .npz with inputs [N, ..] as the network takes them, see --input-layout, e.g. test.npz",
    )
    result.add_argument(
        "--labels",
        metavar="NAME|FILE",
        help="the right class of each sample as whole numbers [N]: an array of --data, e.g. labels, or a .npy file, e.g. "
        "y.npy",
    )
    result.add_argument(
        "--on",
        choices=RUNNABLE,
        help="run there too and compare every byte with the interpreter, e.g. --on=cortex-m4",
    )
    add_cc_option(result)
    result.add_argument(
        "--layers", action="store_true", help="a table of the error that each layer adds"
    )
    result.add_argument(
        "--no-advice",
        dest="advice",
        action="store_false",
        help="do not try what would help, which quantizes the network eight times, e.g. for a large one",
    )
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress or warnings")
    return result


@dataclass(frozen=True)
class Quality:
    """How good the outputs of a network are; None where there is nothing to compare with."""

    snr_db: float | None
    """Of all outputs in real numbers against float, None where nothing differs or there is no float network."""
    same_numbers: float | None
    """The share of equal numbers of integer outputs, which are indices; None without one."""
    same_arg_max: float | None
    top_1: float | None
    top_5: float | None


@dataclass(frozen=True)
class Data:
    """The samples: inputs [N, ..] and labels [N]."""

    inputs: list[Array]
    labels: Array | None


def read_data(args: argparse.Namespace, int8: ModuleOp) -> Data:
    """The samples that `args` names, for the inputs of a network. UserError where they do not fit."""
    path = Path(args.data)
    try:
        arrays = dict(numpy_files.read_arrays(path))
    except ValueError as error:
        raise UserError(f"cannot read {path}: {error}") from error
    labels = None if args.labels is None else take_labels(arrays, args.labels, path)
    main = main_of(int8)
    try:
        inputs = check_inputs(main, arrays_for(arrays, input_names(main), path))
    except PassFailedException as error:
        raise UserError(str(error).replace("calibration data", "--data")) from error
    if labels is not None:
        check_labels(labels, len(inputs[0]), classes_of(main), "the first output")
    return Data(inputs, labels)


def classes_of(function: FuncOp) -> int:
    """How many classes the first output tells apart: it has a number for each, or is the index of one."""
    first = function.function_type.outputs.data[0]
    return prod(shape_of(first)) if element_type(first) != i32 else sys.maxsize


def int8_outputs(
    compilation: Compilation, inputs: Sequence[Array]
) -> tuple[list[Array], list[Array]]:
    """The int8 inputs of the network and what the interpreter gives for them."""
    assert compilation.quantized is not None
    given = quantized(inputs, compilation.inputs, converts_as_tflite(compilation.quantized))
    return given, outputs_of(compilation.quantized, given)


def quality(
    expected: Sequence[Array] | None, got: Sequence[Array], labels: Array | None
) -> Quality:
    """Of outputs in real numbers against those of the float network; labels are about the first output."""
    rows = [array.reshape(len(array), -1) for array in got]
    many = rows[0].shape[1] > 1
    pairs = [] if expected is None else list(zip(expected, got, strict=True))
    reals = [pair for pair in pairs if pair[1].dtype.kind == "f"]
    numbers = [pair for pair in pairs if pair[1].dtype.kind != "f"]
    return Quality(
        together(*zip(*reals, strict=True)) if reals else None,
        equal_share(numbers) if numbers else None,
        same_arg_max(expected[0], rows[0]) if expected is not None and many else None,
        None if labels is None else top(rows[0], labels, 1),
        None if labels is None or rows[0].shape[1] <= 5 else top(rows[0], labels, 5),
    )


def equal_share(pairs: Sequence[tuple[Array, Array]]) -> float:
    """Of the numbers of several outputs."""
    equal = sum(int(np.count_nonzero(real == found)) for real, found in pairs)
    return equal / sum(found.size for _, found in pairs)


def together(expected: Sequence[Array], got: Sequence[Array]) -> float | None:
    """Signal over noise of several outputs, which count the same whatever their size and unit."""
    noises: list[float] = []
    for real, found in zip(expected, got, strict=True):
        signal = np.broadcast_to(real, found.shape).astype(np.float64)
        noise = float(np.sum((signal - found) ** 2))
        noises.append(noise / max(float(np.sum(signal**2)), 1e-30))
    mean = sum(noises) / len(noises)
    return None if mean == 0.0 else -10 * math.log10(mean)


def same_arg_max(expected: Array, rows: Array) -> float:
    """The share of the samples."""
    best = expected.reshape(len(rows), -1).argmax(axis=1)
    return int(np.count_nonzero(best == rows.argmax(axis=1))) / len(rows)


def top(rows: Array, labels: Array, count: int) -> float:
    """The share of rows whose label is among the `count` largest, of equal ones the first first, or is the index they hold."""
    if rows.dtype.kind == "i" and rows.shape[1] == 1:
        return int(np.count_nonzero(rows[:, 0] == labels)) / len(rows)
    best = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    return int(np.count_nonzero((best == labels[:, np.newaxis]).any(axis=1))) / len(rows)


@dataclass(frozen=True)
class Advice:
    """Options and what they are worth."""

    options: str
    quality: Quality
    gain_db: float

    @property
    def helps(self) -> bool:
        """Whether it is worth an option."""
        return self.gain_db >= LEAST_GAIN_DB


class Trial:
    """One network on some samples, quantized in several ways."""

    def __init__(
        self, args: argparse.Namespace, data: Data, expected: Sequence[Array], base: Quality
    ):
        self.args, self.data, self.expected, self.base = args, data, expected, base

    def quality(self, choice: Choice) -> Quality:
        """With other options."""
        args = copy(self.args)
        args.quiet, args.import_check = True, False  # it was checked and warned of before
        for name, value in choice.items():
            setattr(args, name, value)
        compilation = compile_model(args, "qnn")
        _, outputs = int8_outputs(compilation, self.data.inputs)
        return quality(self.expected, dequantized(outputs, compilation.outputs), self.data.labels)

    def advice(self, options: str, choice: Choice) -> Advice:
        """What `choice`, written `options`, is worth."""
        found = self.quality(choice)
        gain = decibels(found) - decibels(self.base)
        return Advice(options, found, gain if math.isfinite(gain) else 0.0)

    def all(self, report_progress: Callable[[str], None]) -> list[Advice]:
        """Each option alone, then those that help together; the best first."""
        known = {**OBSERVERS, **OTHERS}
        tried: list[Advice] = []
        for options, alone in known.items():
            if any(getattr(self.args, name) != value for name, value in alone.items()):
                report_progress(f"trying {options}")
                tried.append(self.advice(options, alone))
        observers = [each for each in tried if each.options in OBSERVERS and each.helps]
        best = [max(observers, key=lambda each: each.gain_db)] if observers else []
        best += [each for each in tried if each.options in OTHERS and each.helps]
        if len(best) > 1:
            options = " ".join(each.options for each in best)
            choice: Choice = {k: v for each in best for k, v in known[each.options].items()}
            report_progress(f"trying {options}")
            tried.append(self.advice(options, choice))
        return sorted(tried, key=lambda each: -each.gain_db)


def decibels(found: Quality) -> float:
    """Infinite where nothing differs."""
    return math.inf if found.snr_db is None else found.snr_db


def measure(args: argparse.Namespace, report_progress: Callable[[str], None]) -> dict[str, Any]:
    """The report of the command."""
    compilation = compile_model(args, "qnn" if args.on is None else "c", report_progress)
    if compilation.quantized is None:
        raise UserError("sparsec accuracy takes a model, or nn or qnn IR")
    real = None if compilation.watch is None else compilation.watch.real
    if real is None and args.labels is None:
        raise UserError(
            f"{args.model} is quantized already, so there is no float network to compare with: give --labels"
        )
    data = read_data(args, compilation.quantized)
    report_progress("interpreting")
    given, int8 = int8_outputs(compilation, data.inputs)
    got = dequantized(int8, compilation.outputs)
    expected = None if real is None else outputs_of(real, data.inputs)
    base = quality(expected, got, data.labels)
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": compilation.name,
        "samples": len(data.inputs[0]),
        "float": None if expected is None else asdict(quality(expected, expected, data.labels)),
        "int8": asdict(base),
        "device": None,
        "layers": None,
        "advice": None,
    }
    if args.on is not None:
        result, _ = execute(args, compilation, given, report_progress)
        differing = sum(
            int(np.count_nonzero(found.reshape(reference.shape) != reference))
            for found, reference in zip(result.outputs, int8, strict=True)
        )
        report["device"] = {
            "on": args.on,
            "mismatches": differing,
            "bytes_compared": sum(array.size for array in int8),
        }
    if args.layers:
        report["layers"] = [asdict(layer) for layer in layers_of(args, compilation, data)]
    if args.advice and expected is not None and base.snr_db is not None:
        tried = Trial(args, data, expected, base).all(report_progress)
        report["advice"] = [
            {
                "options": each.options,
                "helps": each.helps,
                "gain_db": each.gain_db,
                **asdict(each.quality),
            }
            for each in tried
        ]
    return report


def layers_of(
    args: argparse.Namespace, compilation: Compilation, data: Data
) -> Sequence[LayerAccuracy]:
    """The layers on the first samples. UserError if the network never was in float."""
    watch = compilation.watch
    if watch is None or watch.real is None or watch.paired is None or compilation.quantized is None:
        raise UserError(
            f"--layers: {args.model} is quantized already, so no layer has a float one beside it"
        )
    count = samples_at_once(main_of(watch.real))
    inputs = [array[:count] for array in data.inputs]
    return accuracy(watch.real, watch.paired, compilation.quantized, inputs).layers


def share(value: float | None) -> str | None:
    """A share in a table."""
    return None if value is None else f"{value:.3f}"


def level(value: float | None) -> str:
    """A signal-to-noise ratio in a table."""
    return "exact" if value is None else f"{value:.1f}"


COLUMNS = ("same_numbers", "same_arg_max", "top_1", "top_5")
TITLES = {
    "same_numbers": "indices as float",
    "same_arg_max": "arg max as float",
    "top_1": "top-1",
    "top_5": "top-5",
}


def print_report(report: Mapping[str, Any]) -> None:
    """The report as tables."""
    shown = [name for name in COLUMNS if report["int8"][name] is not None]
    titles = [TITLES[name] for name in shown]
    rows: list[list[object]] = []
    if report["float"] is not None:
        rows.append(["float", None, *(share(report["float"][name]) for name in shown)])
    snr_db, indices = report["int8"]["snr_db"], report["int8"]["same_numbers"]
    unknown = report["float"] is None or (snr_db is None and indices is not None)
    rows.append(
        [
            *("int8", None if unknown else level(snr_db)),
            *(share(report["int8"][name]) for name in shown),
        ]
    )
    print_table(f"{report['name']}, {report['samples']} samples", ["network", "dB", *titles], rows)
    if (device := report["device"]) is not None:
        print(
            f"{device['on']}: {device['mismatches']} of {device['bytes_compared']} bytes differ from int8"
        )
    if report["layers"] is not None:
        print_layers(report["layers"])
    if report["advice"] is not None:
        print_advice(report["advice"], shown)


def print_layers(layers: Sequence[Mapping[str, Any]]) -> None:
    """A row for each layer."""
    columns = ("layer", "adds dB", "so far dB", "range used", "saturated")
    rows = [
        (
            layer["layer"],
            level(layer["added_snr_db"]),
            level(layer["snr_db"]),
            share(layer["range_used"]),
            share(layer["saturated"]),
        )
        for layer in layers
    ]
    print_table("layers", columns, rows)


def print_advice(advice: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> None:
    """What helps as a table, the rest in a line."""
    useful = [each for each in advice if each["helps"]]
    rest = [
        f"{each['options']} ({each['gain_db']:+.1f} dB)" for each in advice if not each["helps"]
    ]
    if useful:
        rows = [
            (
                *(each["options"], level(each["snr_db"]), f"{each['gain_db']:+.1f}"),
                *(share(each[name]) for name in shown),
            )
            for each in useful
        ]
        titles = [TITLES[name] for name in shown]
        print_table("what helps", ["options", "dB", "gain", *titles], rows)
    if rest:
        print(f"no help    {', '.join(rest)}")


def main(arguments: Sequence[str]) -> int:
    """`sparsec accuracy`: 0, or 1 if the device did not give the bytes of the interpreter."""
    args = parser().parse_args(arguments)
    if args.on is not None:
        args.target = args.target or args.on
    report: dict[str, Any] = {}
    with progress(hides_progress(args)) as report_progress:
        if args.print_pipeline:
            print(compile_model(args, "qnn").pipeline)
            return 0
        report = measure(args, report_progress)
    if args.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 1 if report["device"] is not None and report["device"]["mismatches"] else 0
