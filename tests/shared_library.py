# SPDX-License-Identifier: Apache-2.0
"""C sources as a shared library for this machine, out of the cache of objects where they were compiled before."""

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from sparsec.run.object_cache import Folders, compile_object
from sparsec.run.toolchain import compiler_for
from sparsec.targets.cpu import cpu_named


def objects_of(
    sources: Iterable[Path], flags: Sequence[str], folders: Folders, directory: Path
) -> list[Path]:
    """Objects for a shared library, in `directory`."""
    host = compiler_for(cpu_named("host"))
    objects: list[Path] = []
    for number, source in enumerate(sources):
        objects.append(directory / f"{number}_{source.stem}.o")
        compile_object(host, source, ("-fPIC", *flags), folders, objects[-1])
    return objects


def link(objects: Sequence[Path], options: Sequence[Path | str], output: Path) -> Path:
    """Links `objects`, then `options`, to `output`."""
    subprocess.run(["gcc", "-shared", *objects, *options, "-o", output], check=True)
    return output


def shared_library(
    sources: Iterable[Path],
    flags: Sequence[str],
    folders: Folders,
    output: Path,
    options: Sequence[Path | str] = (),
) -> Path:
    """Compiles `sources` with `flags` and links them; `options` are for the linker."""
    with tempfile.TemporaryDirectory() as directory:
        return link(objects_of(sources, flags, folders, Path(directory)), options, output)
