# SPDX-License-Identifier: Apache-2.0
"""`sparsec accuracy`: int8 and a device against float, and advice that is measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparsec.tools.accuracy_command import OBSERVERS, OTHERS, together, top
from tests.frontends.support import export_bytes
from tests.tools.support import Tools, images, net


class Uneven(nn.Module):
    """Channels of 0.02 to 8 times what others are, read by a depthwise layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 16, 1)
        self.second = nn.Conv2d(16, 16, 3, groups=16)
        self.last = nn.Linear(16 * 16, 10)
        with torch.no_grad():
            by = torch.logspace(-2, 1, 16)
            self.first.weight.mul_(by.reshape(16, 1, 1, 1))
            assert self.first.bias is not None
            self.first.bias.mul_(by)
            self.second.weight.div_(by.reshape(16, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(torch.relu(self.first(x))).flatten(1))


def write(model: nn.Module, name: str = "net.pt2", samples: int = 16) -> None:
    Path(name).write_bytes(export_bytes(model, [images(samples)]))


@pytest.fixture
def uneven(elsewhere: Path) -> Tensor:
    """A file net.pt2, test samples with the labels that float gives in test.npz; returns the samples."""
    torch.manual_seed(0)
    model = Uneven().eval()
    write(model)
    x = images(24, seed=5)
    with torch.no_grad():
        labels = model(x).argmax(1).numpy()
    np.savez("test.npz", x=x.numpy(), labels=labels)
    return x


def advice(report: dict[str, Any]) -> dict[str, Any]:
    return {each["options"]: each for each in report["advice"]}


def test_what_helps_is_measured(tools: Tools, uneven: Tensor) -> None:
    ended = tools.sparsec(
        "accuracy", "net.pt2", "--data=test.npz", "--labels=labels", "--json", "-q"
    )
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert report["samples"] == len(uneven)
    assert report["float"] == {
        "snr_db": None,
        "same_numbers": None,
        "same_arg_max": 1.0,
        "top_1": 1.0,
        "top_5": 1.0,
    }
    base, found = report["int8"], advice(report)
    assert set(OBSERVERS) | set(OTHERS) <= set(found)
    assert found["--equalize"]["helps"] and found["--equalize"]["gain_db"] > 6
    for each in report["advice"]:
        assert each["gain_db"] == pytest.approx(each["snr_db"] - base["snr_db"])
        assert each["helps"] == (each["gain_db"] >= 0.1)
    # Said of these options, and true of them.
    best = report["advice"][0]
    again = tools.sparsec(
        *(
            "accuracy",
            "net.pt2",
            "--data=test.npz",
            "--labels=labels",
            "--json",
            "-q",
            "--no-advice",
        ),
        *best["options"].split(),
    )
    assert json.loads(again.out)["int8"]["snr_db"] == pytest.approx(best["snr_db"])


def test_the_table(tools: Tools, uneven: Tensor) -> None:
    np.save("y.npy", np.zeros(len(uneven), np.int64))
    np.save("x.npy", uneven.numpy())
    ended = tools.sparsec("accuracy", "net.pt2", "--data=x.npy", "--labels=y.npy", "--layers", "-q")
    assert ended.code == 0, ended.err
    assert "net, 24 samples" in ended.out and "what helps" in ended.out
    assert "--equalize" in ended.out and "top-1" in ended.out and "adds dB" in ended.out
    assert "second" in ended.out


def test_a_device_gives_the_same_bytes(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    write(net())
    np.save("x.npy", images(3).numpy())
    ended = tools.sparsec("accuracy", "net.pt2", "--data=x.npy", "--on=host", "--no-advice", "-q")
    assert ended.code == 0, ended.err
    assert "host: 0 of 15 bytes differ from int8" in ended.out
    assert "what helps" not in ended.out


def test_a_quantized_network_has_labels_alone(
    tools: Tools, texts: dict[str, Path], elsewhere: Path
) -> None:
    np.savez("t.npz", x=np.transpose(images(4).numpy(), (0, 2, 3, 1)), y=np.arange(4))
    ended = tools.sparsec("accuracy", texts["qnn"], "--data=t.npz", "--labels=y", "--json", "-q")
    if ended.code == 2:  # the text may take another layout
        assert "must have shape" in ended.err
        np.savez("t.npz", x=images(4).numpy(), y=np.arange(4))
        ended = tools.sparsec(
            "accuracy", texts["qnn"], "--data=t.npz", "--labels=y", "--json", "-q"
        )
    report = json.loads(ended.out)
    assert report["float"] is None and report["advice"] is None
    assert report["int8"]["snr_db"] is None and 0 <= report["int8"]["top_1"] <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data=none.npz"], "cannot read none.npz"),
        (["--data=x.npy", "--labels=classes"], "--labels: x.npy has no array 'classes'"),
        (["--data=x.npy", "--labels=x.npy"], "--labels must be 3 whole numbers"),
        (
            ["--data=x.npy", "--labels=far.npy"],
            "--labels goes from 0 to 5, and the first output has",
        ),
        (["--data=bad.npy"], "--data for input x must have shape [N, 2, 6, 6], got [3, 4]"),
        (["--data=x.npy", "--on=host", "--target=cortex-m99"], "cortex-m99"),
        ([], "the following arguments are required: --data"),
    ],
)
def test_mistakes_are_one_line(
    tools: Tools, elsewhere: Path, words: list[str], message: str
) -> None:
    write(net())
    np.save("x.npy", images(3).numpy())
    np.save("bad.npy", np.zeros((3, 4)))
    np.save("far.npy", np.array([0, 1, 5]))
    ended = tools.sparsec("accuracy", "net.pt2", "-q", *words)
    assert ended.code == 2
    assert message in ended.err and ended.err.count("\n") == 1


def test_without_labels_a_quantized_network_says_what_to_do(
    tools: Tools, texts: dict[str, Path], elsewhere: Path
) -> None:
    np.save("x.npy", images(3).numpy())
    ended = tools.sparsec("accuracy", texts["qnn"], "--data=x.npy", "-q")
    assert ended.code == 2 and "give --labels" in ended.err


def test_top() -> None:
    rows = np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0]])
    assert top(rows, np.array([1, 1]), 1) == 0.5  # of equal ones the first
    assert top(rows, np.array([2, 1]), 2) == 1.0


def test_outputs_count_the_same() -> None:
    real = [np.array([[3.0, 4.0]]), np.array([[300.0]])]
    got = [np.array([[3.3, 4.4]]), np.array([[300.0]])]
    assert together(real, got) == pytest.approx(20 + 10 * np.log10(2))
    assert together(real, real) is None


def test_semantics_are_verified_through_all_of_them(tools: Tools, uneven: Tensor) -> None:
    ended = tools.sparsec(
        *("net.pt2", "--emit=qnn", "-o", "net.mlir", "--verify-semantics", "--observer=auto"),
        *("--equalize", "--correct-biases"),
    )
    assert ended.code == 0, ended.err
    assert "correct-biases changed output 0" in ended.err


class Index(nn.Module):
    """The largest of some numbers, and where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).argmax(1)


def test_an_index_is_compared_as_one(tools: Tools, elsewhere: Path) -> None:
    model = Index().eval()
    write(model)
    x = images(20, seed=3)
    np.savez("test.npz", x=x.numpy(), y=model(x).numpy())
    ended = tools.sparsec("accuracy", "net.pt2", "--data=test.npz", "--labels=y", "--json", "-q")
    found = json.loads(ended.out)["int8"]
    assert found["snr_db"] is None and found["same_numbers"] == found["top_1"] > 0.5
    ended = tools.sparsec("accuracy", "net.pt2", "--data=test.npz", "--labels=y", "-q")
    assert "indices as float" in ended.out and "dB" not in ended.out.splitlines()[-1]
