# SPDX-License-Identifier: Apache-2.0
"""What the harness must know of a written project directory: the few facts it reads from report.json."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsec.run.errors import RunError

SELF_TEST = "_self_test.c"
"""How the names of the files of a self-test end."""


@dataclass(frozen=True)
class Memory:
    """Memory that the entry is given, of `bytes` bytes."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Buffer:
    """An input or output of the model: its place in a memory, in bytes; None is one that the entry is given."""

    name: str
    offset: int
    bytes: int
    memory: str | None = "arena"


@dataclass(frozen=True)
class Project:
    """A directory of generated C and the entry that runs it, which takes the memories, then the inputs and outputs that
    lie in none."""

    directory: Path
    name: str
    entry: str
    header: str
    memories: tuple[Memory, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    layers: tuple[str, ...] = ()
    """The calls in their order, in words."""

    @property
    def sources(self) -> list[Path]:
        """The C files of the network and the runtime, sorted by name."""
        return sorted(set(self.directory.glob("*.c")) - set(self.self_test))

    @property
    def self_test(self) -> list[Path]:
        """The C files of a self-test, where there is one; the one with the network's name replaces that of the network."""
        return sorted(self.directory.glob(f"*{SELF_TEST}"))


def read_project(directory: Path) -> Project:
    """Reads `directory`/report.json. Raises RunError when it is missing or incomplete."""
    path = directory / "report.json"
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Project(
            directory=directory.resolve(),
            name=str(report["name"]),
            entry=str(report["entry"]),
            header=str(report["header"]),
            memories=_memories(report),
            inputs=_buffers(report["inputs"]),
            outputs=_buffers(report["outputs"]),
            layers=tuple(
                f"layer '{row['name']}' ({row['kernel']})" for row in report.get("layers", ())
            ),
        )
    except OSError as error:
        raise RunError(
            f"{directory} holds no readable report.json; write it with: sparsec MODEL --emit=c"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} is not a report of this version ({error!r}); write the project again"
        ) from error


def _memories(report: dict[str, Any]) -> tuple[Memory, ...]:
    """Those of a report, which need not name them if there is one."""
    rows = report.get("memories", [{"name": "arena", "bytes": report["arena_bytes"]}])
    return tuple(Memory(str(row["name"]), int(row["bytes"])) for row in rows)


def _buffers(rows: list[dict[str, Any]]) -> tuple[Buffer, ...]:
    return tuple(
        Buffer(str(row["name"]), int(row["offset"]), int(row["bytes"]), row.get("memory", "arena"))
        for row in rows
    )
