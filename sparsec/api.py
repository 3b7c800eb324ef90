# SPDX-License-Identifier: Apache-2.0
"""Compiling from Python, in the words of the command line: `sparsec.compile(model, inputs, target="cortex-m4")`."""

import json
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, cast

import numpy as np

from sparsec.frontends import FrontendError
from sparsec.interpreters.signature import dequantized
from sparsec.quiet import only_our_messages
from sparsec.tools import explain_command, run_command, sparsec, what_if_command
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.emission import project_files, write_files
from sparsec.tools.errors import UserError

if TYPE_CHECKING:
    from sparsec.frontends.modules import Module, Tensor

Array: TypeAlias = np.ndarray[Any, Any]


class Options(TypedDict, total=False):
    """What `sparsec --help` lists, with `_` for `-`; sizes in bytes or as `"64K"`."""

    name: str
    target: str
    objective: Literal["latency", "flash", "ram", "balanced"]
    weights: str
    recipe: str | Path
    flash: int | str
    ram: int | str
    memory: Sequence[str]
    max_slowdown: float
    plan_seconds: float
    arena: Literal["static", "caller"]
    io: Literal["arena", "caller"]
    int8_io: bool
    bundle: bool
    observer: Literal["min-max", "percentile", "mse", "auto"]
    percentile: float
    equalize: bool
    correct_biases: bool
    linear_weights: Literal["per-channel", "per-tensor"]
    input_layout: Literal["nchw", "nhwc"]
    input_shape: Sequence[str]
    trust_pickle: bool
    no_import_check: bool
    cmsis_nn: str | Path
    verify_semantics: bool
    verify_each: bool


@dataclass(frozen=True)
class Ran:
    """What a device gave: one array [N, ..] for each output, as the numbers that its int8 values stand for."""

    outputs: list[Array]
    int8_outputs: list[Array]
    mismatches: int
    """Bytes that differ from the interpreter's; there should be none."""
    instructions: list[int] | None
    """Of each sample, exact; None on this machine, where nothing counts them."""


@dataclass(frozen=True)
class Compiled:
    """A compiled network: its files are in memory until `write` puts them somewhere."""

    files: Mapping[str, str]
    """The text of each file of the C project, by name."""
    _words: Sequence[str] = field(repr=False)
    _compilation: Compilation = field(repr=False)
    _model: "_Model" = field(repr=False)

    @property
    def report(self) -> dict[str, Any]:
        """report.json: sizes, layers, kernels, memory plan."""
        return json.loads(self.files["report.json"])

    def write(self, directory: str | Path | None = None) -> Path:
        """Write the C project, all of it or nothing, by default to a folder of the network's name; returns the folder.

        Raises UserError where it cannot be written, or a file of yours would be replaced.
        """
        target = Path(self._compilation.name if directory is None else directory)
        named_after = self._compilation.named_after if directory is None else None
        write_files(dict(self.files), target, named_after)
        return target

    def run(self, *inputs: "Array | Tensor", on: str = "host", cc: str = "gcc") -> Ran:
        """Build the network by `cc`, which may be "clang", and run it on N samples, on this machine or on QEMU
        (`on="cortex-m4"`).

        `inputs` are [N, ..] for each input of the network, real numbers or int8. Raises UserError where that cannot be
        done.
        """
        with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
            words = [*self._words, f"--on={on}", f"--cc={cc}"]
            for number, array in enumerate(map(_array, inputs)):
                path = Path(folder, f"{number}.npy")
                np.save(path, array)
                words.append(f"--input={path}")
            args = run_command.parser().parse_args(words)
            report, outputs = run_command.run_and_compare(args, self._compilation, lambda _: None)
        return Ran(
            dequantized(outputs, self._compilation.outputs),
            outputs,
            report["mismatches"],
            report["instructions"],
        )

    def explain(self) -> dict[str, Any]:
        """For each layer every way to store its weights, what it costs and why one won, as `sparsec explain --json`."""
        args = explain_command.parser().parse_args(self._words)
        compilation = compile_model(args, "qnn" if args.ram is None else "kernels")
        return explain_command.explain(compilation, explain_command.problem_of(args, compilation))


@dataclass(frozen=True)
class _Model:
    """The files of a model and its calibration data, in a folder that goes with the object."""

    path: Path
    calibration: Path | None


def compile(
    model: "str | Path | Module",
    inputs: "Sequence[Array | Tensor] | Array | Tensor | None" = None,
    **options: Unpack[Options],
) -> Compiled:
    """Compile a file that `sparsec` reads, or a module of torch, to C.

    `inputs` are real inputs [N, ..], one for each argument of the model in torch's layout: they calibrate the int8
    network. A module needs them; of a file they take the place of the examples it carries. Data that is constant and
    outputs that int8 does not serve are warned of. Raises UserError, whose message says what to do, where the model cannot
    be compiled.

    >>> import torch, sparsec
    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU())
    >>> compiled = sparsec.compile(net, torch.randn(32, 8), name="net", target="cortex-m4")
    >>> compiled.report["target"], compiled.run(torch.randn(2, 8)).mismatches
    ('cortex-m4', 0)
    """
    given = [] if inputs is None else [inputs] if _is_array(inputs) else list(inputs)
    prepared = _prepare(model, given, options.get("input_layout", "nchw"))
    words = [str(prepared.path), "-q", *_words(options)]
    if prepared.calibration is not None:
        words.append(f"--calibrate={prepared.calibration}")
    args = sparsec.parser().parse_args(words)
    compilation = compile_model(args, "c")
    for doubt in compilation.doubts:
        warnings.warn(doubt, stacklevel=2)
    files = project_files(args, compilation)
    return Compiled(files, words, compilation, prepared)


def what_if(
    model: "str | Path | Module",
    inputs: "Sequence[Array | Tensor] | Array | Tensor | None" = None,
    *,
    sparsity: Sequence[float] = (0.5, 0.75, 0.9),
    pattern: Sequence[str] = ("unstructured", "block(1x16)", "nm(2:4)", "channels"),
    **options: Unpack[Options],
) -> dict[str, Any]:
    """What zeros would be worth on the target before any training, as `sparsec what-if --json` has it; model and inputs
    as for `compile`. Raises UserError likewise.

    >>> import torch, sparsec
    >>> net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4))
    >>> told = sparsec.what_if(net, torch.randn(32, 64), sparsity=[0.9], pattern=["unstructured"])
    >>> now, pruned = told["network"]
    >>> pruned["estimated_cycles"] < now["estimated_cycles"]
    True
    """
    given = [] if inputs is None else [inputs] if _is_array(inputs) else list(inputs)
    prepared = _prepare(model, given, options.get("input_layout", "nchw"))
    words = [str(prepared.path), "-q", *_words(options)]
    words.append(f"--sparsity={','.join(map(str, sparsity))}")
    words.append(f"--pattern={','.join(pattern)}")
    if prepared.calibration is not None:
        words.append(f"--calibrate={prepared.calibration}")
    args = what_if_command.parser().parse_args(words)
    compilation = compile_model(args, "qnn")
    totals, layers = what_if_command.asked(args, compilation, lambda _: None)
    return what_if_command.as_json(compilation.name, compilation.cpu.name, totals, layers)


def _prepare(model: "str | Path | Module", given: Sequence[Any], layout: str) -> _Model:
    folder = Path(tempfile.mkdtemp(prefix="sparsec-"))
    path = Path(model) if isinstance(model, str | Path) else folder / "model.pt2"
    arrays = [_array(each) for each in given]
    calibration = folder / "inputs.npz" if arrays else None
    prepared = _Model(path, calibration)
    weakref.finalize(prepared, shutil.rmtree, folder, ignore_errors=True)
    if calibration is not None:
        np.savez(calibration, *[_as_entry(array, layout) for array in arrays])
    if not isinstance(model, str | Path):
        if not arrays:
            raise UserError("a module of torch needs inputs: give sparsec.compile real ones")
        from sparsec.frontends.modules import export_module

        try:
            with only_our_messages():
                # Tensors as they are, because torch exports for their types.
                tensors = [
                    each if hasattr(each, "detach") else array
                    for each, array in zip(given, arrays, strict=True)
                ]
                export_module(model, tensors, path)
        except FrontendError as error:
            raise UserError(str(error)) from error
    return prepared


def _as_entry(array: Array, layout: str) -> Array:
    """`array` in the layout of the generated entry."""
    return array.transpose(0, 2, 3, 1) if layout == "nhwc" and array.ndim == 4 else array


def _is_array(value: object) -> bool:
    return hasattr(value, "shape")


def _array(value: Any) -> Array:
    """An array of a tensor of torch, or of what numpy takes for one."""
    if not hasattr(value, "detach"):
        return np.asarray(value)
    from sparsec.frontends.modules import as_array

    return as_array(value)


def _words(options: Options) -> Iterator[str]:
    """`options` as the command line has them."""
    known = Options.__annotations__
    for key, value in options.items():
        if key not in known:
            raise UserError(f"there is no option '{key}', known: {', '.join(known)}")
        flag = f"--{key.replace('_', '-')}"
        if value is True:
            yield flag
        elif isinstance(value, list | tuple):
            yield from (f"{flag}={each}" for each in cast(Sequence[object], value))
        elif value is not False and value is not None:
            yield f"{flag}={value}"
