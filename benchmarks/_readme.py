# SPDX-License-Identifier: Apache-2.0
"""The commands that README.md shows with what they print, and whether they still print it.

The rule: each line below `$ command` is printed by it, in that order; `..` stands for lines that are left out.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples import mlperf

ROOT = Path(__file__).parent.parent
LEFT_OUT = ".."
BLOCK = re.compile(r"^    \$ (?P<command>.+)\n(?P<printed>(?:\n?    (?!\$ ).+\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """A command and the lines below it."""

    command: str
    lines: tuple[str, ...]

    def stale(self, printed: str) -> Iterator[str]:
        """The lines that `printed` has not, or not in this order. How many spaces there are does not count."""
        left = [" ".join(line.split()) for line in printed.splitlines()]
        for line in self.lines:
            words = " ".join(line.split())
            if words == LEFT_OUT:
                continue
            if words in left:
                del left[: left.index(words) + 1]
            else:
                yield line


def commands(text: str) -> list[Shown]:
    """All commands of a document that show what they print."""
    return [
        Shown(match["command"], tuple(line for line in match["printed"].splitlines() if line))
        for match in BLOCK.finditer(text)
    ]


def write_files(folder: Path) -> None:
    """The files that README.md names. FileNotFoundError where a network of MLPerf Tiny is not there."""
    shutil.copy(ROOT / "examples/mnist/model.pt", folder / "lenet.pt2")
    with np.load(ROOT / "examples/mnist/test_images.npz") as test:
        images = (test["images"].reshape(-1, 1, 28, 28) / 255).astype(np.float32)
        np.savez(folder / "test.npz", images=images, labels=test["labels"])
    np.save(folder / "x.npy", images[:2])
    for name in ("vww_96_int8", "kws_ref_model_int8"):
        shutil.copy(mlperf.require(name), folder / f"{name}.tflite")


def printed_by(command: str, folder: Path) -> str:
    """What a command prints in `folder`. CalledProcessError if it fails, KeyError for one that is not known."""
    program, *arguments = shlex.split(command)
    called = {"sparsec": ["sparsec.tools.sparsec", *arguments], "make": ["examples.demo"]}[program]
    words = [sys.executable, "-m", *called]
    place = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(words, cwd=folder, env=place, capture_output=True, text=True, check=True)
    return ended.stderr + ended.stdout
