# SPDX-License-Identifier: Apache-2.0
"""The folder of a project on disk: rewritten as a whole, and nothing of the user's lost.

A new folder is made ready beside the old one and the two change places, so that whoever looks, or
kills the compiler, finds one or the other. What sparsec wrote before is known by the digests in
report.json: that is replaced, and removed where it is not needed any more. Everything else in the
folder is the user's and stays, as another link to the same file.
"""

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, cast

MANIFEST = "report.json"

ORIGIN = ".model"
"""Of a folder that is called after a model file, where that file lies, seen from the folder."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def digest(content: str) -> str:
    """What tells the content of a file that sparsec wrote from one that was changed since."""
    return hashlib.sha256(content.encode()).hexdigest()


def write_project(
    files: Mapping[str, str], directory: Path, named_after: Path | None = None
) -> None:
    """Write `files` to `directory`, all of them or none.

    Where nobody chose the folder's name it is `named_after` a model file, and holds no network of another such file.
    A folder that is the working directory, or above it, is not exchanged, as that would pull it from
    under the user's shell: there the files are replaced one by one. Raises OSError when the folder
    cannot be written, FileExistsError where a file of the user's would be replaced or the folder
    holds another network.
    """
    directory = directory.resolve()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(directory.parent):
        ours = _written_before(directory, files)
        if named_after is not None:
            _check_origin(directory, named_after)
            files = {**files, ORIGIN: f"{os.path.relpath(named_after.resolve(), directory)}\n"}
        outer = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}-"))
        try:
            staged = outer / directory.name
            stays = directory in (Path.cwd(), *Path.cwd().parents)
            if directory.exists() and not stays:
                _link_all_but(directory, staged, ours)
            else:
                staged.mkdir()
            for name, content in files.items():
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                (staged / name).write_text(content, encoding="utf-8", newline="\n")
            if stays:
                for name in files:
                    (directory / name).parent.mkdir(parents=True, exist_ok=True)
                    (staged / name).replace(directory / name)
                for name in ours - files.keys():
                    (directory / name).unlink(missing_ok=True)
            elif directory.exists():
                _exchange(staged, directory)
                _adopt(staged, directory, ours)
            else:
                staged.rename(directory)
            _remove_emptied(directory, ours - files.keys())
        finally:
            shutil.rmtree(outer, ignore_errors=True)


@contextmanager
def _alone_in(parent: Path) -> Generator[None]:
    """Two compilations that write to one folder do so one after the other; a lock dies with its process."""
    handle = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _written_before(directory: Path, files: Mapping[str, str]) -> set[str]:
    """The names of what sparsec wrote to `directory`, once it is known that `files` may go there."""
    if not directory.exists():
        return set()
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{directory} is a file")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"{directory} is write-protected")
    old, new = _facts(_text(directory / MANIFEST)), _facts(files.get(MANIFEST))
    names = [facts.get("name") for facts in (old, new)]
    if None not in names and names[0] != names[1]:
        raise FileExistsError(errno.EEXIST, f"it holds the network '{names[0]}'")
    found = old.get("files")
    digests = cast(dict[str, str], found) if isinstance(found, dict) else {}
    ours = {MANIFEST, ORIGIN} if digests else set[str]()
    for name in digests.keys() | files.keys():
        path = directory / name
        if not _lies_inside(name):
            continue
        barrier = _barrier(directory, name)
        if barrier is not None:
            if name in files and not _has_digest(directory / barrier, digests.get(barrier)):
                raise FileExistsError(
                    errno.EEXIST, f"its {barrier} is no folder, and {name} goes there: move it away"
                )
            continue
        if not os.path.lexists(path):
            continue
        if _has_digest(path, digests.get(name)):
            ours.add(name)
        elif name in files and _text(path) != files[name] and name not in ours:
            raise FileExistsError(
                errno.EEXIST,
                f"its {name} is not as sparsec wrote it, and would be lost: move it away",
            )
    return ours


def _lies_inside(name: str) -> bool:
    """Whether a file of that name lies in the folder, or in one that it has."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _barrier(directory: Path, name: str) -> str | None:
    """What stands where `name` has a folder and is none of this directory's own: a file, or a link to elsewhere."""
    for folder in reversed(PurePosixPath(name).parents[:-1]):
        path = directory / folder
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            return folder.as_posix()
    return None


def _has_digest(path: Path, wanted: str | None) -> bool:
    """Whether the text of a file is still as it was written."""
    text = _text(path)
    return text is not None and digest(text) == wanted


def _remove_emptied(directory: Path, stale: set[str]) -> None:
    """Remove the folders that held nothing but `stale` files, unless the user's shell is in one."""
    cwd = Path.cwd()
    parents = {folder for name in stale for folder in PurePosixPath(name).parents[:-1]}
    for folder in sorted(parents, key=lambda each: len(each.parts), reverse=True):
        path = directory / folder
        if path not in (cwd, *cwd.parents):
            with suppress(OSError):
                path.rmdir()


def _check_origin(directory: Path, model: Path) -> None:
    """FileExistsError where `directory` is called after another model file, which is still there."""
    there = (_text(directory / ORIGIN) or "").strip()
    if there and (directory / there).is_file() and not (directory / there).samefile(model):
        other = os.path.relpath(directory / there)
        raise FileExistsError(
            errno.EEXIST, f"it holds the network of {other}: call this one otherwise with --name"
        )


def _text(path: Path) -> str | None:
    """The text of a file, None where there is none."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _facts(text: str | None) -> dict[str, Any]:
    """What a report says, as far as it is one."""
    try:
        facts: object = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], facts) if isinstance(facts, dict) else {}


def _link_all_but(directory: Path, staged: Path, ours: set[str]) -> None:
    """What `directory` holds of the user's, once more in `staged`."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(directory)
        return {name for name in names if (inside / name).as_posix() in ours}

    shutil.copytree(directory, staged, symlinks=True, ignore=ignore, copy_function=_link)


def _link(source: str, target: str) -> None:
    """A second name of a file; a copy where it lies on another file system."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target)


def _exchange(staged: Path, directory: Path) -> None:
    """Let two folders change places, in one step where the system has it (Linux), else in two."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    paths = [os.fsencode(path) for path in (staged, directory)]
    if rename and rename(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
        return
    old = staged.with_name(f"{staged.name}.old")
    directory.rename(old)
    staged.rename(directory)
    old.rename(staged)


def _adopt(old: Path, directory: Path, ours: set[str]) -> None:
    """Take over what came to the old folder after it was looked through."""
    for entry in sorted(old.rglob("*")):
        name = entry.relative_to(old)
        target = directory / name
        new = os.path.lexists(entry) and not os.path.lexists(target)
        if name.as_posix() not in ours and new and os.path.lexists(target.parent):
            entry.rename(target)
