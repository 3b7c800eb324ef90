# SPDX-License-Identifier: Apache-2.0
"""Models as Knight-MC's entries are given them, and the files that these write: tensors and plain values alone."""

import io
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from sparsec.compress.checkpoints import load_checkpoint, write_atomically


def model_of(model_fn: object) -> nn.Module:
    """What `model_fn` is or makes. Raises ValueError where that is no module."""
    made = model_fn
    if not isinstance(model_fn, nn.Module) and callable(model_fn):
        made = cast(Callable[[], object], model_fn)()
    if not isinstance(made, nn.Module):
        raise ValueError("model_fn is a torch module or a function that makes one")
    return made


def inner_of(model: nn.Module) -> nn.Module:
    """A model without what spreads it over several GPUs."""
    spread = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    return cast(nn.Module, model.module) if spread else model


def plain_names(names: Collection[str]) -> list[str]:
    """Names without what they have in front where a model was spread over several GPUs."""
    spread = all(name.startswith("module.") for name in names)
    return [name.removeprefix("module.") if spread else name for name in names]


def save_file(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state`, whole or not at all. Raises ValueError where it holds objects, OSError."""
    content = io.BytesIO()
    torch.save(dict(state), content)
    content.seek(0)
    try:
        torch.load(content, weights_only=True)
    except Exception as error:  # torch has many words for what it would have to unpickle
        raise ValueError(
            "extras hold objects, which nobody could load safely: save tensors and plain values, such as "
            "optimizer.state_dict()"
        ) from error
    write_bytes(path, content.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """Whole or not at all. Raises OSError."""

    def write(path: Path) -> None:
        path.write_bytes(content)

    write_atomically(path, write)


def load_file(path: Path) -> dict[str, Any]:
    """What `save_file` wrote, or a state dict. Raises ValueError where objects would have to be unpickled, OSError."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return load_checkpoint(path)
    except ValueError as error:
        raise ValueError(
            f"{error}: load it once where its classes are at home, and torch.save its state_dict()"
        ) from error
