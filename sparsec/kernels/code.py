# SPDX-License-Identifier: Apache-2.0
"""What code each kernel brings into flash on each core: measured sizes, never an estimate by hand.

A C function brings its own section and those that it reaches, each of which is there once however many bring it; each
call takes some code and structs of its own in the generated C. The sizes are in code_sizes.json, which
`make calibrate-code` writes and nobody edits: gcc with `-O3` and a section for each function, as generated projects
are built, and the packaged CMSIS-NN. Gaps between sections, at most three bytes each, are not counted.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sparsec.kernels.cost import STAND_INS

CODE_SIZES = Path(__file__).parent / "code_sizes.json"

Sections = Mapping[str, int]
"""Bytes of code by the names of their sections."""


_PASSED = "&"


def passed(function: str) -> str:
    """How lists of calls name a C function that is passed to one of them: it brings its code and no call."""
    return f"{_PASSED}{function}"


@dataclass(frozen=True)
class Code:
    """Of one core. `entry` is what generated code takes without a call, `other_call` what a call does whose `calls` are not
    known."""

    sections: Sections
    functions: Mapping[str, tuple[str, ...]]
    calls: Mapping[str, int]
    entry: int
    other_call: int

    def reached(self, functions: Iterable[str]) -> Sections:
        """The sections that C functions bring. A kernel that is new, and was not measured yet, brings none: a test names
        it."""
        own = (function.removeprefix(_PASSED) for function in functions)
        names = (name for function in own for name in self.functions.get(function, ()))
        return {name: self.sections[name] for name in names}

    def call(self, function: str) -> int:
        """Bytes of generated code and structs for one call; none for a function that is passed to another."""
        return 0 if function.startswith(_PASSED) else self.calls.get(function, self.other_call)

    def alone(self, calls: Sequence[str]) -> int:
        """What `calls` bring where nothing else does."""
        return sum(self.reached(calls).values()) + sum(map(self.call, calls))

    def bytes(self, calls: Iterable[str]) -> int:
        """Code of a network that makes `calls`, by C function, as often as they are there."""
        return self.entry + self.alone(list(calls))


@cache
def code_of(cpu: str) -> Code:
    """The sizes of a core, or of the one that stands in for it."""
    core: Any = json.loads(CODE_SIZES.read_text(encoding="utf-8"))[STAND_INS.get(cpu, cpu)]
    calls = {name: each["call"] for name, each in core["functions"].items() if "call" in each}
    return Code(
        core["sections"],
        {name: tuple(each["sections"]) for name, each in core["functions"].items()},
        calls,
        core["entry"],
        round(sum(calls.values()) / len(calls)),
    )
