# SPDX-License-Identifier: Apache-2.0
"""Compiles C files, each only once: objects lie in the user's cache under all that decides what is in them.

The rule: the name of an object is the hash of the compiler, its flags, and the text of the source and of every header
that its `#include` lines can reach. Where a source lies is no part of it, and debug information does not tell.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sparsec.run.cmsis_library import first_errors
from sparsec.run.cmsis_nn import cache_dir
from sparsec.run.errors import BuildError
from sparsec.run.toolchain import Compiler

LIMIT_BYTES = 512 * 1024 * 1024
"""What the cache may take; the objects that were not used for longest go first."""

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>|(\S))', re.MULTILINE)


@dataclass(frozen=True)
class Folders:
    """Where headers are looked for: those of the project, and those whose warnings are not its own."""

    own: tuple[Path, ...]
    system: tuple[Path, ...] = ()

    @property
    def all(self) -> tuple[Path, ...]:
        return (*self.own, *self.system)

    @property
    def flags(self) -> tuple[str, ...]:
        """For gcc, which writes their paths into no object."""
        own = tuple(f"-I{folder}" for folder in self.own)
        system = tuple(part for folder in self.system for part in ("-isystem", str(folder)))
        return (*own, *system, *(f"-ffile-prefix-map={folder}=." for folder in self.all))


def compile_object(
    compiler: Compiler, source: Path, flags: Sequence[str], folders: Folders, output: Path
) -> None:
    """Writes the object of `source` to `output`, out of the cache if it is there.

    Safe to call from several processes at once: one compiles, the others wait for it. Raises BuildError with the
    compiler's first errors, and keeps nothing then.
    """
    source = source.resolve()
    flags = (*compiler.flags, *flags)
    key = _key(compiler, flags, source, folders)
    if key is None:
        _compile(compiler, source, flags, folders, output)
        return
    bucket = cache_dir() / "objects" / key[:2]
    cached = bucket / f"{key[2:]}.o"
    if _copied(cached, output):
        return
    bucket.mkdir(parents=True, exist_ok=True)
    with open(bucket / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _copied(cached, output):
            return
        _compile(compiler, source, flags, folders, output)
        fresh = bucket / "fresh"
        shutil.copyfile(output, fresh)
        os.replace(fresh, cached)  # atomic: nobody ever sees half an object
    if key.startswith("00"):  # now and then
        prune(cache_dir() / "objects", LIMIT_BYTES)


def _copied(cached: Path, output: Path) -> bool:
    """Whether the cache had it."""
    try:
        shutil.copyfile(cached, output)
        os.utime(cached)
    except FileNotFoundError:
        return False
    return True


def prune(folder: Path, limit: int) -> None:
    """Removes what was not used for longest until the files under `folder` take at most `limit` bytes."""
    found: list[tuple[float, int, Path]] = []
    for path in folder.rglob("*.o"):
        try:
            stat = path.stat()
        except FileNotFoundError:  # another process prunes too
            continue
        found.append((stat.st_mtime, stat.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            return
        path.unlink(missing_ok=True)
        total -= size


def _compile(
    compiler: Compiler, source: Path, flags: Sequence[str], folders: Folders, output: Path
) -> None:
    # From its own folder, by its name alone: so neither the object nor a message has its path.
    command = [compiler.path, *flags, *folders.flags, f"-ffile-prefix-map={source.parent}=."]
    result = subprocess.run(
        [*command, "-c", source.name, "-o", output.resolve()],
        cwd=source.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise BuildError(f"{source.name} does not compile:\n{first_errors(result.stderr)}")


def _key(compiler: Compiler, flags: Sequence[str], source: Path, folders: Folders) -> str | None:
    """None for a source whose headers cannot be told from its text."""
    digest = hashlib.sha256()
    # Where a header is found decides whether its warnings count.
    digest.update("\0".join((compiler.version, *flags, str(len(folders.own)))).encode())
    for place, text in _reached(source, folders):
        if text.computed:
            return None
        digest.update(f"\0{place}\0{text.digest}".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Text:
    """A C file: the hash of its text, the names it includes and whether in quotes, and whether a macro names more."""

    digest: str
    includes: tuple[tuple[str, bool], ...]
    computed: bool


def _reached(source: Path, folders: Folders) -> Iterator[tuple[str, _Text]]:
    """`source` and the headers that it can include, under whatever condition, each once with the name it is included by
    and the number of the folder it is found in. The headers that are in none come with the compiler."""
    waiting, seen = [(source.name, source)], {source}
    while waiting:
        place, path = waiting.pop()
        text = _text_of(path, any(path.is_relative_to(each) for each in folders.system))
        yield place, text
        for name, quoted in text.includes:
            searched = ((-1, path.parent), *enumerate(folders.all))
            for number, folder in searched if quoted else searched[1:]:
                found = folder / name
                if found.is_file():
                    if found not in seen:
                        seen.add(found)
                        waiting.append((f"{number}:{name}", found))
                    break


def _text_of(path: Path, stays: bool) -> _Text:
    """What a file holds; one that `stays` as it is while its date does is read once."""
    if not stays:
        return _read.__wrapped__(path)
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@cache
def _read(path: Path, *changed: int) -> _Text:
    """`changed` are other numbers when the file is another."""
    content = path.read_bytes()
    includes: list[tuple[str, bool]] = []
    computed = False
    for quoted, angled, macro in _INCLUDE.findall(content):
        computed |= bool(macro)
        if quoted or angled:
            includes.append(((quoted or angled).decode(), bool(quoted)))
    return _Text(hashlib.sha256(content).hexdigest(), tuple(includes), computed)
