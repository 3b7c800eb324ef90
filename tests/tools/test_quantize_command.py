# SPDX-License-Identifier: Apache-2.0
"""`sparsec quantize`: int8 from data, int8 by training, and what cannot be done."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparsec.frontends import load
from sparsec.frontends.programs import Program
from sparsec.ir import nn as nn_dialect
from tests.tools.support import Tools


class Net(nn.Module):
    """A convolution, and a linear layer half of whose weights are zero."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = norm or nn.Identity()
        self.fc = nn.Linear(48, 5)
        with torch.no_grad():
            self.fc.weight[:, ::2] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.norm(self.conv(x))).flatten(1))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.glu(self.fc(x), dim=1)


def export(model: nn.Module, example: Tensor, path: str, *, open_batch: bool = True) -> None:
    shapes = ({0: torch.export.Dim.AUTO},) if open_batch else None
    file = io.BytesIO()
    torch.export.save(torch.export.export(model.eval(), (example,), dynamic_shapes=shapes), file)
    Path(path).write_bytes(file.getvalue())


@pytest.fixture
def data(elsewhere: Path) -> None:
    """A network and files with 40 samples, whose classes can be learnt."""
    torch.manual_seed(4)
    export(Net(), torch.randn(2, 2, 6, 6), "net.pt2")
    x = torch.randn(40, 2, 6, 6).numpy()
    np.savez("x.npz", x=x)
    np.savez("train.npz", x=x, labels=x[:, 0, 0, :5].argmax(1))


def told(tools: Tools, *words: str) -> dict[str, Any]:
    ended = tools.sparsec("quantize", "net.pt2", "--json", *words)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def int8_weights(path: str) -> dict[str | None, Any]:
    return {
        op.name_in_model: op.array
        for op in load(Path(path)).module.walk()
        if isinstance(op, nn_dialect.ConstantOp) and op.array.dtype == np.int8
    }


@pytest.mark.builds
def test_from_data(tools: Tools, data: None) -> None:
    report = told(tools, "--calibrate=x.npz", "-o", "int8.pt2")
    assert report["schema_version"] == 1
    assert report["output"] == "int8.pt2"
    assert report["left_in_float"] == []
    assert report["torch"]["compared"] == 40 * 5
    assert report["torch"]["largest_steps"] <= 1
    assert set(int8_weights("int8.pt2")) == {"conv.weight", "fc.weight"}
    ended = tools.sparsec("run", "int8.pt2", "--on=host", "-q", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["mismatches"] == 0


def test_by_training_with_zeros_that_stay(tools: Tools, data: None) -> None:
    export(Net(nn.BatchNorm2d(3)), torch.randn(2, 2, 6, 6), "net.pt2")
    words = ("--data=train.npz", "--test=train.npz", "--batch=20", "--learning-rate=0.01")
    report = told(tools, *words, "--epochs=2")
    assert report["epochs"] == 2
    assert report["zeros_held"] == 5 * 24
    assert 0 <= report["accuracy_float"] < report["accuracy"] <= 1
    assert report["torch"]["largest_steps"] <= 1
    weights = int8_weights("net-int8.pt2")["fc.weight"]
    assert not weights.reshape(5, 48)[:, ::2].any()


def test_a_run_goes_on(tools: Tools, data: None) -> None:
    words = ("--data=train.npz", "--batch=20", "--folder=run")
    report = told(tools, *words)
    first = Path("net-int8.pt2").read_bytes()
    assert told(tools, *words) == report  # it was finished
    assert Path("net-int8.pt2").read_bytes() == first


def test_a_program_for_one_sample(tools: Tools, data: None) -> None:
    export(Net(), torch.randn(1, 2, 6, 6), "net.pt2", open_batch=False)
    report = told(tools, "--calibrate=x.npz", "--ranges=min-max")
    assert report["torch"]["samples"] == 40
    ended = tools.sparsec("quantize", "net.pt2", "--data=train.npz")
    assert ended.code == 2
    assert "runs 1 samples at once: to train it export it with an open batch" in ended.err


def test_what_stays_in_float_is_told(tools: Tools, data: None) -> None:
    export(Gated(), torch.randn(2, 4), "net.pt2")
    np.savez("x.npz", x=np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))
    ended = tools.sparsec("quantize", "net.pt2", "--calibrate=x.npz")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "in float   glu (aten.glu): compile with --calibrate",
        "written to net-int8.pt2",
    ]
    ended = tools.sparsec("net-int8.pt2", "--calibrate=x.npz", "--emit=qnn", "-q")
    assert ended.code == 0, ended.err


class Words(nn.Module):
    """Takes indices; how many samples there are is no number that stays in float."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.fc = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rows(x).mean(1) + torch.zeros(x.shape[0], 4))


def test_inputs_become_what_the_program_takes(tools: Tools, data: None) -> None:
    """Numbers as numpy makes them by itself, of 64 bits, whole or not."""
    random = np.random.default_rng(0)
    for x in (random.normal(size=(8, 2, 6, 6)), random.integers(-3, 4, (8, 2, 6, 6))):
        np.savez("x.npz", x=x)
        assert told(tools, "--calibrate=x.npz", "-o", "int8.pt2")["torch"]["largest_steps"] <= 1
    words = random.integers(0, 9, (16, 5))
    export(Words(), torch.from_numpy(words), "net.pt2")
    np.savez("train.npz", x=words.astype(np.uint8), labels=words[:, 0] % 3)
    trained = told(tools, "--data=train.npz", "--epochs=1")
    assert trained["left_in_float"] == ["embedding (aten.embedding)"]
    np.savez("x.npz", x=words + 0.5)
    ended = tools.sparsec("quantize", "net.pt2", "--calibrate=x.npz")
    assert ended.code == 2
    assert "x.npz: input x must be int64 numbers, not float64" in ended.err


def test_mistakes(tools: Tools, data: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(*words: str) -> str:
        ended = tools.sparsec("quantize", *words)
        assert (ended.code, ended.out) == (2, "")
        assert len(ended.err.splitlines()) == 1
        assert not Path("net-int8.pt2").exists()
        return ended.err

    assert "give --calibrate=FILE.npz, or --data" in says("net.pt2")
    assert "give --calibrate=FILE.npz, or --data" in says(
        "net.pt2", "--calibrate=x.npz", "--data=train.npz"
    )
    assert "--test and --epochs belong to training: give --data" in (
        says("net.pt2", "--calibrate=x.npz", "--test=x.npz", "--epochs=2")
    )
    assert "--folder: cannot write to x.npz: File exists" in (
        says("net.pt2", "--data=train.npz", "--folder=x.npz")
    )
    export(nn.ReLU(), torch.randn(2, 4), "bare.pt2")
    assert "bare.pt2 has no weights to train" in says("bare.pt2", "--data=train.npz")
    export(nn.Conv3d(1, 1, 1), torch.randn(2, 1, 2, 2, 2), "deep.pt2")
    ended = tools.sparsec("quantize", "deep.pt2", "--calibrate=x.npz")
    assert ended.code == 2
    assert "aten.conv3d" in ended.err
    assert not Path("deep-int8.pt2").exists()
    np.savez("bad.npz", x=np.zeros((3, 2, 6, 7), np.float32))
    assert "bad.npz: input x must be numbers of shape [N, 2, 6, 6], not float32 [3, 2, 6, 7]" in (
        says("net.pt2", "--calibrate=bad.npz")
    )
    np.savez("bad.npz", x=np.full((3, 2, 6, 6), np.nan, np.float32))
    assert "bad.npz: input x has numbers that are not finite" in (
        says("net.pt2", "--calibrate=bad.npz")
    )
    assert "cannot read calibration data from none.npz" in says("net.pt2", "--calibrate=none.npz")
    assert "the loss is nan" in says(
        "net.pt2", "--data=train.npz", "--learning-rate=1e30", "--batch=4", "--epochs=3"
    )
    assert "labels" in says("net.pt2", "--data=x.npz")
    assert "is not a model of PyTorch" in says("x.npz", "--calibrate=x.npz")
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "sparsec.compress.pt2e", raising=False)
        patch.setitem(sys.modules, "torchao.quantization.pt2e", None)
        assert "pip install sparsec[compress]" in says("net.pt2", "--calibrate=x.npz")


def test_a_quantized_program(tools: Tools, data: None) -> None:
    told(tools, "--calibrate=x.npz", "-o", "int8.pt2")
    ended = tools.sparsec("quantize", "int8.pt2", "--calibrate=x.npz")
    assert ended.code == 2
    assert "the program is quantized already" in ended.err
    assert Program(Path("net.pt2").read_bytes()).batch is None
