# SPDX-License-Identifier: Apache-2.0
"""From training to int8 in one script, and the networks that it made."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import sparsec
from examples.export import save_program
from examples.fashion import train
from examples.fashion.transformers import TinyViT
from sparsec.compress import prune_transformer

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


@pytest.mark.builds
def test_the_road_of_a_transformer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--data={folder}", "--epochs=1", f"--folder={folder / 'run'}", f"-o{folder}"]
    assert train.main(["tiny_former", *words]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 and "75.00% of the weights zero" in rows[1]
    compiled = sparsec.compile(folder / "tiny_former.pt2", name="net")
    with np.load(folder / "test_images.npz") as test:
        x = torch.from_numpy(test["images"][:2, np.newaxis].astype(np.float32) / 255)
    assert compiled.run(x).mismatches == 0


@pytest.mark.builds
def test_a_transformer_with_fewer_heads(tmp_path: Path) -> None:
    """Three of four heads and half of the hidden units are left: it compiles as it is, and is smaller."""
    torch.manual_seed(0)
    x = torch.rand(4, 1, 28, 28)
    flash: list[int] = []
    model = TinyViT(32, 1, 8).eval()
    for heads, hidden in ((0.0, 0.0), (0.25, 0.5)):
        prune_transformer(model, x, heads, hidden)
        save_program(model, x, tmp_path / "vit.pt2")
        compiled = sparsec.compile(tmp_path / "vit.pt2", name="vit")
        assert compiled.run(x[:2]).mismatches == 0
        flash.append(compiled.report["flash_bytes"])
    # A head has 8 rows and biases in three layers and 8 columns in the fourth, a unit a row, a bias and a column.
    gone = 3 * 8 * 32 + 8 * 32 + 32 * 2 * 32
    assert flash[0] - flash[1] >= gone


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
