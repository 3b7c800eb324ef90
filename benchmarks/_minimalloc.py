# SPDX-License-Identifier: Apache-2.0
"""The hard instances published with MiniMalloc, each planned within its capacity.

Moffitt, MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated Machine Learning,
ASPLOS 2023; its folder benchmarks/challenging. A file `NAME.CAPACITY.csv` has a row for each
buffer: `id`, `lower` and `upper` (live in [lower, upper)) and `size` in bytes.
"""

import csv
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.offsets import assign_offsets

FOLDER_VARIABLE = "MINIMALLOC_DIR"
"""The environment's variable that says where the instances are."""


@dataclass(frozen=True)
class Row:
    """What became of one instance; sizes in bytes."""

    name: str
    buffers: int
    capacity: int
    peak: int
    lower_bound: int
    seconds: float
    status: str

    @property
    def is_solved(self) -> bool:
        """Whether the plan fits."""
        return self.peak <= self.capacity


def load(path: Path) -> tuple[int, list[Buffer]]:
    """The capacity in bytes that the file's name says, and the buffers."""
    capacity = int(path.name.split(".")[1])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    buffers = [Buffer(int(r["size"]), int(r["lower"]), int(r["upper"]) - 1) for r in rows]
    return capacity, buffers


def instances(folder: Path) -> list[Path]:
    """The files of instances, by name."""
    return sorted(folder.glob("*.*.csv"))


def measure(folder: Path, seconds: float = 60.0) -> Iterator[Row]:
    """A row for each instance, given `seconds` each. Raises ValueError if two buffers clash."""
    for path in instances(folder):
        capacity, buffers = load(path)
        plan = assign_offsets(buffers, capacity=capacity, budget=Budget(seconds))
        expect_apart(buffers, plan.offsets)
        yield Row(
            path.name.split(".")[0],
            len(buffers),
            capacity,
            plan.arena_bytes,
            plan.lower_bound,
            plan.seconds,
            plan.status,
        )


def expect_apart(buffers: list[Buffer], offsets: tuple[int, ...]) -> None:
    """Raises ValueError if two buffers that are live together share bytes."""
    for j, (a, start) in enumerate(zip(buffers, offsets, strict=True)):
        for k, (b, other) in enumerate(zip(buffers[:j], offsets, strict=False)):
            if a.first <= b.last and b.first <= a.last:
                if start < other + b.size and other < start + a.size:
                    raise ValueError(f"buffers {k} and {j} share bytes")


if __name__ == "__main__":
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        sys.exit(f"set {FOLDER_VARIABLE} to the folder with the instances")
    for row in measure(Path(folder)):
        print(
            f"{row.name} {row.buffers:4} buffers, capacity {row.capacity}, peak {row.peak}, bound "
            f"{row.lower_bound}, {row.status}, {row.seconds:.2f} s",
            flush=True,
        )
