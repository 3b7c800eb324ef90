# SPDX-License-Identifier: Apache-2.0
"""What a core says of a network of torch in this process: it is exported, compiled to C and, for its accuracy, run."""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec import pipelines
from sparsec.frontends.errors import FrontendError
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import dequantized, quantized
from sparsec.run.execute import run_project
from sparsec.run.toolchain import Cc
from sparsec.search.objectives import Prices
from sparsec.tools import run_command
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.emission import cmsis_nn_directory, project_files, write_files
from sparsec.tools.errors import UserError
from sparsec.tools.inputs import as_bytes

if TYPE_CHECKING:
    from sparsec.compress.data import Samples
    from sparsec.frontends.modules import Module, Tensor
    from sparsec.frontends.programs import Program

Array = np.ndarray[Any, Any]


class Chip:
    """The compiler with the options of a command line (`words`, e.g. `--target=cortex-m4`), for networks that take
    `inputs`, which calibrate them too."""

    def __init__(self, inputs: "Sequence[Tensor]", words: Sequence[str] = ()):
        self.inputs = list(inputs)
        self.words = list(words)

    def prices(self, model: "Module", settings: Mapping[str, str]) -> Prices:
        """What the compilation takes. Raises ValueError where the network cannot be compiled."""
        return _prices(self.compiled(model, settings)[1])

    def int8_accuracy(self, model: "Module", settings: Mapping[str, str], test: "Samples") -> float:
        """The share of right answers of the int8 network: by its own C on this machine, which is the device's to the byte,
        or by the interpreter where there is no gcc. Raises ValueError where it cannot be compiled."""
        compilation, files, args = self.compiled(model, settings)
        samples = quantized([test.inputs.numpy()], compilation.inputs)
        outputs = self._run(compilation, files, args, samples)[0]
        best: Array = outputs.reshape(len(outputs), -1).argmax(axis=1)
        labels: Array = test.labels.numpy()
        return int(np.count_nonzero(best == labels)) / len(labels)

    def milliseconds(self, model: "Module", megahertz: float, on: str | None = None) -> float:
        """What an inference takes at a clock, see `profile`."""
        return self.profile(model, megahertz, on)[0]

    def profile(
        self, model: "Module", megahertz: float, on: str | None = None
    ) -> tuple[float, int]:
        """The milliseconds of an inference at a clock and how many kernels it calls: estimated cycles of the layers with
        weights, or, `on` a core of QEMU, its instructions at one a cycle. Raises ValueError where it cannot be compiled
        or run."""
        compilation, files, args = self.compiled(model, {})
        calls = len(json.loads(files["report.json"])["layers"])
        if on is None:
            return _prices(files).cycles / (1000 * megahertz), calls
        flat = [
            as_bytes(each)[:1]
            for each in quantized([_numpy(each[:1]) for each in self.inputs], compilation.inputs)
        ]
        with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
            write_files(files, Path(folder, "net"))
            cmsis_nn, cc = cmsis_nn_directory(args), Cc(args.cc)
            result = run_project(Path(folder, "net"), on, flat, cmsis_nn=cmsis_nn, cc=cc)
        if result.instructions is None:
            raise ValueError(f"{on} counts no instructions: measure on a Cortex-M of QEMU")
        return float(result.instructions[0]) / (1000 * megahertz), calls

    def int8_network(self, model: "Module") -> Callable[[Sequence[Array]], list[Array]]:
        """The int8 network as a function from real inputs [N, ..] to real outputs. Raises ValueError where it cannot be
        compiled."""
        compilation, files, args = self.compiled(model, {})

        def run(inputs: Sequence[Array]) -> list[Array]:
            samples = quantized(inputs, compilation.inputs)
            outputs = self._run(compilation, files, args, samples)
            assert compilation.quantized is not None
            one = interpret(compilation.quantized, [each[:1] for each in samples])
            shaped = [
                np.ascontiguousarray(each).view(like.dtype).reshape(len(each), *like.shape[1:])
                for each, like in zip(outputs, one, strict=True)
            ]
            return dequantized(shaped, compilation.outputs)

        return run

    def compiled(
        self, model: "Module", settings: Mapping[str, str]
    ) -> tuple[Compilation, dict[str, str], argparse.Namespace]:
        """The network compiled, the files of its C project, and the command line that it was compiled by. Raises ValueError
        where it cannot be."""
        with self._lowered(model, settings, "c") as (compilation, args):
            return compilation, project_files(args, compilation), args

    def explained(self, model: "Module", settings: Mapping[str, str]) -> dict[str, Any]:
        """What `sparsec explain --json` says of the network. Raises ValueError where it cannot be compiled."""
        from sparsec.tools.explain_command import explain, problem_of

        with self._lowered(model, settings, "qnn") as (compilation, args):
            return explain(compilation, problem_of(args, compilation))

    @contextmanager
    def _lowered(
        self, model: "Module", settings: Mapping[str, str], emit: pipelines.Emit
    ) -> Generator[tuple[Compilation, argparse.Namespace]]:
        """The network as far as `emit`, while its files are there."""
        from sparsec.frontends.modules import exported, saved
        from sparsec.frontends.programs import Program

        words = [f"--observer={value}" for name, value in settings.items() if name == "observer"]
        with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
            path = Path(folder, "model.pt2")
            try:
                if isinstance(model, Program):  # it is written into the archive that it came from
                    path.write_bytes(model.saved())
                    words.append(f"--calibrate={self._data_for(model, folder)}")
                else:
                    path.write_bytes(saved(exported(model, self.inputs, open_batch=True)))
                args = run_command.parser().parse_args(
                    [str(path), "-q", "--name=model", "--input=none.npy", *self.words, *words]
                )
                yield compile_model(args, emit), args
            except (FrontendError, UserError) as error:
                raise ValueError(str(error)) from error

    def _data_for(self, program: "Program", folder: str) -> Path:
        """The inputs as a file, by the names that the program has for them."""
        path = Path(folder, "inputs.npz")
        named = zip(program.input_names, self.inputs, strict=True)
        np.savez(path, **{name: _numpy(each) for name, each in named})  # pyright: ignore[reportArgumentType]
        return path

    def _run(
        self,
        compilation: Compilation,
        files: dict[str, str],
        args: argparse.Namespace,
        samples: Sequence[Array],
    ) -> list[Array]:
        if shutil.which("gcc") is None:
            assert compilation.quantized is not None
            return interpret(compilation.quantized, samples)
        with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
            write_files(files, Path(folder, "net"))
            flat = [as_bytes(each) for each in samples]
            outputs = run_project(
                Path(folder, "net"), "host", flat, cmsis_nn=cmsis_nn_directory(args)
            ).outputs
        return outputs


def _prices(files: Mapping[str, str]) -> Prices:
    report = json.loads(files["report.json"])
    layers = report["layers"]
    return Prices(
        cycles=sum(layer["predicted_cycles"] or 0 for layer in layers),
        instructions=sum(layer["predicted_instructions"] or 0 for layer in layers),
        flash=report["flash_bytes"],
        ram=report["arena_bytes"],
        macs=report["macs"],
        weights=sum(layer["weight_bytes_dense"] for layer in layers),
        nonzeros=sum(round(layer["density"] * layer["weight_bytes_dense"]) for layer in layers),
    )


def _numpy(tensor: "Tensor") -> Array:
    return tensor.detach().cpu().numpy()
