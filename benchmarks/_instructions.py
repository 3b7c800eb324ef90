# SPDX-License-Identifier: Apache-2.0
"""Instructions of one inference, the compiler's C next to plain CMSIS-NN calls, on QEMU."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks._plain_cmsis import write_plain_project
from benchmarks._results import Figure, step
from benchmarks._timing import compile_project
from examples.zoo import example_inputs
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import quantized
from sparsec.run import cmsis_nn
from sparsec.run.errors import ToolchainError
from sparsec.run.execute import RunResult, run_project
from sparsec.tools.compilation import Compilation
from sparsec.tools.console import print_table

Array: TypeAlias = np.ndarray[Any, Any]

CORES = ("cortex-m4", "cortex-m7", "cortex-m55")
LINEAR_WEIGHTS = ("per-tensor", "per-channel")
OPTIONS = ("--weights=dense", "--max-slowdown=0", "--input-layout=nhwc")
"""As plain CMSIS-NN calls are: dense, each layer as fast as it can be, images as NHWC. With NCHW the compiler's C would have
a transposition to do as well."""

INFERENCES = 4
RATIO = 1.01
SEED = 7

PUBLISHED: dict[str, dict[str, float]] = {
    "ad": {"cortex-m4": 0.579, "cortex-m7": 0.579, "cortex-m55": 0.147},
    "kws": {"cortex-m4": 7.84, "cortex-m7": 7.76, "cortex-m55": 1.78},
    "ic": {"cortex-m4": 29.9, "cortex-m7": 29.9, "cortex-m55": 4.81},
    "vww": {"cortex-m4": 24.7, "cortex-m7": 24.5, "cortex-m55": 6.42},
}
"""Million instructions of the networks as plain CMSIS-NN calls with linear layers per tensor, measured by hand-written C
with the same CMSIS-NN and gcc 12.2 -O3."""


@dataclass(frozen=True)
class Row:
    """One network on one core; instructions are those of an inference, the mean of INFERENCES."""

    network: str
    core: str
    linear_weights: str
    ours: float
    plain: float
    ours_flash: int
    plain_flash: int

    @property
    def ratio(self) -> float:
        """Ours in terms of plain."""
        return self.ours / self.plain


def instruction_rows(models: dict[str, Path]) -> list[Row]:
    """Every network on every core. AssertionError when a byte differs."""
    directory = cmsis_nn.locate()
    if directory is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    return [
        compare(name, model, core, linear_weights, directory)
        for name, model in models.items()
        for linear_weights in LINEAR_WEIGHTS
        for core in CORES
    ]


def compare(name: str, model: Path, core: str, linear_weights: str, cmsis: Path) -> Row:
    """Compile for `core`, run both programs, compare them and the interpreter byte for byte."""
    step(f"{name} on {core}, linear layers {linear_weights}")
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        ours, plain = Path(folder) / "ours", Path(folder) / "plain"
        options = [
            str(model),
            f"--target={core}",
            f"--linear-weights={linear_weights}",
            *OPTIONS,
        ]
        compilation = compile_project(options, ours)
        assert compilation.quantized is not None
        write_plain_project(compilation.quantized, plain)
        inputs, expected = inputs_and_outputs(name, compilation)
        results: list[RunResult] = [
            run_project(project, core, [inputs], cmsis_nn=cmsis) for project in (ours, plain)
        ]
    for result, whose in zip(results, ("the compiler's C", "plain CMSIS-NN"), strict=True):
        differing = int(np.count_nonzero(result.outputs[0] != expected))
        assert differing == 0, f"{name} on {core}: {differing} bytes of {whose} differ"
    ours_count, plain_count = (mean_instructions(result) for result in results)
    return Row(
        name,
        core,
        linear_weights,
        ours_count,
        plain_count,
        results[0].model.flash,
        results[1].model.flash,
    )


def inputs_and_outputs(name: str, compilation: Compilation) -> tuple[Array, Array]:
    """INFERENCES inputs and the interpreter's outputs, int8 [N, bytes]."""
    assert compilation.quantized is not None
    images = example_inputs(name, INFERENCES, SEED).numpy()
    if images.ndim == 4:
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    inputs = quantized([images], compilation.inputs)
    (outputs,) = interpret(compilation.quantized, inputs)
    return inputs[0].reshape(INFERENCES, -1), outputs.reshape(INFERENCES, -1)


def mean_instructions(result: RunResult) -> float:
    """The mean over all inferences: a little depends on the values."""
    assert result.instructions is not None
    return float(result.instructions.mean())


def instruction_figures(rows: list[Row]) -> list[Figure]:
    """Ours in terms of plain calls compiled here and, per tensor, of the figures published for them."""
    figures: list[Figure] = []
    for row in rows:
        name = f"instructions {row.network} {row.core}"
        options = " ".join((f"--linear-weights={row.linear_weights}", *OPTIONS))
        # Published calls had one multiplier for all outputs of a linear layer; per channel is another computation.
        target = RATIO if row.linear_weights == "per-tensor" else None
        published = row.ours / 1e6 / PUBLISHED[row.network][row.core]
        figures += [
            Figure(f"{name}: ours/plain", row.ratio, RATIO, "x", "lower", options),
            Figure(f"{name}: ours/published", published, target, "x", "lower", options),
            Figure(f"{name}: ours", row.ours, None, "instructions", "lower", options),
            Figure(f"{name}: plain", row.plain, None, "instructions", "lower", options),
        ]
    return figures


def print_rows(rows: list[Row]) -> None:
    """Million instructions, side by side."""
    print_table(
        f"M instructions per inference, {' '.join(OPTIONS)}, outputs byte-identical",
        (
            "network",
            "core",
            "linear",
            "ours",
            "plain",
            "ours/plain",
            "published",
            "flash B",
            "plain flash B",
        ),
        [
            (
                row.network,
                row.core,
                row.linear_weights,
                f"{row.ours / 1e6:.4f}",
                f"{row.plain / 1e6:.4f}",
                f"{row.ratio:.4f}",
                f"{PUBLISHED[row.network][row.core]:g}"
                if row.linear_weights == "per-tensor"
                else "-",
                row.ours_flash,
                row.plain_flash,
            )
            for row in rows
        ],
    )
