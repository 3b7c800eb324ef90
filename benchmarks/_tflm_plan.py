# SPDX-License-Identifier: Apache-2.0
"""What TensorFlow Lite Micro allocates for a network by its own planner, and with our plan in the file.

Measured, not computed: its recording allocator says how large the two ends of its arena have become. The head holds the
activations and scratch memory, the tail what lasts: structures, quantization and what kernels keep.
"""

import os
import re
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.frontends.tflite.offline_plan import plan_offline, with_plan
from sparsec.frontends.tflite.reader import read_model

NETWORKS = {
    "AD": "ad01_int8",
    "KWS": "kws_ref_model_int8",
    "IC": "ic_resnet8_int8",
    "VWW": "vww_96_int8",
}
"""The files of MLPerf Tiny, by the names that the tables use."""

INPUTS = 20
"""Random inputs on which both files must agree."""

_ROOM = 1 << 22
"""Of the interpreter's arena, in bytes."""


@dataclass(frozen=True)
class Arena:
    """What TensorFlow Lite Micro allocated, in bytes."""

    head: int
    tail: int

    @property
    def total(self) -> int:
        """The whole arena."""
        return self.head + self.tail


@dataclass(frozen=True)
class Row:
    """One network: its arena without and with our plan, and what we planned, in bytes."""

    name: str
    own: Arena
    ours: Arena
    planned: int
    lower_bound: int
    seconds: float
    differing_bytes: int
    """Of the outputs, over all inputs."""


def measure(folder: Path) -> Iterator[Row]:
    """A row for each network whose file is in `folder`. ImportError without the package tflite_micro."""
    for name, file in NETWORKS.items():
        path = folder / f"{file}.tflite"
        if not path.exists():
            continue
        content = path.read_bytes()
        plan = plan_offline(content)
        with_ours = with_plan(content, plan)
        yield Row(
            name,
            arena_of(content),
            arena_of(with_ours),
            plan.assignment.arena_bytes,
            plan.assignment.lower_bound,
            plan.assignment.seconds,
            differing_bytes(content, with_ours),
        )


def arena_of(content: bytes) -> Arena:
    """What the interpreter of the package tflite_micro allocates for a file."""
    from tflite_micro import runtime

    interpreter: Any = runtime.Interpreter.from_bytes(content, arena_size=_ROOM)
    with standard_error() as file:
        interpreter.print_allocations()
        text = Path(file).read_text()
    head, tail = (
        re.search(rf"Arena allocation {end} (\d+) bytes", text) for end in ("head", "tail")
    )
    assert head is not None and tail is not None, text
    return Arena(int(head[1]), int(tail[1]))


@contextmanager
def standard_error() -> Generator[str]:
    """The name of a file with what C code writes to stderr meanwhile."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.NamedTemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield file.name
        finally:
            os.dup2(before, 2)
            os.close(before)


def differing_bytes(content: bytes, other: bytes, count: int = INPUTS) -> int:
    """In how many bytes the outputs of two files of one network differ, over `count` random int8 inputs."""
    pairs = zip(outputs_of(content, count), outputs_of(other, count), strict=True)
    return sum(int(np.count_nonzero(one != two)) for one, two in pairs)


def outputs_of(content: bytes, count: int, seed: int = 0) -> Iterator[NDArray[Any]]:
    """What the interpreter gives for each of `count` random int8 inputs: one output after the other."""
    from tflite_micro import runtime

    rng = np.random.default_rng(seed)
    model = read_model(content)
    interpreter: Any = runtime.Interpreter.from_bytes(content, arena_size=_ROOM)
    for _ in range(count):
        for position, index in enumerate(model.inputs):
            values = rng.integers(-128, 128, model.tensors[index].shape)
            interpreter.set_input(values.astype(np.int8), position)
        interpreter.invoke()
        for position in range(len(model.outputs)):
            yield np.array(interpreter.get_output(position))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("name the folder with the files of MLPerf Tiny")
    for row in measure(Path(sys.argv[1])):
        print(
            f"{row.name:4} TFLM {row.own.head:6,} + {row.own.tail:6,} B, with our plan {row.ours.head:6,} + "
            f"{row.ours.tail:6,} B; planned {row.planned:6,} B, bound {row.lower_bound:6,} B, {row.seconds:.3f} s, "
            f"{row.differing_bytes} differing bytes"
        )
