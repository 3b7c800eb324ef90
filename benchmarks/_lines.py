# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of many runs: each finished one is a line of JSON, from which any machine goes on."""

import argparse
import fcntl
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import _compress_data
from benchmarks._results import Figure, publish, step


def note(run: Mapping[str, Any], path: Path) -> None:
    """Add a line, whole or not at all, also with others that do."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(run) + "\n")


def drive(
    name: str,
    description: str | None,
    arguments: Sequence[str] | None,
    work: Callable[[float, int, int], None],
    figures: Callable[[], Iterable[Figure]],
) -> int:
    """The command of such a benchmark: `work` does what is missing, for so many minutes, as part I of N; then the table of
    the `figures`. 1 if a target was missed, 2 where there is no data."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--data", type=Path, metavar="DIR", help="Fashion-MNIST's IDX files")
    parser.add_argument("--minutes", type=float, default=600.0, metavar="N")
    parser.add_argument("--part", default="0/1", metavar="I/N")
    args = parser.parse_args(arguments)
    if args.data is not None:
        _compress_data.folder = args.data
    torch.set_num_threads(1)
    part, _, parts = args.part.partition("/")
    try:
        work(args.minutes, int(part), int(parts))
    except ValueError as error:
        step(f"error: {error}")
        return 2
    return publish(name, list(figures()))
