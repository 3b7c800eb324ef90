# SPDX-License-Identifier: Apache-2.0
"""Every source file says its licence in its first lines; what is generated is tested where it is generated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINE = "SPDX-License-Identifier: Apache-2.0"
FOLDERS = ("sparsec", "runtime", "tests", "benchmarks", "examples", "scripts", ".ci")
SUFFIXES = frozenset(
    (".py", ".c", ".h", ".ld", ".lark", ".mlir", ".cfg", ".toml", ".yaml", ".cmake", ".sh")
)
NAMES = frozenset(("Makefile", "CMakeLists.txt"))
LEADING_LINES = 3
"""A shebang, the begin of a comment, and the licence."""


def is_source(path: Path) -> bool:
    """By its name, or by a shebang where that says nothing."""
    if path.suffix in SUFFIXES or path.name in NAMES:
        return True
    return not path.suffix and path.read_bytes()[:2] == b"#!"


def sources() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file() and is_source(path))
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            hidden = any(part in ("__pycache__", "Output") for part in path.parts)
            if path.is_file() and not hidden and is_source(path):
                yield path


def test_every_source_file() -> None:
    found = list(sources())
    assert len(found) > 500
    lacking = [
        path.relative_to(ROOT).as_posix()
        for path in found
        if LINE not in "".join(path.read_text(encoding="utf-8").splitlines(True)[:LEADING_LINES])
    ]
    assert lacking == []


@pytest.mark.parametrize("text", ["import os\n", "", "#!/bin/sh\n#\n# late\n# " + LINE])
def test_that_a_missing_line_is_seen(text: str) -> None:
    assert LINE not in "".join(text.splitlines(True)[:LEADING_LINES])
