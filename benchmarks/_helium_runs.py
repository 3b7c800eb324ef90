# SPDX-License-Identifier: Apache-2.0
"""A network on Cortex-M55: what plain CMSIS-NN calls take by each compiler, and what sparsec's C does, byte for byte equal."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from benchmarks._plain_cmsis import write_plain_project
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir.shapes import shape_of
from sparsec.run import cmsis_nn
from sparsec.run.errors import ToolchainError
from sparsec.run.profile.profile import Cost, profile_project
from sparsec.run.toolchain import Cc
from sparsec.tools.compilation import compile_model
from sparsec.tools.emission import project_files, write_files
from sparsec.tools.printing import module_text
from sparsec.tools.sparsec import parser

CORE = "cortex-m55"
BY_GCC = "gcc -O3"
BASELINES: Mapping[str, Cc] = {
    BY_GCC: Cc("gcc", "-O3"),
    "clang -O3": Cc("clang", "-O3"),
    "clang -Os": Cc("clang", "-Os"),
}
"""The fastest of these is what ours is held to."""
OURS: Mapping[str, Cc] = {BY_GCC: Cc("gcc"), "clang -Os": Cc("clang")}
OPTIONS = ("--objective=latency", "--max-slowdown=0")
CONVERSIONS = ("sparsec_to_channel_major_s8", "sparsec_from_channel_major_s8")
"""Calls that only bring activations into another layout."""


@dataclass(frozen=True)
class Run:
    """A program: `native` is its cost without conversions of layouts at its borders; `flash` is what it links."""

    cost: Cost
    native: Cost
    kernels: tuple[str, ...]
    flash: int


def best(runs: Mapping[str, Run]) -> tuple[str, Run]:
    """The compiler whose code takes the fewest cycles, and the run."""
    return min(runs.items(), key=lambda item: item[1].cost.cycles)


class Subject:
    """A network at `qnn` and what it gives for a random input."""

    def __init__(self, module: ModuleOp):
        self.module = module
        rng = np.random.default_rng(7)
        shapes = [shape_of(type) for type in main_function(module).function_type.inputs]
        self.inputs = [rng.integers(-128, 128, shape, np.int8) for shape in shapes]
        self.expected = interpret(module, self.inputs)

    def plain(self) -> dict[str, Run]:
        """Plain calls of CMSIS-NN by each compiler. AssertionError where a byte differs."""
        with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
            project = Path(folder, "plain")
            write_plain_project(self.module, project)
            return {name: self._run(project, cc) for name, cc in BASELINES.items()}

    def ours(self, *options: str) -> dict[str, Run]:
        """What sparsec makes of it with `options`, by each compiler. UserError where it cannot, AssertionError where a
        byte differs."""
        with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
            text, project = Path(folder, "net.mlir"), Path(folder, "ours")
            text.write_text(module_text(self.module), encoding="utf-8")
            words = [str(text), "-q", "--name=net", f"--target={CORE}", *OPTIONS, *options]
            args = parser().parse_args(words)
            write_files(project_files(args, compile_model(args, "c")), project)
            return {name: self._run(project, cc) for name, cc in OURS.items()}

    def _run(self, project: Path, cc: Cc) -> Run:
        directory = cmsis_nn.locate()
        if directory is None:
            raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
        flat = [array.reshape(1, -1) for array in self.inputs]
        result, profile = profile_project(project, CORE, flat, cmsis_nn=directory, cc=cc)
        for found, expected in zip(result.outputs, self.expected, strict=True):
            assert np.array_equal(found[0], expected.reshape(-1)), (project.name, cc)
        kept = [layer for layer in profile.layers if layer.kernel not in CONVERSIONS]
        native = sum((layer.cost for layer in kept), Cost(0, 0))
        kernels = tuple(layer.kernel for layer in kept)
        return Run(profile.total, native, kernels, result.model.flash)
