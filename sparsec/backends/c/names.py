# SPDX-License-Identifier: Apache-2.0
"""Which names may reach C: the one place that stands between the text of a file and a compiler."""

import re
import zlib
from collections.abc import Iterable

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_OF_C = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype".split()
)
"""C's headers: `NAME.h` in an include folder would be found in their place."""

_OF_CMAKE = frozenset("all clean depend edit_cache help install package rebuild_cache test".split())
"""Targets that CMake and the build tools under it keep for themselves."""

_OF_OTHERS = ("sparsec", "arm_", "cmsis")
"""How the files, functions and targets of the runtime and of CMSIS-NN begin."""


def check_identifiers(names: Iterable[str]) -> None:
    """Raises ValueError unless all of `names` are identifiers of C, in ASCII."""
    for name in names:
        if _IDENTIFIER.fullmatch(name) is None:
            raise ValueError(f"{name!r:.60} is no name that C can have: letters, digits and _ only")


def reserved(name: str) -> str | None:
    """Whose `name` is already, so that no network can be called that; None if it is free."""
    lower = name.lower()  # as file systems may compare
    if lower in _OF_C:
        return f"{lower}.h is a header of C"
    if lower in _OF_CMAKE:
        return f"{lower} is a target of CMake's own"
    if lower.startswith(_OF_OTHERS):
        return "the runtime and CMSIS-NN have files and functions of such names"
    return None


def check_network_name(name: str) -> None:
    """Raises ValueError unless a network can be called `name`."""
    if _IDENTIFIER.fullmatch(name) is None:
        raise ValueError(f"{name!r:.60} cannot name C functions, choose letters, digits and _")
    taken = reserved(name)
    if taken is not None:
        raise ValueError(f"a network cannot be called '{name}': {taken}, choose another name")


def network_name(stem: str) -> str:
    """`stem`, of a file, as the name of a network: one that is free, and not the same for all that has no letter of ASCII."""
    name = re.sub(r"[^0-9a-zA-Z_]+", "_", stem).strip("_").lower()
    if not name:
        return f"net_{zlib.crc32(stem.encode()):08x}"
    return f"net_{name}" if name[0].isdigit() or reserved(name) else name
