# SPDX-License-Identifier: Apache-2.0
"""What generated C stands on: all that the files of one backend differ in from those of another."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

BuildFiles: TypeAlias = Callable[[str, str, Sequence[str], Sequence[str]], Mapping[str, str]]
"""From the network's name, its target, its C files and those of the runtime to files that build them, by name."""

Library: TypeAlias = Callable[[Iterable[str]], Mapping[str, str]]
"""From the texts of C files to those that they need besides, by where they lie beside them."""


@dataclass(frozen=True)
class Status:
    """What functions return that can fail: a C type, its value of success, and whose it is in words."""

    type: str
    success: str
    owner: str


@dataclass(frozen=True)
class Platform:
    """The headers with every function that is called, how one says that it failed, and how a project is built."""

    headers: tuple[Path, ...]
    build_files: BuildFiles
    status: Status | None = None
    """None where no function can fail."""
    library: Library | None = None
    """What the project brings of what it stands on; None where it is built over what is there."""
