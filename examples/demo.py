# SPDX-License-Identifier: Apache-2.0
"""The whole road on real images: a pruned LeNet-5 from PyTorch to C, run on QEMU, compared byte for byte.

`python -m examples.demo` (or `make demo`) compiles `examples/mnist/model.pt` with dense and with sparse weights for
Cortex-M4 and Cortex-M55, runs all 256 test images on each and prints what it cost and whether any byte differs.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from examples.export import load_program
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import quantized
from sparsec.run.errors import ToolchainError
from sparsec.run.execute import run_project
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.console import Progress, print_table, progress
from sparsec.tools.emission import cmsis_nn_directory, project_files, write_files
from sparsec.tools.errors import UserError
from sparsec.tools.sparsec import parser

Array: TypeAlias = np.ndarray[Any, Any]

MNIST = Path(__file__).parent / "mnist"
RUNS = (
    ("host", "auto"),
    ("cortex-m4", "dense"),
    ("cortex-m4", "auto"),
    ("cortex-m55", "dense"),
    ("cortex-m55", "delta8"),
)


@dataclass(frozen=True)
class Row:
    """One line of the table; None where a figure does not exist."""

    where: str
    weights: str
    accuracy: float
    differing_bytes: int | None = None
    flash: int | None = None
    constants: int | None = None
    arena: int | None = None
    instructions: int | None = None


def test_images() -> tuple[Array, Array]:
    """(float32 [256, 1, 28, 28] as the network takes them, labels [256])."""
    with np.load(MNIST / "test_images.npz", allow_pickle=False) as file:
        images: Array = file["images"]
        labels: Array = file["labels"]
    return images.astype(np.float32)[:, np.newaxis] / 255, labels


def accuracy(scores: Array, labels: Array) -> float:
    """Share of the images whose highest score is at their label."""
    hits: Array = scores.reshape(len(labels), -1).argmax(axis=1) == labels
    return int(hits.sum()) / len(labels)


def torch_scores(images: Array) -> Array:
    """What the float network gives in PyTorch."""
    program = load_program(MNIST / "model.pt")
    with torch.no_grad():
        return program.module(check_guards=False)(torch.from_numpy(images)).numpy()


def compiled(cpu: str, weights: str, report: Progress) -> tuple[Any, Compilation]:
    """The compiler's arguments and what it made of the network."""
    model = str(MNIST / "model.pt")
    args = parser().parse_args(
        [model, f"--calibrate={model}", f"--target={cpu}", f"--weights={weights}"]
    )
    return args, compile_model(args, "c", report)


def run(cpu: str, weights: str, images: Array, labels: Array, report: Progress) -> list[Row]:
    """The row of one target, after that of the interpreter when it is the host's."""
    args, compilation = compiled(cpu, weights, report)
    assert compilation.quantized is not None
    inputs = quantized([images], compilation.inputs)
    report("interpreting the int8 network")
    (expected,) = interpret(compilation.quantized, inputs)
    files = project_files(args, compilation)
    facts = json.loads(files["report.json"])
    with tempfile.TemporaryDirectory(prefix="sparsec-") as directory:
        project = Path(directory) / compilation.name
        write_files(files, project)
        result = run_project(
            project,
            cpu,
            [inputs[0].reshape(len(images), -1)],
            cmsis_nn=cmsis_nn_directory(args),
            progress=report,
        )
    output = result.outputs[0].reshape(expected.shape)
    counts = result.instructions
    on_device = cpu != "host"
    row = Row(
        where=f"{cpu} (QEMU)" if on_device else "host C",
        weights="dense" if weights == "dense" else "sparse",
        accuracy=accuracy(output, labels),
        differing_bytes=int(np.count_nonzero(output != expected)),
        flash=result.model.flash if on_device else None,
        constants=facts["flash_weight_bytes_stored"],
        arena=facts["arena_bytes"],
        instructions=None if counts is None else round(float(counts.mean())),
    )
    interpreter = Row("int8 interpreter", "any", accuracy(expected, labels))
    return [interpreter, row] if cpu == "host" else [row]


def main() -> int:
    """Print the table; 0 if no byte differs anywhere."""
    images, labels = test_images()
    skipped: list[str] = []
    with progress() as report:
        report("running PyTorch")
        rows = [Row("PyTorch float", "any", accuracy(torch_scores(images), labels))]
        for cpu, weights in RUNS:
            try:
                rows += run(cpu, weights, images, labels, report)
            except ToolchainError as error:
                skipped.append(f"{cpu} with {weights} weights skipped: {error}")
    columns = (
        "where",
        "weights",
        "accuracy %",
        "differing bytes",
        "flash B",
        "constants B",
        "arena B",
        "instructions",
    )
    cells = [
        (
            row.where,
            row.weights,
            f"{100 * row.accuracy:.2f}",
            *(
                "-" if value is None else f"{value:,}"
                for value in (
                    row.differing_bytes,
                    row.flash,
                    row.constants,
                    row.arena,
                    row.instructions,
                )
            ),
        )
        for row in rows
    ]
    print_table(f"LeNet-5, 80 % of the weights zero, {len(images)} MNIST images", columns, cells)
    for line in skipped:
        print(line, file=sys.stderr)
    return 1 if any(row.differing_bytes for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
