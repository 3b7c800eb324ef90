# SPDX-License-Identifier: Apache-2.0
"""What it takes to hold an imported module to torch: a second reading of the same file.

The one rule: a second reading shares no operator with the importer. torch runs the calls itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sparsec.frontends.builder import Layout
from sparsec.frontends.tensors import Activation, Array


class ReadingError(Exception):
    """torch cannot run a file; the message says why."""


class Reading(Protocol):
    """A file as torch runs it, on inputs of its own choice; arrays have torch's axes."""

    def results(self) -> list[Array]:
        """What torch gives. Raises ReadingError if it cannot run the file."""
        ...

    def values(self) -> Iterator[tuple[str, Array]]:
        """What each call gives as it is made, with its name in the file. Raises ReadingError."""
        ...


@dataclass(frozen=True)
class Written:
    """What the importer wrote for a value of the file.

    `name` is the value's in the file, `call` says which call gave it and where that stands.
    """

    name: str
    call: str
    value: Activation


@dataclass(frozen=True)
class Proof:
    """A second reading of a file, and what the importer wrote for its values, in order.

    `inputs` are those of the reading as `main` takes them, [N, ..] in `layout`; `axes` says where each
    result has the batch, None where it is one sample as a whole. `alone` is a reading of the first sample
    alone, where the size of the batch is open.
    """

    reading: Reading
    written: Sequence[Written]
    layout: Layout
    inputs: Sequence[Array]
    axes: Sequence[int | None]
    alone: Reading | None = None
