# SPDX-License-Identifier: Apache-2.0
"""The instructions and functions of a linked image, as objdump and nm print them."""

import re
import subprocess
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsec.run.errors import RunError
from sparsec.run.profile.operation import Operation, decode
from sparsec.run.toolchain import find_tool
from sparsec.targets.cpu import cpu_named

_LINE = re.compile(r"^\s*([0-9a-f]+):\t(\S+)(?:\t(.*))?$")
_LABEL = re.compile(r"^([0-9a-f]+) <(.+)>:$")


@dataclass(frozen=True)
class Function:
    """A function of the image: `start` up to `end`, in bytes."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Disassembly:
    """All instructions of an image in the order of their addresses."""

    addresses: Sequence[int]
    lines: Sequence[tuple[str, str]]
    labels: Sequence[tuple[int, str]]

    def operations(self, start: int, end: int, instructions: int) -> list[Operation]:
        """The `instructions` from `start` up to `end`. RunError when objdump sees others there."""
        first = bisect_right(self.addresses, start - 1)
        last = bisect_right(self.addresses, end - 1)
        if last - first != instructions or self.addresses[first] != start:
            raise RunError(f"objdump and QEMU disagree on the instructions at {start:#x}")
        return [decode(*line) for line in self.lines[first:last]]

    def function_at(self, address: int) -> str:
        """The name of the function that holds `address`."""
        index = bisect_right(self.labels, address, key=lambda label: label[0])
        return self.labels[index - 1][1] if index else f"{address:#x}"


def disassemble(image: Path, cpu: str) -> Disassembly:
    """Reads the code of an image. ToolchainError when objdump is not installed."""
    # objdump does not believe the image's own word on Helium.
    machine = ["-m", "armv8.1-m.main"] if cpu_named(cpu).vector_unit == "mve" else []
    command = [find_tool("arm-none-eabi-objdump"), "-d", "--no-show-raw-insn", *machine, image]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    addresses: list[int] = []
    lines: list[tuple[str, str]] = []
    labels: list[tuple[int, str]] = []
    for line in text.splitlines():
        if match := _LINE.match(line):
            addresses.append(int(match[1], 16))
            lines.append((match[2], match[3] or ""))
        elif match := _LABEL.match(line):
            labels.append((int(match[1], 16), match[2]))
    return Disassembly(addresses, lines, labels)


def function_named(image: Path, name: str) -> Function:
    """Where a function lies, by the symbol table. RunError when the image has none of that name."""
    command = [find_tool("arm-none-eabi-nm"), "-S", "--defined-only", image]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        match line.split():
            case [start, size, "t" | "T", symbol] if symbol == name:
                # The lowest bit of a symbol says that its code is Thumb.
                first = int(start, 16) & ~1
                return Function(name, first, first + int(size, 16))
            case _:
                pass
    raise RunError(f"{image.name} has no function {name}")
