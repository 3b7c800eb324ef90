# SPDX-License-Identifier: Apache-2.0
"""Whole networks with small weights set to zero: sparsec's C next to plain CMSIS-NN calls of the same weights.

DS-CNN, ResNet8 and MobileNetV1-0.25 of MLPerf Tiny. Of each convolution and linear layer the share of weights with the
least magnitude goes; depthwise layers and biases stay. That says what the sparsity is worth, not what it costs in
accuracy.
"""

import contextlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.rewriter import InsertPoint, Rewriter

from benchmarks._plain_cmsis import write_plain_project
from benchmarks._results import step
from benchmarks.flash import linked_flash
from benchmarks.lossless import FILES, Array, inputs_of, models
from sparsec.formats import COMMON_FORMATS
from sparsec.frontends import load
from sparsec.interpreters.run import interpret
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.run.profile.profile import Cost, profile_project
from sparsec.tools.compilation import compile_model
from sparsec.tools.emission import cmsis_nn_directory, project_files, write_files
from sparsec.tools.errors import UserError
from sparsec.tools.printing import module_text
from sparsec.tools.sparsec import parser

NETWORKS = {"kws": "DS-CNN", "ic": "ResNet8", "vww": "MobileNetV1-0.25"}
SPARSITIES = (50, 75, 90)
CORES = ("cortex-m4", "cortex-m7")
FLASH_CORE = "cortex-m4"
OPTIONS = ("--max-slowdown=0",)
"""Every layer as fast as it can be: by default one may take longer for a smaller arena."""


@dataclass(frozen=True)
class NetworkRow:
    """One network on one core; `flash` are the bytes of code, constants and kernels.

    `sparsity` percent of the weights of each layer were set to zero at least, `zeros` percent of those of all these layers
    are: a network can have had more.
    """

    network: str
    sparsity: int
    zeros: float
    core: str
    plain: Cost
    ours: Cost
    plain_flash: int
    flash: int

    @property
    def ratio(self) -> float:
        """How many times fewer instructions ours takes."""
        return self.plain.instructions / self.ours.instructions

    @property
    def cycle_ratio(self) -> float:
        """How many times fewer cycles ours is estimated to take."""
        return self.plain.cycles / self.ours.cycles


def network_rows() -> list[NetworkRow]:
    """Every network, sparsity and core. AssertionError when a byte differs; UserError without the files."""
    return [
        measure(name, sparsity, core)
        for name in NETWORKS
        for sparsity in SPARSITIES
        for core in CORES
    ]


def pruned(weights: Array, sparsity: int, run: int = 1) -> Array:
    """`weights` with at least `sparsity` percent zeros, those of the least magnitude, in runs of `run` of a row; the last
    one of a row may be shorter."""
    rows = weights.reshape(len(weights), -1)
    runs = -(-rows.shape[1] // run)
    padded = np.zeros((len(rows), runs * run), np.int32)
    padded[:, : rows.shape[1]] = np.abs(rows.astype(np.int32))
    magnitude = padded.reshape(-1, run).sum(axis=1)
    gone = np.zeros(magnitude.size, np.bool_)
    gone[np.argsort(magnitude, kind="stable")[: magnitude.size * sparsity // 100]] = True
    zeros = gone.repeat(run).reshape(padded.shape)[:, : rows.shape[1]]
    return np.where(zeros, np.int8(0), rows).reshape(weights.shape)


def percent_of_zeros(module: ModuleOp) -> float:
    """How many of the weights of convolutions and linear layers of a network at `qnn` are zero."""
    arrays = [
        weights
        for op in module.walk()
        if isinstance(op, qnn.Conv2dOp | qnn.LinearOp)
        and (weights := constant_array(op.weights)) is not None
    ]
    zeros = sum(weights.size - int(np.count_nonzero(weights)) for weights in arrays)
    return 100 * zeros / sum(weights.size for weights in arrays)


def prune(module: ModuleOp, sparsity: int, run: int = 1) -> None:
    """Prune the layers of a network at `qnn`, one by one, as `pruned` does."""
    layers = [op for op in module.walk() if isinstance(op, qnn.Conv2dOp | qnn.LinearOp)]
    for layer in layers:
        weights = constant_array(layer.weights)
        constant = layer.weights.owner
        assert weights is not None and isinstance(constant, qnn.ConstantOp)
        new = qnn.ConstantOp(pruned(weights, sparsity, run), constant.name_in_model)
        Rewriter.insert_op(new, InsertPoint.before(constant))
        layer.weights.replace_all_uses_with(new.result)


def measure(name: str, sparsity: int, core: str) -> NetworkRow:
    """Prune, compile, run both programs and compare all bytes."""
    step(f"{NETWORKS[name]} with {sparsity} % zeros on {core}")
    module = load(models() / FILES[name]).module
    prune(module, sparsity)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        text = Path(folder, f"{name}.mlir")
        text.write_text(module_text(module), encoding="utf-8")
        args = parser().parse_args([str(text), f"--target={core}", *OPTIONS])
        compilation = compile_model(args, "c")
        assert compilation.quantized is not None
        inputs = inputs_of(compilation)
        (expected,) = interpret(compilation.quantized, [inputs])
        ours, plain = Path(folder, compilation.name), Path(folder, "plain")
        write_files(project_files(args, compilation), ours)
        write_plain_project(module, plain)
        found = [
            profile_project(
                project,
                core,
                [inputs.reshape(len(inputs), -1)],
                cmsis_nn=cmsis_nn_directory(args),
            )
            for project in (ours, plain)
        ]
    for result, _ in found:
        assert np.array_equal(result.outputs[0], expected.reshape(len(expected), -1)), name
    (our_result, our_profile), (plain_result, plain_profile) = found
    return NetworkRow(
        name,
        sparsity,
        percent_of_zeros(module),
        core,
        plain_profile.total,
        our_profile.total,
        plain_result.model.flash,
        our_result.model.flash,
    )


@dataclass(frozen=True)
class FlashRow:
    """Bytes of code and constants of a network as linked: dense, with the best format for all layers, and chosen layer by
    layer."""

    network: str
    sparsity: int
    dense: int
    best_format: str
    best: int
    chosen: int


def flash_row(name: str, sparsity: int) -> FlashRow:
    """What `--objective=flash` takes next to every format forced on all layers that have a kernel for it. Of those the best
    is the one that is predicted to be, and all of the row are linked."""
    step(f"flash of {NETWORKS[name]} with {sparsity} % zeros")
    module = load(models() / FILES[name]).module
    prune(module, sparsity)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        text = Path(folder, f"{name}.mlir")
        text.write_text(module_text(module), encoding="utf-8")
        forced: dict[str, Project] = {}
        for label in ("dense", *(encoding.label for encoding in COMMON_FORMATS)):
            with contextlib.suppress(UserError):  # a layer that the format cannot hold
                forced[label] = Project.of(text, f"--weights={label}")
        best = min(forced, key=lambda label: forced[label].predicted)
        kept = forced["dense"], forced[best], Project.of(text, "--objective=flash")
        dense, least, chosen = (
            project.linked(Path(folder, str(number))) for number, project in enumerate(kept)
        )
    return FlashRow(name, sparsity, dense, best, least, chosen)


@dataclass(frozen=True)
class Project:
    """The C of a network; `cmsis_nn` is what it is built with."""

    files: dict[str, str]
    cmsis_nn: Path

    @staticmethod
    def of(text: Path, option: str) -> "Project":
        """Compile IR text for FLASH_CORE. Raises UserError."""
        args = parser().parse_args([str(text), f"--target={FLASH_CORE}", option])
        return Project(project_files(args, compile_model(args, "c")), cmsis_nn_directory(args))

    @property
    def predicted(self) -> int:
        """Bytes of flash, as report.json has them."""
        size = json.loads(self.files["report.json"])["flash_bytes"]
        assert isinstance(size, int)
        return size

    def linked(self, folder: Path) -> int:
        """Bytes of flash in an image; the project is written to `folder`."""
        write_files(self.files, folder)
        return linked_flash(folder, FLASH_CORE, self.cmsis_nn)
