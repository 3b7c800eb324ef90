"""What the harness must know of a written project directory: the few facts it reads from report.json."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsec.run.errors import RunError


@dataclass(frozen=True)
class Buffer:
    """An input or output of the model: its place in the arena, in bytes."""

    name: str
    offset: int
    bytes: int


@dataclass(frozen=True)
class Project:
    """A directory of generated C and the entry that runs it."""

    directory: Path
    name: str
    entry: str
    header: str
    arena_bytes: int
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]

    @property
    def sources(self) -> list[Path]:
        """The C files of the project, sorted by name."""
        return sorted(self.directory.glob("*.c"))


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
            arena_bytes=int(report["arena_bytes"]),
            inputs=_buffers(report["inputs"]),
            outputs=_buffers(report["outputs"]),
        )
    except OSError as error:
        raise RunError(
            f"{directory} holds no readable report.json; write it with: sparsec MODEL --emit=c"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} is not a report of this version ({error!r}); write the project again"
        ) from error


def _buffers(rows: list[dict[str, Any]]) -> tuple[Buffer, ...]:
    return tuple(Buffer(str(row["name"]), int(row["offset"]), int(row["bytes"])) for row in rows)
