# SPDX-License-Identifier: Apache-2.0
"""CMSIS-NN as a static library: compiled once per core, compiler and content, and kept in the user's cache (its `lib` folder)."""

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sparsec.run.cmsis_nn import cache_dir
from sparsec.run.errors import BuildError
from sparsec.run.toolchain import Compiler
from sparsec.targets.cmsis_nn import SOURCES

_PARALLEL_JOBS = 2


def compile_flags(compiler: Compiler) -> tuple[str, ...]:
    """How CMSIS-NN is compiled, and the project's kernels too, so that a comparison compares kernels and not flags.

    -O3 gives the instructions of -Ofast, which CMSIS-NN's own CMakeLists.txt has and clang deprecates.
    """
    return ("-std=c11", compiler.optimization, "-ffunction-sections", "-fdata-sections", "-g")


def cmsis_nn_library(
    cmsis_nn: Path,
    compiler: Compiler,
    *,
    sanitizer_flags: tuple[str, ...] = (),
    progress: Callable[[str], None] | None = None,
) -> Path:
    """The static library of `sources_of(cmsis_nn)`, compiled now if the cache lacks it.

    Safe to call from several processes at once: one compiles, the others wait for it.
    Raises BuildError with the compiler's words when a source does not compile.
    """
    sources = sources_of(cmsis_nn)
    if not sources:
        raise BuildError(
            f"{cmsis_nn} is not CMSIS-NN: it has no files of integer kernels under Source/"
        )
    flags = (*compiler.flags, *compile_flags(compiler), *sanitizer_flags)
    library = cache_dir() / "lib" / f"{_key(cmsis_nn, sources, compiler, flags)}.a"
    if library.exists():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    with open(library.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            if progress is not None:
                progress(f"compiling CMSIS-NN, {len(sources)} files")
            _compile(cmsis_nn, sources, compiler, flags, library)
    return library


def sources_of(cmsis_nn: Path) -> list[Path]:
    """The C files that CMSIS-NN's own CMakeLists.txt compiles by default, in a fixed order."""
    folder = cmsis_nn / "Source"
    return sorted({path for pattern in SOURCES for path in folder.rglob(pattern)})


def _key(cmsis_nn: Path, sources: list[Path], compiler: Compiler, flags: tuple[str, ...]) -> str:
    """Names everything the library depends on, its own text included."""
    digest = hashlib.sha256()
    digest.update("\0".join((compiler.version, *flags)).encode())
    headers = [
        path for folder in ("Include", "Source") for path in (cmsis_nn / folder).rglob("*.h")
    ]
    for path in (*sorted(headers), *sources):
        digest.update(f"\0{path.relative_to(cmsis_nn)}\0".encode())
        digest.update(path.read_bytes())
    return f"cmsis-nn-{digest.hexdigest()[:24]}"


def _compile(
    cmsis_nn: Path, sources: list[Path], compiler: Compiler, flags: tuple[str, ...], library: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as directory:
        objects = [
            Path(directory) / f"{number}_{source.stem}.o" for number, source in enumerate(sources)
        ]

        def compile_one(source: Path, output: Path) -> None:
            command = [
                compiler.path,
                *flags,
                "-w",
                f"-I{cmsis_nn / 'Include'}",
                "-c",
                source,
                "-o",
                output,
            ]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise BuildError(
                    f"CMSIS-NN's {source.name} does not compile:\n{first_errors(result.stderr)}"
                )

        with ThreadPoolExecutor(_PARALLEL_JOBS) as pool:
            # The list waits for every file and raises the first error.
            list(pool.map(compile_one, sources, objects))
        archive = Path(directory) / "library.a"
        command = [compiler.archiver, "rcsD", archive, *objects]
        subprocess.run(command, check=True, capture_output=True)
        # A rename is atomic: nobody ever sees half a library.
        os.replace(archive, library)


def first_errors(stderr: str, count: int = 8) -> str:
    """The first `count` lines of a compiler's output that speak of an error, else its first lines."""
    lines = stderr.splitlines()
    errors = [
        line
        for line in lines
        if "error" in line or "undefined reference" in line or "overflowed" in line
    ]
    return "\n".join((errors or lines)[:count])
