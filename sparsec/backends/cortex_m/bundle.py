# SPDX-License-Identifier: Apache-2.0
"""The files of CMSIS-NN that a network needs, beside its own: such a project builds with a C compiler alone."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sparsec.targets.cmsis_nn import HEADER, SOURCES

NOTICE = "CMSIS-NN.txt"
LICENCE = "LICENSE.txt"

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_FUNCTION = re.compile(r"^(?!static\b)[A-Za-z_][\w \t*]*\b(\w+)\s*\([^;{]*\)\s*\{", re.MULTILINE)
_DECLARATION = re.compile(r"^[A-Za-z_][^;{}#]*;", re.MULTILINE)
"""What lies at the left margin and has no body: prototypes, tables, types."""
_TABLE = re.compile(r"^const\s+\w+\s+(\w+)\s*\[", re.MULTILINE)
_INCLUDE = re.compile(r'^\s*#include "([\w./]+)"', re.MULTILINE)


def bundled_files(texts: Iterable[str], cmsis_nn: Path) -> dict[str, str]:
    """The sources of the CMSIS-NN in the folder `cmsis_nn` that C with `texts` needs, with the headers they include, by
    where they lie beside it: unchanged, and all in one folder but for headers that are included from a folder of their own.

    What is called under some condition of the preprocessor counts as called.
    """
    sources = {name: file for file in sources_of(cmsis_nn) for name in defined_in(file)}
    files: dict[str, str] = {}
    waiting = list(texts)
    while waiting:
        code = _COMMENT.sub("", waiting.pop())
        wanted = {
            file.name: file
            for name in re.findall(r"\w+", _DECLARATION.sub("", code))
            if (file := sources.get(name))
        }
        wanted |= {
            name: header
            for name in _INCLUDE.findall(code)
            if (header := cmsis_nn / "Include" / name).is_file()
        }
        for name, file in wanted.items():
            if name not in files:
                files[name] = file.read_text(encoding="utf-8")
                waiting.append(files[name])
    return dict(sorted(files.items()))


def sources_of(cmsis_nn: Path) -> Iterator[Path]:
    """The files that are compiled by default, sorted."""
    source = cmsis_nn / "Source"
    yield from sorted({file for pattern in SOURCES for file in source.rglob(pattern)})


def defined_in(file: Path) -> set[str]:
    """The functions and tables that others may use."""
    code = _COMMENT.sub("", file.read_text(encoding="utf-8"))
    return {*_FUNCTION.findall(code), *_TABLE.findall(code)}


def notice(files: Iterable[str], header: str) -> str:
    """What is said of the `files` of CMSIS-NN, the header of which says what it is."""
    revision = re.search(r"\$Revision:\s*(V[\d.]*\d)", header)
    owner = re.search(r"SPDX-FileCopyrightText:\s*([^\n]*\S)", header)
    lines = [
        "SPDX-License-Identifier: Apache-2.0",
        "",
        "These files are CMSIS-NN's, unchanged:",
        *(f"  {name}" for name in files),
        "",
        f"{HEADER} is of revision {revision[1] if revision else 'unknown'}.",
        f"{owner[1] if owner else 'Copyright Arm Limited and/or its affiliates'}",
        f"Their licence is Apache-2.0, as that of the other files here: {LICENCE}.",
    ]
    return "\n".join(lines) + "\n"
