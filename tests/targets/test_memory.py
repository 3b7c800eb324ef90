# SPDX-License-Identifier: Apache-2.0
"""Memories as a user names them."""

import pytest

from sparsec.targets.memory import ChipMemory, parse_memories


def test_a_list() -> None:
    assert parse_memories("dtcm=65536,sram2=0") == [
        ChipMemory("dtcm", 65536),
        ChipMemory("sram2", 0),
    ]
    assert parse_memories("") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "'a' is no memory, write e.g. dtcm=65536"),
        ("a=64K", "'a=64K' is no memory"),
        ("a=8,a=9", "two memories are called 'a'"),
        *((f"{name}=8", f"'{name}' cannot name a memory in C") for name in ("", "A", "2a", "a_b")),
        *((f"{name}=8", f"'{name}' cannot name") for name in ("int", "ctx", "linux", "output12")),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_memories(text)
