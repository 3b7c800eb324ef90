# SPDX-License-Identifier: Apache-2.0
"""Episodes on disk, a line for each: a search that was cut off asks for nothing again that it knows.

The one rule: a line is written whole before the next episode; what is left of a line that was not is cut off.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

NAME = "episodes.jsonl"


class Journal:
    """The lines of a search in a folder; the first one says which search it is."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Goes on with what is there. Raises ValueError where that is of another search, OSError."""
        self.path = folder / NAME
        wanted = _plain(dict(identity))
        folder.mkdir(parents=True, exist_ok=True)
        lines = _lines(self.path)
        self.rows: list[dict[str, Any]] = []
        if not lines:
            self.path.write_text(json.dumps({"amc": 1, "search": wanted}) + "\n")
            return
        head = lines[0].get("search")
        if not isinstance(head, dict) or lines[0].get("amc") != 1:
            raise ValueError(f"{self.path} holds no episodes of a search")
        before = cast(dict[str, Any], head)
        apart = [name for name in wanted if before.get(name) != wanted[name]]
        if apart or set(before) != set(wanted):
            raise ValueError(
                f"{folder} holds another search ({', '.join(apart) or 'of other words'} differ): take another folder, or "
                "remove it"
            )
        self.rows = lines[1:]
        _rewrite(self.path, lines)

    def add(self, row: Mapping[str, Any]) -> None:
        """A line more."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back."""
    return cast(dict[str, Any], json.loads(json.dumps(value)))


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = cast(object, json.loads(line))
        except ValueError:
            break
        if not isinstance(value, dict):
            break
        found.append(cast(dict[str, Any], value))
    if not found and path.stat().st_size:
        raise ValueError(f"{path} holds no episodes of a search")
    return found


def _rewrite(path: Path, lines: list[dict[str, Any]]) -> None:
    """Without the rest of a line that a killed search left."""
    content = "".join(json.dumps(line) + "\n" for line in lines)
    if path.read_text(encoding="utf-8", errors="replace") != content:
        path.write_text(content)
