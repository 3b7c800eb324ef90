# SPDX-License-Identifier: Apache-2.0
"""Building and running the self-test of a project, on this machine or on QEMU."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparsec.run.build import HARNESS, compile_files, layout_flags, link, timer_flags
from sparsec.run.cmsis_library import cmsis_nn_library, compile_flags
from sparsec.run.errors import RunError
from sparsec.run.execute import qemu_command
from sparsec.run.machines import machine_for
from sparsec.run.project import read_project
from sparsec.run.toolchain import GCC, Cc, compiler_for, is_host
from sparsec.targets.cpu import cpu_named

_FAILED = 1


@dataclass(frozen=True)
class SelfTestRun:
    """What the program printed, and whether every byte was as expected."""

    text: str
    passed: bool


def run_self_test(
    project: Path,
    cpu: str,
    *,
    cmsis_nn: Path,
    cc: Cc = GCC,
    time_limit: float = 600.0,
    progress: Callable[[str], None] | None = None,
) -> SelfTestRun:
    """Builds the self-test in the directory `project` for `cpu` by `cc` and runs it.

    Raises RunError when there is none, when it does not build or ends otherwise than by its own verdict.
    """
    loaded = read_project(project)
    if not loaded.self_test:
        raise RunError(f"{project} has no self-test; write it with --self-test")
    target = cpu_named(cpu)
    machine = None if is_host(target) else machine_for(cpu)
    compiler = compiler_for(target, cc)
    library = cmsis_nn_library(cmsis_nn, compiler, progress=progress)
    if progress is not None:
        progress(f"compiling the self-test of {loaded.name} for {cpu}")
    board = [] if machine is None else [HARNESS / "cortex_m.c", HARNESS / "self_test_board.c"]
    sources = [path for path in loaded.sources if path.name != f"{loaded.name}.c"]
    flags = (*compile_flags(compiler), "-Wall", "-Wextra")
    with tempfile.TemporaryDirectory(prefix="sparsec-") as name:
        directory = Path(name)
        objects = compile_files(
            compiler, loaded, [*sources, *loaded.self_test], directory / "model", flags, cmsis_nn
        )
        objects += compile_files(
            compiler,
            loaded,
            board,
            directory / "board",
            (*flags, *timer_flags(machine)),
            cmsis_nn,
            (HARNESS,),
        )
        image = directory / "self_test.elf"
        link_flags = ("-Wl,--gc-sections", *layout_flags(machine, "large"))
        link(compiler, [*objects, library], image, link_flags, "large")
        command = [str(image)] if machine is None else qemu_command(machine, image, counting=True)
        if progress is not None:
            progress(f"running the self-test of {loaded.name} on {cpu}")
        return _run(command, directory, time_limit)


def _run(command: list[str], directory: Path, time_limit: float) -> SelfTestRun:
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    try:
        ended = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"the self-test was ended after {time_limit:g} s") from None
    text = ended.stdout.decode(errors="replace")
    if ended.returncode not in (0, _FAILED):
        raise RunError(f"the self-test ended with exit code {ended.returncode}\n{text}".rstrip())
    return SelfTestRun(text, ended.returncode == 0)
