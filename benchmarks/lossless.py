# SPDX-License-Identifier: Apache-2.0
"""Existing int8 networks, smaller and faster without one byte changed: MLPerf Tiny's own files.

    make bench-lossless         or        python -m benchmarks.lossless

Each .tflite file is compiled as it is, for speed alone (--max-slowdown=0), and run next to plain CMSIS-NN calls of the same file, with the same inputs. CONTRIBUTING.md
says where the files come from.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from benchmarks._instructions import mean_instructions
from benchmarks._plain_cmsis import write_plain_project
from benchmarks._results import Figure, publish, step
from examples import mlperf
from sparsec.analysis.values.weighted_layer import weighted_layer
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.run.errors import RunError
from sparsec.run.execute import run_project
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.console import print_table
from sparsec.tools.emission import cmsis_nn_directory, project_files, write_files
from sparsec.tools.errors import UserError
from sparsec.tools.sparsec import parser

Array: TypeAlias = np.ndarray[Any, Any]

FILES = {
    "vww": "vww_96_int8.tflite",
    "kws": "kws_ref_model_int8.tflite",
    "ic": "ic_resnet8_int8.tflite",
    "ad": "ad01_int8.tflite",
}
CORES = ("cortex-m4", "cortex-m55")
INFERENCES = 4
SEED = 7
LEAST_SPEEDUP = {("vww", "cortex-m4"): 1.44, ("vww", "cortex-m55"): 1.24}
MOST_WEIGHTS = {"vww": 36_843}
MOST_MACS = {"vww": 3_800_000}
COMPILE_SECONDS = 5.0
OPTIONS = ("--max-slowdown=0",)
"""Every layer as fast as it can be: by default one may take longer for a smaller arena."""


@dataclass(frozen=True)
class Work:
    """Weights and multiplications of a network."""

    weights: int
    macs: int


def work_of(module: ModuleOp) -> Work:
    """Those of all layers with weights."""
    layers = [weighted_layer(op) for op in module.walk() if isinstance(op, qnn.WeightedOp)]
    known = [layer for layer in layers if layer is not None]
    return Work(sum(layer.weights.size for layer in known), sum(layer.macs for layer in known))


def models() -> Path:
    """The folder of the .tflite files. UserError when one is not there."""
    try:
        paths = [mlperf.require(name) for name in mlperf.SOURCES]
    except FileNotFoundError as error:
        raise UserError(str(error)) from error
    return paths[0].parent


def inputs_of(compilation: Compilation) -> Array:
    """Random int8 inputs [N, bytes], the same for the same network."""
    assert compilation.quantized is not None
    (entry,) = main_function(compilation.quantized).function_type.inputs
    shape = (INFERENCES, *shape_of(entry)[1:])
    return np.random.default_rng(SEED).integers(-128, 128, shape, np.int8)


def compiled(model: Path, core: str, emit: str) -> tuple[Any, Compilation]:
    """The arguments of `sparsec` and what it makes of a file."""
    args = parser().parse_args([str(model), f"--target={core}", f"--emit={emit}", *OPTIONS])
    return args, compile_model(args, args.emit)


def instructions(name: str, model: Path, core: str) -> tuple[float, float]:
    """(ours, plain CMSIS-NN calls) of one inference. AssertionError when a byte differs."""
    step(f"{name} on {core}")
    args, compilation = compiled(model, core, "c")
    assert compilation.quantized is not None
    inputs = inputs_of(compilation)
    (expected,) = interpret(compilation.quantized, [inputs])
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        ours, plain = Path(folder) / compilation.name, Path(folder) / "plain"
        write_files(project_files(args, compilation), ours)
        write_plain_project(compilation.quantized, plain)
        results = [
            run_project(
                project,
                core,
                [inputs.reshape(INFERENCES, -1)],
                cmsis_nn=cmsis_nn_directory(args),
            )
            for project in (ours, plain)
        ]
    for result in results:
        assert np.array_equal(result.outputs[0], expected.reshape(INFERENCES, -1)), name
    return mean_instructions(results[0]), mean_instructions(results[1])


def compile_seconds(model: Path, core: str) -> float:
    """The wall time of `sparsec FILE --emit=c`, from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        command = [sys.executable, "-m", "sparsec.tools.sparsec", str(model), f"--target={core}"]
        start = time.perf_counter()
        subprocess.run([*command, "--emit=c", "-q", "-o", f"{folder}/c"], check=True)
        return time.perf_counter() - start


def main() -> int:
    """Measure the four networks; 1 if a target was missed."""
    figures: list[Figure] = []
    rows: list[tuple[object, ...]] = []
    for name, file in FILES.items():
        model = models() / file
        _, after = compiled(model, "cortex-m4", "qnn")
        assert after.quantized is not None
        was, now = work_of(after.quantized), work_of(after.module)
        row: list[object] = [name, was.weights, now.weights, was.macs, now.macs]
        figures += [
            Figure(
                f"{name}: weights left of {was.weights}",
                now.weights,
                MOST_WEIGHTS.get(name, was.weights),
                "",
                "lower",
            ),
            Figure(
                f"{name}: MACs left of {was.macs}",
                now.macs,
                MOST_MACS.get(name, was.macs),
                "",
                "lower",
            ),
            Figure(
                f"{name}: sparsec {file} --emit=c",
                compile_seconds(model, "cortex-m4"),
                COMPILE_SECONDS,
                "s",
                "lower",
            ),
        ]
        for core in CORES:
            ours, plain = instructions(name, model, core)
            row += [f"{plain / 1e6:.3f}", f"{ours / 1e6:.3f}", f"{plain / ours:.3f}"]
            least = LEAST_SPEEDUP.get((name, core), 1.0)
            what, options = f"{name} {core}", " ".join(OPTIONS)
            figures += [
                Figure(f"{what}: plain/ours", plain / ours, least, "x", "higher", options),
                Figure(f"{what}: plain", plain, None, "instructions", "lower"),
                Figure(f"{what}: ours", ours, None, "instructions", "lower", options),
            ]
        rows.append(tuple(row))
    print_table(
        f"MLPerf Tiny files as shipped, {' '.join(OPTIONS)}, M instructions, outputs byte-identical",
        (
            *("network", "weights", "left", "MACs", "left"),
            *("M4 plain", "ours", "plain/ours", "M55 plain", "ours", "plain/ours"),
        ),
        rows,
    )
    return publish("lossless", figures)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
