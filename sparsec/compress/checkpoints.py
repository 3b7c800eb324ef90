# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a run: written whole or not at all, the newest two kept, read without unpickling objects."""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch

KEPT = 2
"""How many checkpoints stay; one might be damaged by what no program can help."""

_NAME = re.compile(r"epoch-(\d{4,})\.pt")


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path` that then takes its place. Raises OSError, and leaves what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    found = [
        (int(match[1]), path)
        for path in folder.glob("epoch-*.pt")
        if (match := _NAME.fullmatch(path.name))
    ]
    return [path for _, path in sorted(found, reverse=True)]


def save_checkpoint(folder: Path, epoch: int, state: Mapping[str, Any]) -> None:
    """Write `state`, tensors and plain values, as the newest checkpoint. Raises OSError; older ones are there still then."""

    def write(path: Path) -> None:
        try:
            torch.save(dict(state), path)
        except RuntimeError as error:  # torch's writer has its own words for a full disk
            raise OSError(f"cannot write a checkpoint: {str(error).splitlines()[0]}") from error

    write_atomically(folder / f"epoch-{epoch:04}.pt", write)
    for old in checkpoints_in(folder)[KEPT:]:
        old.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What `save_checkpoint` wrote. Raises ValueError for anything else, what would need unpickling objects included."""
    try:
        state = cast(object, torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch has many words for a file that it cannot read
        raise ValueError(
            f"{path} is no checkpoint of tensors and numbers alone: it is damaged or holds pickled objects, "
            "which are not read"
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} is no checkpoint of sparsec")
    return cast(dict[str, Any], state)


def newest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, None where there is none. Raises ValueError where none can be."""
    error: ValueError | None = None
    for path in checkpoints_in(folder):
        try:
            return load_checkpoint(path)
        except ValueError as found:
            error = found
    if error is not None:
        raise error
    return None
