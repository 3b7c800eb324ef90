# SPDX-License-Identifier: Apache-2.0
"""`sparsec diff A B`: run two networks, or two levels of one, on the same inputs and compare.

Int8 is compared byte by byte; channels that `eliminate-dead-channels` took from one of the two are
left out of the other. Where one of the two is float, results are equal if they differ by
no more than rounding between float levels may (`FLOAT_TOLERANCE`). Nothing is compiled.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.analysis.values.removed_channels import REASONS
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import dequantized, entry_quantizations, quantized
from sparsec.ir.attributes import LAYER
from sparsec.ir.borders import converts_as_tflite
from sparsec.ir.kernel import KernelOp
from sparsec.ir.layer import layer_of
from sparsec.ir.layouts import layout_of
from sparsec.ir.level import Level, level_of
from sparsec.ir.shapes import shape_of
from sparsec.quantization.scheme import Quantization
from sparsec.tools.analyze_command import removed_channels
from sparsec.tools.compilation import is_ir, read_ir, read_model
from sparsec.tools.console import progress
from sparsec.tools.errors import UserError
from sparsec.tools.inputs import read_samples, takes_integers
from sparsec.tools.options import Parser, add_reading_options
from sparsec.tools.registry import context
from sparsec.tools.semantics import FLOAT_TOLERANCE, input_shapes, input_types, random_integers

Array: TypeAlias = np.ndarray[Any, Any]
SCHEMA_VERSION = 1
SAMPLES = 10
EXAMPLES = """\
examples:
  sparsec diff vww.tflite vww.mlir --layerwise         a model and IR text made from it
  sparsec diff before.mlir after.mlir --samples=100    before and after a pass
  sparsec diff lenet.pt2 lenet-int8.mlir --input=x.npy  what quantization changes: exit code 1
"""


def positive(text: str) -> int:
    """A number from 1 on; argparse reports the error."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 on")
    return int(text)


def seed(text: str) -> int:
    """A number from 0 on; argparse reports the error."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 on")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = Parser(
        prog="sparsec diff",
        description="Interpret two models, or IR text of any levels, on the same inputs and "
        "compare. Exit code 1 if the outputs differ.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for name in "ab":
        result.add_argument(
            name, metavar=name.upper(), help="a model, or IR text (.mlir, or - for standard input)"
        )
    result.add_argument(
        "--layerwise",
        action="store_true",
        help="compare the results of layers of the same name, and show the first that differs",
    )
    result.add_argument(
        "--input",
        action="append",
        metavar="FILE",
        help=".npy with inputs, float32 (each int8 network quantizes them as its entry says) or "
        "int8, one sample or N of them; repeat for models with several inputs; default: random",
    )
    result.add_argument(
        "--samples", type=positive, metavar="N", help=f"how many random inputs; default {SAMPLES}"
    )
    result.add_argument("--seed", type=seed, metavar="S", help="of the random inputs; default 0")
    add_reading_options(result)
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress")
    return result


class Network:
    """One of the two, and how it takes and gives numbers: float32, or int8 as it is quantized."""

    def __init__(self, path: str, module: ModuleOp):
        self.path = path
        self.module = module
        self.is_float = level_of(module) is Level.NN
        self.shapes, self.types = input_shapes(module), input_types(module)
        self.inputs, self.outputs = quantizations(module, len(self.shapes))

    def fit(self, samples: Sequence[Array]) -> list[Array]:
        """The inputs as this network takes them. UserError if they cannot be."""
        if self.is_float:
            if any(array.dtype == np.int8 for array in samples):  # other integers it may take
                raise UserError(f"{self.path} is a float network: give it float32 inputs")
            return list(samples)
        if all(array.dtype == np.int8 for array in samples):
            return list(samples)
        if len(self.inputs) != len(samples):
            raise UserError(
                f"{self.path} does not say how its inputs are quantized: give int8 inputs"
            )
        tflite = converts_as_tflite(self.module)
        return [
            quantized([array], [quantization], tflite)[0]
            for array, quantization in zip(samples, self.inputs, strict=True)
        ]

    def one(self, inputs: Sequence[Array], sample: int) -> list[Array]:
        """One sample of the inputs, in the shapes of the types."""
        return [
            array[sample].reshape(shape) for array, shape in zip(inputs, self.shapes, strict=True)
        ]

    def real(self, outputs: Sequence[Array]) -> list[Array]:
        """Outputs as real numbers. UserError if it is not said which these are."""
        if self.is_float:
            return list(outputs)
        if len(self.outputs) != len(outputs):
            raise UserError(
                f"{self.path} does not say how its outputs are quantized: compare it with int8"
            )
        return dequantized(outputs, self.outputs)


def quantizations(module: ModuleOp, inputs: int) -> tuple[list[Quantization], list[Quantization]]:
    """Those of inputs and outputs at any level, as far as the module says."""
    planned = planned_function(module)
    if planned is None:
        given, results = entry_quantizations(module)
        # Of a function on buffers the results are arguments too.
        return given[:inputs], given[inputs:] + results
    return (
        [place.quantization for place in planned.inputs if place.quantization is not None],
        [place.quantization for place in planned.outputs if place.quantization is not None],
    )


def read(args: argparse.Namespace, path: str) -> Network:
    """One of the two networks, as it is."""
    if is_ir(path):
        return Network(path, read_ir(context(), path))
    return Network(path, read_model(argparse.Namespace(**{**vars(args), "model": path}))[0])


def chosen_samples(args: argparse.Namespace, a: Network, b: Network) -> list[Array]:
    """Inputs, one array [N, ..] each: those of the files, else random ones. UserError for mistakes."""
    if a.shapes != b.shapes:
        raise UserError(
            f"the networks take different inputs: {a.path} {list(map(list, a.shapes))}, "
            f"{b.path} {list(map(list, b.shapes))}"
        )
    if args.input is None:
        random = np.random.default_rng(args.seed or 0)
        shapes = [(args.samples or SAMPLES, *shape[1:]) for shape in a.shapes]
        if a.is_float or b.is_float:
            return [
                random_integers(random, shape, dtype)
                if takes_integers(dtype)
                else random.standard_normal(shape).astype(np.float32)
                for shape, dtype in zip(shapes, a.types, strict=True)
            ]
        return [random_integers(random, *each) for each in zip(shapes, a.types, strict=True)]
    if args.samples is not None or args.seed is not None:
        raise UserError("--samples and --seed choose random inputs: leave them out with --input")
    if len(args.input) != len(a.shapes):
        raise UserError(
            f"the networks have {len(a.shapes)} inputs, {len(args.input)} --input files given"
        )
    samples = [read_samples(*each) for each in zip(args.input, a.shapes, a.types, strict=True)]
    if len({len(array) for array in samples}) != 1:
        raise UserError("the --input files hold different numbers of samples")
    return samples


class Recorder:
    """Listens to an interpretation and keeps the last result of each layer."""

    def __init__(self) -> None:
        self.layers: dict[str, tuple[str, Array]] = {}
        """(operation, result) by layer."""
        self._memory: dict[SSAValue, Array] = {}

    def listen(self, op: Operation, results: Sequence[Array]) -> None:
        """Called with each operation."""
        if isinstance(op, KernelOp):
            scratch: SSAValue | None = getattr(op, "scratch", None)
            written = [value for value in op.written() if value is not scratch]
            results = [self._image(value) for value in written if value in self._memory]
        else:
            self._memory.update(zip(op.results, results, strict=True))
        if LAYER in op.attributes and results:
            # The memory of a kernel is soon another's. Moved to the end: the order is that of last operations.
            self.layers.pop(layer_of(op), None)
            self.layers[layer_of(op)] = op.name, np.array(results[0])

    def _image(self, value: SSAValue) -> Array:
        """What a buffer shows, as NHWC however it lies."""
        layout, memory = layout_of(value.type), self._memory[value]
        return memory if layout is None else layout.view(memory, shape_of(value.type))


@dataclass
class Difference:
    """By how much results of one name differ, over all samples seen."""

    name: str
    op: str
    is_float: bool
    compared: int = 0
    differing: int = 0
    largest: float = 0.0
    scale: float = 0.0
    """The largest absolute value of A."""

    def add(self, a: Array, b: Array) -> None:
        """Two arrays of the same size."""
        kind = np.float64 if self.is_float else np.int64
        a, b = a.reshape(-1).astype(kind), b.reshape(-1).astype(kind)
        same = a == b
        with np.errstate(invalid="ignore"):  # infinities
            distance = np.where(same, 0, np.abs(a - b))
        self.compared += a.size
        self.differing += int(np.count_nonzero(~same))
        # Not a number stays, and is never equal.
        self.largest = float(np.maximum(self.largest, distance.max(initial=0)))
        self.scale = float(np.maximum(self.scale, np.abs(a).max(initial=0)))

    @property
    def equal(self) -> bool:
        """Every byte is the same; a float, but for rounding."""
        if self.is_float and self.differing:
            return self.largest <= FLOAT_TOLERANCE * max(self.scale, 1e-6)
        return self.differing == 0

    def report(self) -> dict[str, Any]:
        """The entry of --json; no largest difference if it is not a finite number."""
        largest = self.largest if self.is_float else int(self.largest)
        return {
            "name": self.name,
            "op": self.op,
            "equal": self.equal,
            "compared": self.compared,
            "differing": self.differing,
            "largest_difference": largest if isfinite(largest) else None,
        }


def text(difference: dict[str, Any], unit: str) -> str:
    """A difference in words."""
    if not difference["differing"]:
        return f"0 of {difference['compared']:,} {unit} differ"
    largest = difference["largest_difference"]
    words = "not a number" if largest is None else f"{largest:.6g}"
    return (
        f"{difference['differing']:,} of {difference['compared']:,} {unit} differ, "
        f"largest difference {words}{' (rounding)' if difference['equal'] else ''}"
    )


def squeezed(shape: Sequence[int]) -> list[int]:
    """A shape without its ones, which a reshape may add."""
    return [size for size in shape if size != 1]


class Comparison:
    """What is learnt of two networks, sample by sample."""

    def __init__(self, a: Network, b: Network, layerwise: bool):
        self.a, self.b = a, b
        self.layerwise = layerwise
        self.is_float = a.is_float or b.is_float
        self.outputs: list[Difference] = []
        self.layers: dict[str, Difference] = {}
        self.incomparable: set[str] = set()
        self.only: tuple[list[str], list[str]] = ([], [])
        self.gone = removed_channels(b.module, a.module), removed_channels(a.module, b.module)
        if layerwise and a.is_float != b.is_float:
            raise UserError(
                "--layerwise compares two float or two int8 networks: only outputs say how int8 "
                "is to be read"
            )

    def run(self, samples: Sequence[Array]) -> Iterator[int]:
        """Compare on all samples, whose numbers are given as they are done."""
        of_a, of_b = self.a.fit(samples), self.b.fit(samples)
        for sample in range(len(samples[0])):
            self.add(self.a.one(of_a, sample), self.b.one(of_b, sample))
            yield sample

    def add(self, of_a: Sequence[Array], of_b: Sequence[Array]) -> None:
        """Compare on one sample."""
        recorders = Recorder(), Recorder()
        listeners = [recorder.listen if self.layerwise else None for recorder in recorders]
        first = interpret(self.a.module, of_a, listener=listeners[0])
        second = interpret(self.b.module, of_b, listener=listeners[1])
        shapes = [[list(array.shape) for array in outputs] for outputs in (first, second)]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"the networks give different outputs: {self.a.path} {shapes[0]}, "
                f"{self.b.path} {shapes[1]}"
            )
        if self.is_float:
            first, second = self.a.real(first), self.b.real(second)
        if not self.outputs:
            names = ["output"] if len(first) == 1 else [f"output{i}" for i in range(len(first))]
            self.outputs = [Difference(name, "output", self.is_float) for name in names]
        for difference, one, other in zip(self.outputs, first, second, strict=True):
            difference.add(one, other)
        self.add_layers(recorders[0].layers, recorders[1].layers)

    def add_layers(
        self, of_a: dict[str, tuple[str, Array]], of_b: dict[str, tuple[str, Array]]
    ) -> None:
        """Compare the layers that both have, in the order of A."""
        self.only = [n for n in of_a if n not in of_b], [n for n in of_b if n not in of_a]
        for name, (op, result) in of_a.items():
            if name not in of_b:
                continue
            other = of_b[name][1]
            result, other = self.without(1, name, result), self.without(0, name, other)
            if squeezed(result.shape) != squeezed(other.shape):
                self.incomparable.add(name)
                continue
            difference = self.layers.setdefault(name, Difference(name, op, self.is_float))
            difference.add(result, other)

    def without(self, side: int, name: str, result: Array) -> Array:
        """The result of a layer without the channels that the network `side`, 0 or 1, lost there."""
        record = self.gone[side].get(name, {})
        channels = [channel for reason in REASONS for channel in record.get(reason, ())]
        if not channels or name in self.gone[1 - side] or max(channels) >= result.shape[-1]:
            return result
        return np.delete(result, channels, axis=-1)

    def report(self, samples: int) -> dict[str, Any]:
        """The content of --json."""
        found: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "a": self.a.path,
            "b": self.b.path,
            "samples": samples,
            "unit": "values" if self.is_float else "bytes",
            "equal": all(output.equal for output in self.outputs),
            "outputs": [output.report() for output in self.outputs],
        }
        if self.layerwise:
            different = [layer.name for layer in self.layers.values() if not layer.equal]
            found |= {
                "layers": [layer.report() for layer in self.layers.values()],
                "first_different_layer": different[0] if different else None,
                "layers_of_other_shape": sorted(self.incomparable),
                "layers_only_in_a": self.only[0],
                "layers_only_in_b": self.only[1],
            }
        return found


def print_report(report: dict[str, Any]) -> None:
    """The outputs, and of the layers the first that differs."""
    unit = report["unit"]
    for output in report["outputs"]:
        print(f"{output['name']}: {text(output, unit)} ({report['samples']} samples)")
    if "layers" not in report:
        return
    different = [layer for layer in report["layers"] if not layer["equal"]]
    parts = [f"{len(report['layers'])} compared, {len(different)} differ"]
    for key, words in (
        ("layers_of_other_shape", "have other shapes"),
        ("layers_only_in_a", "only in A"),
        ("layers_only_in_b", "only in B"),
    ):
        if report[key]:
            parts.append(f"{len(report[key])} {words}")
    print(f"layers: {', '.join(parts)}")
    if different:
        first = different[0]
        print(f"first layer that differs: {first['name']} ({first['op']}): {text(first, unit)}")


def main(arguments: Sequence[str]) -> int:
    """`sparsec diff`: 0 if the outputs are equal, 1 if not."""
    args = parser().parse_args(arguments)
    if args.a == args.b == "-":
        raise UserError("only one of A and B can be standard input")
    with progress(args.quiet) as report_progress:
        report_progress(f"reading {args.a}")
        a = read(args, args.a)
        report_progress(f"reading {args.b}")
        b = read(args, args.b)
        comparison = Comparison(a, b, args.layerwise)
        samples = chosen_samples(args, a, b)
        for sample in comparison.run(samples):
            report_progress(f"compared {sample + 1} of {len(samples[0])} samples")
    report = comparison.report(len(samples[0]))
    if args.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0 if report["equal"] else 1
