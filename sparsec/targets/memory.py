# SPDX-License-Identifier: Apache-2.0
"""The memories of a chip as a user names them, the fastest first: `dtcm=65536,sram=262144`."""

import re
from dataclasses import dataclass

_C_WORDS = frozenset(
    "auto bool break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
    # What generated functions call their own: structs that calls take, the status of a call, the entry.
    "activation ctx dims lstm params place planes sizes weights status invoke "
    # Macros of GNU C.
    "linux unix".split()
)


@dataclass(frozen=True)
class ChipMemory:
    """A memory of `capacity` bytes; `name` becomes an argument in C. Raises ValueError for one that cannot."""

    name: str
    capacity: int

    def __post_init__(self) -> None:
        is_io = re.fullmatch(r"(input|output)\d*", self.name)
        if not re.fullmatch(r"[a-z][a-z0-9]*", self.name) or self.name in _C_WORDS or is_io:
            raise ValueError(
                f"'{self.name}' cannot name a memory in C: choose small letters and digits, e.g. dtcm"
            )


def parse_memories(text: str) -> list[ChipMemory]:
    """Those in `text`, none in an empty one. Raises ValueError for what is no list of them."""
    found: list[ChipMemory] = []
    for part in filter(None, text.split(",")):
        name, _, capacity = part.partition("=")
        if not capacity.isdecimal():
            raise ValueError(f"'{part}' is no memory, write e.g. dtcm=65536")
        if name in (memory.name for memory in found):
            raise ValueError(f"two memories are called '{name}'")
        found.append(ChipMemory(name, int(capacity)))
    return found
