# SPDX-License-Identifier: Apache-2.0
"""From training to int8 in one script, and the networks that it made."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import sparsec
from examples.fashion import train

SHIPPED = Path(train.__file__).parent
NAMES = sorted(path.stem for path in SHIPPED.glob("*.pt2"))


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty images with a bar where their class is."""
    labels = (np.arange(40) % 10).astype(np.uint8)
    images = np.zeros((40, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 4] = 250
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


@pytest.mark.builds
def test_the_road(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--data={folder}", "--epochs=1", f"--folder={folder / 'run'}", f"-o{folder}"]
    assert train.main(["ds_cnn", *words]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 3 and "75.00% of the weights zero" in rows[1]
    with np.load(folder / "test_images.npz") as test:
        x = torch.from_numpy(test["images"][:4, np.newaxis].astype(np.float32) / 255)
    compiled = sparsec.compile(folder / "ds_cnn.pt2", name="net")
    assert compiled.run(x).mismatches == 0
    density = [layer["density"] for layer in compiled.report["layers"] if layer["density"] < 1]
    assert density


def test_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["resnet8", f"--data={tmp_path}"]) == 2
    assert "has no train-images-idx" in capsys.readouterr().err


@pytest.mark.builds
@pytest.mark.qemu
@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_runs_on_a_core(name: str) -> None:
    """As README.md of the folder tells, on a few of its images."""
    with np.load(SHIPPED / "test_images.npz") as test:
        x = torch.from_numpy(test["images"][:32, np.newaxis].astype(np.float32) / 255)
        labels = test["labels"][:32]
    compiled = sparsec.compile(SHIPPED / f"{name}.pt2", name=name, target="cortex-m4")
    ran = compiled.run(x[:4], on="cortex-m4")
    host = compiled.run(x, on="host")
    assert ran.mismatches == host.mismatches == 0
    assert np.mean(host.outputs[0].reshape(32, -1).argmax(1) == labels) > 0.75
