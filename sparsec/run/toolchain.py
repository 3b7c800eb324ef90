# SPDX-License-Identifier: Apache-2.0
"""Finding compilers, their tools and qemu-system-arm, and the flags of a core.

The rule: whichever compiler reads the C, gcc links, and its `ar` and `size` are used: objects of both are alike, and gcc
brings the C library.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sparsec.run.errors import ToolchainError
from sparsec.targets.cpu import CompilerName, Cpu

COMPILERS: tuple[CompilerName, ...] = ("gcc", "clang")

_CLANG = "clang-22"
_PACKAGES = {
    "gcc": "gcc",
    "ar": "binutils",
    "size": "binutils",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-ar": "binutils-arm-none-eabi",
    "arm-none-eabi-nm": "binutils-arm-none-eabi",
    "arm-none-eabi-objdump": "binutils-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    _CLANG: f"--no-install-recommends {_CLANG}",
    "qemu-system-arm": "qemu-system-arm",
}


def find_tool(name: str) -> Path:
    """The path of a program. Raises ToolchainError with the Debian package that holds it."""
    path = shutil.which(name)
    if path is None:
        raise ToolchainError(
            f"{name} is not installed; on Debian or Ubuntu: sudo apt-get install {_PACKAGES[name]}"
        )
    return Path(path)


@dataclass(frozen=True)
class Cc:
    """Which compiler is wanted; its `optimization` where another is than the best for the core."""

    name: CompilerName = "gcc"
    optimization: str | None = None


GCC = Cc("gcc")
CLANG = Cc("clang")


@dataclass(frozen=True)
class Compiler:
    """A C compiler for one core, and what makes images of its objects.

    `flags` select the core, `version` is the compiler's own first line, `optimization` the best of its levels for the
    core. `linker` with `link_flags` and `archiver` take its objects; `size` prints the sections of images.
    """

    path: Path
    version: str
    flags: tuple[str, ...]
    optimization: str
    linker: Path
    link_flags: tuple[str, ...]
    archiver: Path
    size: Path


def is_host(cpu: Cpu) -> bool:
    """Whether images of `cpu` run on this machine, and not on QEMU."""
    return cpu.name == "host"


@cache
def compiler_for(cpu: Cpu, cc: Cc = GCC) -> Compiler:
    """The compiler for `cpu`: gcc or clang for the host, else one for Cortex-M.

    Raises ToolchainError when it, or gcc, which links, is not installed or too old to know the core.
    """
    prefix = "" if is_host(cpu) else "arm-none-eabi-"
    gcc = find_tool(f"{prefix}gcc")
    path, own = (gcc, ()) if cc.name == "gcc" else (find_tool(_CLANG), _clang_flags(cpu, gcc))
    flags = _flags(path, cpu, own)
    return Compiler(
        path,
        _version(path),
        flags,
        cc.optimization or cpu.optimization(cc.name),
        gcc,
        flags if path == gcc else _flags(gcc, cpu),
        find_tool(f"{prefix}ar"),
        find_tool(f"{prefix}size"),
    )


def _clang_flags(cpu: Cpu, gcc: Path) -> tuple[str, ...]:
    """What makes clang compile for where `gcc` does, with its C library and its sizes of enumerations."""
    if is_host(cpu):
        return ()
    return ("--target=arm-none-eabi", "-fshort-enums", "-isystem", str(_c_library(gcc)))


def _c_library(gcc: Path) -> Path:
    """The folder of headers of the C library, the last in which gcc looks. Raises ToolchainError where there is none."""
    said = _preprocess(gcc, ("-v",)).stderr
    _, _, folders = said.partition("#include <...> search starts here:\n")
    found = re.findall(r"^ (.+)$", folders.partition("End of search list")[0], re.MULTILINE)
    if not found or not Path(found[-1], "string.h").is_file():
        raise ToolchainError(
            f"{gcc.name} has no C library: sudo apt-get install libnewlib-arm-none-eabi"
        )
    return Path(found[-1]).resolve()


def _flags(path: Path, cpu: Cpu, own: Sequence[str] = ()) -> tuple[str, ...]:
    """The flags for `cpu` that the compiler knows. Raises ToolchainError where it knows none."""
    for flags in (cpu.compiler_flags, *cpu.stand_in_flags):
        if _preprocess(path, (*own, *flags)).returncode == 0:
            return (*own, *flags)
    raise ToolchainError(f"{_version(path)} does not know {cpu.name}; install a newer {path.name}")


def _preprocess(path: Path, flags: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [path, *flags, "-E", "-x", "c", "-"]
    english = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        command, input="", capture_output=True, text=True, check=False, env=english
    )


def _version(path: Path) -> str:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0]
