# SPDX-License-Identifier: Apache-2.0
"""What workers on several machines share besides the study: models, data and checkpoints, in a folder or at any URL that
fsspec knows. The one rule: what is stored is called by its checksum, and what is read has it."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

Result = TypeVar("Result")


def checksum(content: bytes) -> str:
    """The name of a content: SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


class Store:
    """A folder or an fsspec URL. Raises ValueError where there is no such thing."""

    def __init__(self, place: str):
        try:
            from fsspec.core import url_to_fs  # pyright: ignore[reportUnknownVariableType]
        except ImportError as error:
            raise ValueError(
                "a store needs fsspec, which comes with torch: pip install fsspec"
            ) from error
        try:
            filesystem, root = cast(tuple[Any, str], url_to_fs(place))
        except (ImportError, ValueError, OSError) as error:
            raise ValueError(f"cannot open the store: {_first_line(error)}") from error
        self._files = filesystem
        self._root = root.rstrip("/")
        self.is_local = "file" in _protocols(filesystem)

    def put(self, content: bytes) -> str:
        """Keep `content`; its checksum. Raises ValueError where it cannot be written."""
        name = checksum(content)
        path = f"{self._root}/objects/{name}"

        def write() -> None:
            if self._files.exists(path):
                return
            self._files.makedirs(f"{self._root}/objects", exist_ok=True)
            part = f"{path}.{uuid4().hex}"  # two workers may bring the same
            self._files.pipe_file(part, content)
            self._files.mv(part, path)

        _told("write to", write)
        return name

    def get(self, name: str) -> bytes:
        """The content of that checksum. Raises ValueError where it is not there or is another."""
        path = f"{self._root}/objects/{name}"
        try:
            content = _told("read from", lambda: bytes(self._files.cat_file(path)))
        except FileNotFoundError:
            raise ValueError(
                f"the store has no {name[:12]}: give the --store of the worker that began the study"
            ) from None
        if checksum(content) != name:
            raise ValueError(
                f"{name[:12]} in the store is damaged: remove it and begin the study again"
            )
        return content

    def folder(self, key: str, local: Path) -> Path:
        """A folder on this machine for the checkpoints of `key`: the store's own, or a copy of what it has, below `local`."""
        if self.is_local:
            return Path(self._root) / "checkpoints" / key
        target = local / key
        target.mkdir(parents=True, exist_ok=True)

        def read() -> None:
            source = f"{self._root}/checkpoints/{key}"
            if self._files.exists(source):
                for path in self._files.ls(source, detail=False):
                    name = str(path).rpartition("/")[2]
                    (target / name).write_bytes(bytes(self._files.cat_file(path)))

        _told("read from", read)
        return target

    def push(self, key: str, folder: Path) -> None:
        """Keep the checkpoints that lie in `folder`, and no older ones."""
        if self.is_local:
            return
        target = f"{self._root}/checkpoints/{key}"

        def write() -> None:
            self._files.makedirs(target, exist_ok=True)
            there = {str(path).rpartition("/")[2] for path in self._files.ls(target, detail=False)}
            ours = {path.name for path in folder.glob("epoch-*.pt")}
            for name in sorted(ours - there):
                self._files.pipe_file(f"{target}/{name}", (folder / name).read_bytes())
            for name in sorted(there - ours):
                self._files.rm_file(f"{target}/{name}")

        _told("write to", write)

    def drop(self, key: str, folder: Path) -> None:
        """Forget the checkpoints of a candidate that is done."""
        shutil.rmtree(folder, ignore_errors=True)
        target = f"{self._root}/checkpoints/{key}"
        if not self.is_local:
            _told(
                "write to",
                lambda: (
                    self._files.rm(target, recursive=True) if self._files.exists(target) else None
                ),
            )


def _told(verb: str, action: Callable[[], Result]) -> Result:
    try:
        return action()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"cannot {verb} the store: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
