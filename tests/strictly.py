# SPDX-License-Identifier: Apache-2.0
"""C without a warning."""

import tempfile
from pathlib import Path

from sparsec.run.cmsis_library import compile_flags
from sparsec.run.object_cache import Folders, compile_object
from sparsec.run.project import Project
from sparsec.run.toolchain import GCC, Cc, compiler_for
from sparsec.targets.cpu import cpu_named

STRICT_FLAGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion")


def compile_strictly(project: Project, cpu: str, *, cmsis_nn: Path, cc: Cc = GCC) -> None:
    """Compiles every C file of `project` for `cpu` by `cc` with all warnings as errors, and keeps nothing.

    Raises BuildError with the compiler's first warnings.
    """
    folders = Folders((project.directory,), (cmsis_nn / "Include",))
    compiler = compiler_for(cpu_named(cpu), cc)
    flags = (*compile_flags(compiler), *STRICT_FLAGS)
    with tempfile.TemporaryDirectory() as directory:
        for source in project.sources:
            output = Path(directory, f"{source.stem}.o")
            compile_object(compiler, source, flags, folders, output)
