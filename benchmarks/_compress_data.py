# SPDX-License-Identifier: Apache-2.0
"""Real data for networks that are pruned: Fashion-MNIST as Debian packages it, movements as PyPI's aeon carries them."""

import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from examples.datasets import Data, fashion_mnist, idx
from sparsec.compress.data import Samples

AEON = "aeon==1.6.0"
TRAIN_IMAGES = 20_000
"""Of 60,000, the same for all: a run has to end within two minutes."""


@dataclass(frozen=True)
class DataSet:
    """What is trained and tested on, and the inputs that calibrate int8."""

    train: Samples
    test: Samples
    calibration: torch.Tensor


folder: Path | None = None
"""Where Fashion-MNIST's IDX files are; None is where Debian's package has them."""


@cache
def fashion() -> DataSet:
    """Images [N, 1, 28, 28] in 0..1. Raises ValueError where the files are not there."""
    train, test = fashion_mnist() if folder is None else idx(folder)

    def some(count: int) -> Data:
        chosen = np.arange(count) * len(train[1]) // count
        return train[0][chosen], train[1][chosen]

    return DataSet(Samples(*some(TRAIN_IMAGES)), Samples(*test, 1000), some(128)[0])


@cache
def unseen(count: int) -> Samples:
    """So many images of Fashion-MNIST's training set that `fashion` does not train on."""
    train, _ = fashion_mnist() if folder is None else idx(folder)
    taken = np.arange(TRAIN_IMAGES) * len(train[1]) // TRAIN_IMAGES
    others = np.setdiff1d(np.arange(len(train[1])), taken)
    chosen = others[np.arange(count) * len(others) // count]
    return Samples(train[0][chosen], train[1][chosen], 1000)


@cache
def movements() -> DataSet:
    """BasicMotions: [N, 6, 100], three axes each of an accelerometer and a gyroscope, of 4 kinds of movement."""
    train, test = (_series(part) for part in ("TRAIN", "TEST"))
    mean, deviation = train[0].mean((0, 2), keepdims=True), train[0].std((0, 2), keepdims=True)
    x, other = ((values - mean) / deviation for values, _ in (train, test))
    return DataSet(
        Samples.of_arrays(x, train[1], 8),
        Samples.of_arrays(other, test[1], 40),
        torch.from_numpy(x.astype(np.float32)),
    )


def _series(part: str) -> tuple[np.ndarray, np.ndarray]:
    """The .ts text of aeon's wheel, read from it without installing anything."""
    name = f"aeon/datasets/data/BasicMotions/BasicMotions_{part}.ts"
    with zipfile.ZipFile(_wheel()) as wheel:
        text = wheel.read(name).decode()
    rows = text.split("@data", 1)[1].split()
    values = np.array(
        [[[float(v) for v in axis.split(",")] for axis in row.split(":")[:-1]] for row in rows]
    )
    names = [row.split(":")[-1].lower() for row in rows]
    return values, np.array([sorted(set(names)).index(each) for each in names])


def _wheel() -> Path:
    """aeon's wheel, downloaded once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sparsec" / "aeon"
    found = sorted(cache.glob("aeon-*.whl"))
    if found:
        return found[0]
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, AEON]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            raise ValueError(
                f"pip cannot download {AEON}: {error.stderr.decode().strip()[-200:]}"
            ) from error
        (wheel,) = Path(folder).glob("*.whl")
        return wheel.rename(cache / wheel.name)
