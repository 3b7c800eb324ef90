# SPDX-License-Identifier: Apache-2.0
"""The network that sparse-engine ships, from its folder of tensors: flash, RAM and instructions on a Cortex-M7.

Weights are random at its blocks and numbers of non-zeros. The baseline is the same network dense, as calls of CMSIS-NN
(`_plain_cmsis.py`). Its own image is what its linker map says.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._plain_cmsis import write_plain_project
from benchmarks._results import Figure, step
from examples.sparse_engine.shipped import (
    RAM,
    READ_ONLY,
    SPARSE,
    STORED_SPARSE,
    write_shipped,
)
from sparsec.frontends import configured_image
from sparsec.interpreters.run import interpret
from sparsec.run import cmsis_nn
from sparsec.run.errors import ToolchainError
from sparsec.run.execute import run_project
from sparsec.tools import run_command
from sparsec.tools.compilation import compile_model
from sparsec.tools.emission import project_files, write_files

CORE = "cortex-m7"
SPEEDUP = 2.0
CHOICE_BYTES = 8320
"""How much less flash the choice of formats is given than the image may take: code is counted more closely behind it."""

WAYS: dict[str, tuple[str, ...]] = {
    "smallest": ("--objective=flash", f"--ram={RAM}"),
    "within its memories": (f"--flash={READ_ONLY - CHOICE_BYTES}", f"--ram={RAM}"),
    "fastest": (),
}
"""Options of the compiler: the fewest bytes of flash in its RAM, the fewest cycles in its flash and RAM, and in any."""


@dataclass(frozen=True)
class Row:
    """The network compiled one way, in bytes, and instructions of an inference next to those of the dense network."""

    way: str
    sparse_layers: int
    flash: int
    ram: int
    instructions: int
    dense: int

    @property
    def ratio(self) -> float:
        """Instructions of the dense network in terms of ours."""
        return self.dense / self.instructions

    @property
    def figures(self) -> Iterator[Figure]:
        """Targets are those of sparse-engine's own image; what takes more memory on purpose has none."""
        what, options = "sparse-engine's network", " ".join(WAYS[self.way]) or "defaults"
        bound = self.way != "fastest"
        smallest = self.way == "smallest"
        yield Figure(
            f"flash of the twelve sparse layers, {what}",
            self.sparse_layers,
            STORED_SPARSE if smallest else None,
            "B",
            "lower",
            options,
        )
        yield Figure(
            f"flash, {what}", self.flash, READ_ONLY if bound else None, "B", "lower", options
        )
        yield Figure(f"RAM, {what}", self.ram, RAM, "B", "lower", options)
        yield Figure(
            f"instructions {CORE}, {what}: dense CMSIS-NN/ours",
            self.ratio,
            None if smallest else SPEEDUP,
            "x",
            "higher",
            options,
        )


def rows() -> list[Row]:
    """Every way. AssertionError when a byte differs."""
    directory = cmsis_nn.locate()
    if directory is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    with tempfile.TemporaryDirectory(prefix="sparsec-") as name:
        home = Path(name)
        tensors = write_shipped(home)
        image = configured_image(home / "config.yml")[0].reshape(1, -1)
        dense, expected = dense_instructions(home, tensors, image, directory)
        return [row(home, tensors, image, directory, way, dense, expected) for way in WAYS]


def dense_instructions(
    home: Path, tensors: Path, image: NDArray[np.int8], directory: Path
) -> tuple[int, NDArray[np.int8]]:
    """Instructions of plain calls, and the outputs of the interpreter, [1, classes]."""
    step("sparse-engine's network, dense by CMSIS-NN")
    args = run_command.parser().parse_args([str(tensors), f"--target={CORE}", "-q"])
    network = compile_model(args, "qnn").quantized
    assert network is not None
    (expected,) = interpret(network, [image.reshape(1, 32, 32, 3)])
    plain = home / "plain"
    write_plain_project(network, plain)
    result = run_project(plain, CORE, [image], cmsis_nn=directory)
    assert np.array_equal(result.outputs[0], expected), "bytes of plain CMSIS-NN differ"
    assert result.instructions is not None
    return int(result.instructions[0]), expected


def row(
    home: Path,
    tensors: Path,
    image: NDArray[np.int8],
    directory: Path,
    way: str,
    dense: int,
    expected: NDArray[np.int8],
) -> Row:
    """Compile one way and run."""
    step(f"sparse-engine's network, {way}")
    words = [str(tensors), f"--target={CORE}", "-q", *WAYS[way]]
    args = run_command.parser().parse_args(words)
    compilation = compile_model(args, "c")
    args.flash = None
    files = project_files(args, compilation)
    project = home / way.replace(" ", "_")
    write_files(files, project)
    result = run_project(project, CORE, [image], cmsis_nn=directory)
    assert np.array_equal(result.outputs[0], expected), f"bytes of the compiler's C differ: {way}"
    assert result.instructions is not None
    report = json.loads(files["report.json"])
    return Row(
        way,
        sparse_bytes(report["layers"]),
        report["flash_bytes"],
        report["arena_bytes"],
        int(result.instructions[0]),
        dense,
    )


def sparse_bytes(layers: Sequence[dict[str, object]]) -> int:
    """Bytes of the weights of the layers that sparse-engine stores sparse."""
    names = {name_in_report(name) for name in SPARSE}
    found = [layer for layer in layers if layer["name"] in names]
    assert {layer["name"] for layer in found} == names
    return sum(int(str(layer["weight_bytes_stored"])) for layer in found)


def name_in_report(name: str) -> str:
    """`mv2block1_0_two.qconv.0` of `stage2.mv2block1_0.qconv.0`."""
    words = name.split(".")
    if len(words) == 1:
        return name.removeprefix("q")
    return ".".join([f"{words[1]}_two", *words[2:]])
