# SPDX-License-Identifier: Apache-2.0
"""Finding gcc, arm-none-eabi-gcc and qemu-system-arm, and the flags of a core."""

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sparsec.run.errors import ToolchainError
from sparsec.targets.cpu import Cpu

_PACKAGES = {
    "gcc": "gcc",
    "ar": "binutils",
    "size": "binutils",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-ar": "binutils-arm-none-eabi",
    "arm-none-eabi-nm": "binutils-arm-none-eabi",
    "arm-none-eabi-objdump": "binutils-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
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
class Compiler:
    """A C compiler for one core.

    `flags` select the core, `version` is the compiler's own first line, `size` the program that
    prints the sections of its images.
    """

    path: Path
    version: str
    flags: tuple[str, ...]
    size: Path


def is_host(cpu: Cpu) -> bool:
    """Whether images of `cpu` run on this machine, and not on QEMU."""
    return cpu.name == "host"


@cache
def compiler_for(cpu: Cpu) -> Compiler:
    """The compiler for `cpu`: gcc for the host, else arm-none-eabi-gcc.

    Raises ToolchainError when it is not installed or too old to know the core.
    """
    prefix = "" if is_host(cpu) else "arm-none-eabi-"
    path = find_tool(f"{prefix}gcc")
    probe = subprocess.run(
        [path, *cpu.compiler_flags, "-E", "-x", "c", "-"],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    version = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    if probe.returncode != 0:
        raise ToolchainError(f"{version} does not know {cpu.name}; install a newer {path.name}")
    return Compiler(path, version, cpu.compiler_flags, find_tool(f"{prefix}size"))
