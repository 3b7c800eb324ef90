# SPDX-License-Identifier: Apache-2.0
"""Models of PyTorch to `nn`, of TensorFlow Lite and of sparse-engine to `qnn`: the only way into the compiler.

Only this package and compress use torch.

Importing this package does not import torch; `load` does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr

from sparsec.frontends.archive import Kind, kind_of, read_file
from sparsec.frontends.builder import Layout
from sparsec.frontends.errors import FrontendError, UnsupportedError
from sparsec.frontends.proof import Proof
from sparsec.ir.attributes import NAME
from sparsec.recipe import Recipe

__all__ = ["FrontendError", "Loaded", "configured_image", "example_inputs", "load", "run_program"]

_Examples = list[np.ndarray[Any, Any]] | None
_last_examples: dict[tuple[str, int, Layout], _Examples] = {}
"""The example inputs of the file that was read last, as reading it a second time takes seconds."""


def _stamp(path: Path, layout: Layout) -> tuple[str, int, Layout]:
    return str(path.resolve()), path.stat().st_mtime_ns, layout


@dataclass
class Loaded:
    """A model at the level of `nn`, of TensorFlow Lite and of sparse-engine at `qnn`, and the example inputs its file carries.

    `examples` has one array [N, ..] for each input, as the entry takes it;
    None if the file has none. `proof` is what holds a model of PyTorch to torch. `converted` names the
    float types of the file that became float32. `recipe` says how the files of the model want its layers stored, and
    `summary` what was read, line by line, where that is told.
    """

    module: ModuleOp
    examples: list[np.ndarray[Any, Any]] | None
    proof: Proof | None = None
    converted: tuple[str, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    summary: tuple[str, ...] = ()


def load(
    path: Path,
    *,
    input_layout: Layout = "nchw",
    trust_pickle: bool = False,
    input_shape: Sequence[Sequence[int]] | None = None,
) -> Loaded:
    """Read the model in `path`, whatever its extension; a folder is one of tensors.

    An input of four dimensions is taken by `main` as NCHW, as torch does, or as NHWC; a result of
    four dimensions is given in the same layout. `input_shape` has one torch shape for each input,
    for files that do not tell. A model of TensorFlow Lite is NHWC whatever the layout says. Nothing
    is unpickled unless `trust_pickle` is set: then the file may run any code. Raises FrontendError,
    whose message starts with the path.
    """
    try:
        loaded = _load(path, input_layout, trust_pickle, input_shape)
        loaded.module.verify()
    except FrontendError as error:
        raise FrontendError(f"{path}: {error}") from error
    except UnsupportedError as error:
        raise FrontendError(f"{path}: {error}") from error
    except Exception as error:  # the one place that says so of whatever a file can break
        raise FrontendError(
            f"{path}: the file is malformed ({type(error).__name__}: {first_words(error)}): export or copy it again; "
            "if what wrote it can read it, this is a bug of sparsec: please report it"
        ) from error
    loaded.module.attributes[NAME] = StringAttr(identifier(path.stem))
    _last_examples.clear()
    _last_examples[_stamp(path, input_layout)] = loaded.examples
    return loaded


def example_inputs(path: Path, *, input_layout: Layout = "nchw") -> list[np.ndarray[Any, Any]]:
    """The example inputs that the model in `path` carries, as in `Loaded`.

    Raises FrontendError when the file cannot be read or carries none.
    """
    try:
        stamp = _stamp(path, input_layout)
    except OSError as error:
        raise FrontendError(f"{path}: {error.strerror}") from error
    if stamp not in _last_examples:
        load(path, input_layout=input_layout)
    examples = _last_examples[stamp]
    if examples is None:
        raise FrontendError(f"{path}: the file carries no example inputs")
    return examples


def configured_image(configuration: Path) -> tuple[np.ndarray[Any, Any], int | None]:
    """The stored image, int8 [1, H, W, C], that the config.yml of a folder of tensors names, and its class if it tells one.

    Raises FrontendError, whose message starts with the path.
    """
    from sparsec.frontends.tensor_folder import read_image

    try:
        return read_image(configuration)
    except FrontendError as error:
        raise FrontendError(f"{configuration}: {error}") from error


def run_program(path: Path, inputs: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What torch gives for inputs [N, ..], in its own layout, when it runs the calls of a program of torch.export.save.

    Nothing is unpickled. Raises FrontendError, whose message starts with the path.
    """
    from sparsec.frontends.exported_program import results_of

    try:
        content = read_file(path)
        if kind_of(content) is not Kind.EXPORTED:
            raise FrontendError("it is no program of torch.export.save")
        return results_of(content, inputs)
    except FrontendError as error:
        raise FrontendError(f"{path}: {error}") from error


def _load(
    path: Path,
    layout: Layout,
    trust_pickle: bool,
    shapes: Sequence[Sequence[int]] | None,
) -> Loaded:
    if path.is_dir():
        from sparsec.frontends.tensor_folder import import_folder

        network = import_folder(path, shapes)
        return Loaded(network.module, None, recipe=network.recipe, summary=network.summary)
    content = read_file(path)
    kind = kind_of(content)
    if kind is Kind.TFLITE:
        from sparsec.frontends.tflite import import_tflite

        return Loaded(import_tflite(content), None)
    if kind is Kind.PICKLE:
        # Imported here, as all that reads tensors imports torch.
        from sparsec.frontends.pickled import exported_from_pickle, refuse_pickle

        if not trust_pickle:
            raise refuse_pickle(content, path.name)
        content = exported_from_pickle(content, path.name, shapes)
    if kind is Kind.TORCHSCRIPT:
        from sparsec.frontends.torchscript import import_torchscript

        module, proof, converted = import_torchscript(content, layout, shapes)
        return Loaded(module, None, proof, converted)
    from sparsec.frontends.exported import import_exported

    read = import_exported(content, layout)
    examples = None if kind is Kind.PICKLE else read.examples
    return Loaded(read.module, examples, read.proof, read.converted)


def first_words(error: BaseException) -> str:
    """The beginning of what `error` says, in one line that a terminal can show."""
    line = (str(error).strip() or "no message").splitlines()[0]
    text = "".join(character if character.isprintable() else "?" for character in line)
    return text if len(text) <= 100 else f"{text[:97]}..."


def identifier(stem: str) -> str:
    """`stem` as an identifier of C."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", stem)
    return f"m_{name}" if not name or name[0].isdigit() else name
