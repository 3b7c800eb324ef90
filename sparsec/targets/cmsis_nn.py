# SPDX-License-Identifier: Apache-2.0
"""What sparsec knows of CMSIS-NN beyond the prototypes in its header: which files are compiled, and where releases differ.

The rule: a release that is not known is refused. What a release wants is said where it is asked (`targets/scratch.py`,
and what the backend legalizes), and tests hold it to CMSIS-NN's own functions.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

SOURCES = ("*_s[0-9]*.c", "*_q[0-9]*.c", "arm_nntables.c")
"""Patterns of the names of files, in all folders below Source/: those that its own CMakeLists.txt compiles by default.

Files for float16 and float32, which newer ones have as well, are not among them.
"""

HEADER = "arm_nnfunctions.h"

Release: TypeAlias = Literal["v5", "v6", "v7"]
"""Named by the tag from which on CMSIS-NN wants what it wants; they differ on processors with Helium alone."""

PACKAGED: Release = "v5"
"""That of the CMSIS-NN which set-up fetches, and what is compiled for where there is none to ask."""

Revision: TypeAlias = tuple[int, int]

REVISIONS: Mapping[Release, tuple[Revision, Revision]] = MappingProxyType(
    {"v5": ((12, 4), (14, 0)), "v6": ((15, 0), (17, 3)), "v7": ((18, 0), (19, 2))}
)
"""The revisions that `HEADER` says of itself in each release: from the first to before the last.

Those between, and V.17.3, are of weeks in which scratch sizes changed and revisions did not.
"""


def read_release(include: Path) -> Release:
    """The release of the CMSIS-NN whose Include folder it is.

    Raises ValueError when it cannot be read, says nothing, or is not known.
    """
    header = include / HEADER
    try:
        text = header.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ValueError(f"cannot read the header {header}: {error.strerror}") from error
    return release_of(text, str(header))


def release_of(header: str, origin: str) -> Release:
    """The release of a header, by its text. Raises ValueError, which names `origin`, for one that is not known."""
    found = re.search(r"\$Revision:\s*V\.(\d+)\.(\d+)", header)
    if found is not None:
        revision = int(found[1]), int(found[2])
        for release, (first, end) in REVISIONS.items():
            if first <= revision < end:
                return release
    said = "no revision" if found is None else f"revision V.{found[1]}.{found[2]}"
    known = ", ".join(
        f"V.{first[0]}.{first[1]} to before V.{end[0]}.{end[1]} ({release})"
        for release, (first, end) in REVISIONS.items()
    )
    raise ValueError(f"{origin} says {said}, which sparsec does not know; it knows {known}")
