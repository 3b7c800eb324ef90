# SPDX-License-Identifier: Apache-2.0
"""`sparsec what-if` and `sparsec prune`: what zeros would be worth, and putting them in."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from examples.export import export_program
from sparsec.frontends.programs import Program
from tests.compress.nets import Crossed, images, small
from tests.tools.support import Tools


@pytest.fixture
def model(elsewhere: Path) -> Path:
    file = io.BytesIO()
    torch.export.save(export_program(small().eval(), images(16)), file)
    Path("net.pt2").write_bytes(file.getvalue())
    return Path("net.pt2")


def zeros(path: str) -> dict[str, float]:
    return {
        name: float((value == 0).float().mean())
        for name, value in Program(Path(path).read_bytes()).named_parameters()
        if value.ndim > 1
    }


def answers(tools: Tools, *words: str) -> dict[str, Any]:
    ended = tools.sparsec("what-if", "net.pt2", "-q", "--json", *words)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_what_zeros_would_be_worth_is_what_they_are_worth(tools: Tools, model: Path) -> None:
    """The network pruned in one shot as told takes what was told, from the same costs."""
    found = answers(tools, "--sparsity=0.9", "--pattern=unstructured,nm(2:4),block(1x128),channels")
    now, told, nm, blocks, channels = found["network"]
    assert told["estimated_cycles"] < now["estimated_cycles"] and told["zeros"] > now["zeros"]
    assert (nm["pattern"], nm["ratio"], nm["layers"]) == ("nm(2:4)", 0.5, 4)
    assert blocks["layers"] == 1 and channels["layers"] == 3
    assert channels["flash_bytes"] < now["flash_bytes"]
    names = [each["layer"] for each in found["layers"]]
    assert names == ["0", "4", "6", "9"]
    first = found["layers"][0]["answers"]
    assert first[0]["pattern"] is None and first[1]["estimate"]["cycles"] > 0
    assert (
        first[3]["estimate"] is None
        and "block(1x128) is larger than the layer" in first[3]["reason"]
    )

    ended = tools.sparsec("prune", "net.pt2", "-q", "--sparsity=0.9", "--scope=local", "--json")
    assert ended.code == 0, ended.err
    after = json.loads(ended.out)["after"]
    assert after["flash_bytes"] == pytest.approx(told["flash_bytes"], rel=0.03)
    assert after["estimated_cycles"] == pytest.approx(told["estimated_cycles"], rel=0.05)


def test_the_tables(tools: Tools, model: Path) -> None:
    ended = tools.sparsec("what-if", "net.pt2", "-q", "--sparsity=0.9", "--pattern=unstructured")
    assert ended.code == 0, ended.err
    assert "as it is" in ended.out and "0.90 zeros" in ended.out
    ended = tools.sparsec(
        "what-if", "net.pt2", "-q", "--sparsity=0.9", "--pattern=block(1x64)", "--layers"
    )
    assert "block(1x64) is larger than the layer, which has 16 rows" in ended.out


def test_a_share_in_one_shot(tools: Tools, model: Path) -> None:
    ended = tools.sparsec("prune", "net.pt2", "-q", "--sparsity=0.75", "--layers=9", "-o", "s.pt2")
    assert ended.code == 0, ended.err
    assert "zeros      0.7500 of the weights" in ended.out and "written to s.pt2" in ended.out
    assert zeros("s.pt2") == {**zeros("net.pt2"), "9.weight": 0.75}


@pytest.mark.builds
def test_a_plan_for_cycles_keeps_to_them(tools: Tools, model: Path) -> None:
    """And what was pruned runs, without a byte that differs."""
    words = "--for=latency", "--keep=0.7", "--target=cortex-m4"
    ended = tools.sparsec("prune", "net.pt2", "-q", *words, "--json", "-o", "fast.pt2")
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert report["after"]["estimated_cycles"] <= 0.7 * report["before"]["estimated_cycles"]
    again = tools.sparsec("prune", "net.pt2", "-q", f"--plan={report['plan']}", "-o", "same.pt2")
    assert again.code == 0 and zeros("same.pt2") == zeros("fast.pt2")
    ran = tools.sparsec("run", "fast.pt2", "--on=host", "-q", "--json")
    assert ran.code == 0 and json.loads(ran.out)["mismatches"] == 0


def test_a_plan_for_bytes_and_one_for_the_arena(tools: Tools, model: Path) -> None:
    ended = tools.sparsec("prune", "net.pt2", "-q", "--for=flash", "--keep=0.4", "--json")
    report = json.loads(ended.out)
    assert report["after"]["flash_bytes"] < report["before"]["flash_bytes"]
    ended = tools.sparsec("prune", "net.pt2", "-q", "--for=ram", "--keep=0.7", "--json")
    assert ended.code == 0, ended.err
    assert "channels" in json.loads(ended.out)["plan"]


def saved(model: torch.nn.Module, *inputs: torch.Tensor) -> None:
    shapes = tuple({0: torch.export.Dim.AUTO} for _ in inputs)
    torch.export.save(torch.export.export(model.eval(), inputs, dynamic_shapes=shapes), "net.pt2")


def test_the_arena_is_as_small_as_asked_for(tools: Tools, elsewhere: Path) -> None:
    """Where channels have biases and norms, and in residual sums, whose channels go only together: as it is compiled."""
    saved(Crossed(), images(2))
    ended = tools.sparsec("prune", "net.pt2", "-q", "--for=ram", "--keep=0.6", "--json")
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    arenas = [
        json.loads(tools.sparsec(each, "-q", "--json", "-o", f"{each}.c").out)["arena_bytes"]
        for each in ("net.pt2", "net-pruned.pt2")
    ]
    assert arenas == [report[when]["arena_bytes"] for when in ("before", "after")]
    assert arenas[1] <= 0.6 * arenas[0]


class Sum(torch.nn.Module):
    """Of two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = (torch.nn.Conv2d(1, 8, size, padding=size // 2) for size in (3, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.a(x) + self.b(x))


def test_outputs_of_a_bias_alone_are_worth_what_was_told(tools: Tools, elsewhere: Path) -> None:
    """Kernels of one input channel are whole rows, whose biases stay; their shifts are as those of other rows."""
    saved(Sum(), images(2))
    core = "--target=cortex-m33"
    (_, told) = answers(tools, "--sparsity=0.7", "--pattern=kernels(1x1)", core)["network"]
    words = "--sparsity=0.7", "--scope=local", "--pattern=kernels(1x1)", "--json", core
    after = json.loads(tools.sparsec("prune", "net.pt2", "-q", *words).out)["after"]
    assert after["estimated_cycles"] == pytest.approx(told["estimated_cycles"], rel=0.03)


class Tied(torch.nn.Module):
    """Two layers with the same weights, and two whose weights are no module's."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = torch.nn.Linear(32, 32), torch.nn.Linear(32, 32)
        self.second.weight = self.first.weight
        self.own = torch.nn.Parameter(torch.randn(32, 32) / 6)
        self.product = torch.nn.Parameter(torch.randn(32, 4) / 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return torch.relu(torch.nn.functional.linear(x, self.own)) @ self.product


@pytest.mark.parametrize("goal", ["flash", "ram"])
def test_a_plan_is_for_the_layers_that_can_be_pruned(
    tools: Tools, elsewhere: Path, goal: str
) -> None:
    """As the file calls them, and for those that were selected."""
    saved(Tied(), torch.randn(2, 32))
    words = "prune", "net.pt2", "-q", f"--for={goal}", "--json"
    ended = tools.sparsec(*words, "--keep=0.9")
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    kind = "flash_bytes" if goal == "flash" else "arena_bytes"
    assert report["after"][kind] < report["before"][kind]
    assert {each["layer"] for each in report["layers"]} <= {"second", "own"}
    ended = tools.sparsec(*words, "--keep=0.9", "--layers=own")
    if goal == "flash":
        assert ended.code == 0 and json.loads(ended.out)["plan"].startswith("own: ")
    else:
        assert ended.code == 2 and "--keep=0.9 of it is out of reach" in ended.err
    ended = tools.sparsec(*words, "--keep=0.1", "--layers=own")
    assert ended.code == 2 and "out of reach" in ended.err and ": -" not in ended.err


def test_the_file_itself_can_be_overwritten(tools: Tools, model: Path) -> None:
    """The figures before are those of what was there."""
    words = "prune", "net.pt2", "-q", "--sparsity=0.9", "--json"
    other, same = (
        json.loads(tools.sparsec(*words, "-o", each).out) for each in ("x.pt2", "net.pt2")
    )
    assert same["before"] == other["before"] != same["after"] == other["after"]


def test_training_with_zeros(tools: Tools, model: Path) -> None:
    labels = np.arange(64) % 4
    x = images(64).numpy()
    x[np.arange(64), 0, 2 * labels, 1:7] += 6
    np.savez("train.npz", x=x.astype(np.float32), labels=labels)
    words = [
        *("prune", "net.pt2", "-q", "--sparsity=0.7", "--data=train.npz", "--test=train.npz"),
        *("--epochs=4", "--batch=8", "--learning-rate=0.003", "--gradual", "--distill=0.1"),
        *("--folder=run", "--json", "-o", "trained.pt2"),
    ]
    ended = tools.sparsec(*words)
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert report["sparsity"] == pytest.approx(0.7, abs=1e-3)
    assert report["accuracy"] > report["accuracy_before"]
    history = list(csv.DictReader(Path("run/history.csv").read_text().splitlines()))
    assert len(history) == 4
    assert int(history[-1]["cycles"]) == report["after"]["estimated_cycles"]
    assert int(history[-1]["bytes"]) == report["after"]["flash_bytes"]
    before = Path("trained.pt2").read_bytes()
    assert tools.sparsec(*words).code == 0  # all epochs are in the folder
    assert Path("trained.pt2").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what goes by one of --sparsity, --threshold, --plan and --for"),
        (["--sparsity=0.5", "--plan=*: nm(2:4)"], "not by --sparsity and --plan"),
        (["--sparsity=1.0"], "'1.0' is no share of zeros"),
        (["--sparsity=0.5,0.9"], "--sparsity takes one share"),
        (["--sparsity=0.5", "--pattern=nm(4:2)"], "nm(4:2) keeps more weights than there are"),
        (["--sparsity=0.5", "--pattern=tiles"], "there is no pattern 'tiles'"),
        (["--sparsity=0.5", "--pattern=block(64x1)"], "layer 0: block(64x1) is larger than the layer"),
        (["--sparsity=0.5", "--layers=conv"], "no layer with weights matches 'conv'"),
        (["--plan=9 nm(2:4)"], "--plan: '9 nm(2:4)' is no part of a plan"),
        (["--for=latency"], "--for and --keep go together"),
        (["--for=latency", "--keep=0.001"], "--keep=0.001 is out of reach"),
        (["--for=ram", "--keep=0.01"], "out of reach: with these ratios the least is"),
        (["--sparsity=0.5", "--gradual"], "belong to training: give --data"),
        (["--sparsity=0.5", "--data=none.npz"], "cannot read none.npz"),
        (["--sparsity=0.5", "--data=x.npz"], "x.npz has no array 'labels' of labels"),
        (["--sparsity=0.5", "--data=x.npz", "--labels=far.npy"], "labels goes from 0 to 4, and the output has the classes 0 to 3"),
        (["--sparsity=0.5", "--data=nan.npz"], "inputs must be finite numbers, and sample 2 has others"),
        (["--sparsity=0.5", "--data=wrong.npz"], "inputs are as the network was exported with"),
        (["--sparsity=0.5", "--data=ok.npz", "--learning-rate=0"], "a learning rate is above 0"),
        (["--sparsity=0.5", "--data=ok.npz", "--track=wandb"], "there is no service 'wandb'"),
        (["--sparsity=0.5", "-o", "no/where.pt2"], "cannot write no/where.pt2"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(tools: Tools, model: Path, words: list[str], message: str) -> None:
    x = images(5).numpy()
    np.savez("x.npz", x=x)
    np.savez("ok.npz", x=x, labels=np.arange(5) % 4)
    holed = x.copy()
    holed[2, 0, 1, 1] = np.nan
    np.savez("nan.npz", x=holed, labels=np.arange(5) % 4)
    np.savez("wrong.npz", x=x[:, :, :3], labels=np.arange(5) % 4)
    np.save("far.npy", np.arange(5))
    ended = tools.sparsec("prune", "net.pt2", "-q", *words)
    assert ended.code == 2
    assert message in ended.err and ended.err.splitlines()[-1].startswith(
        ("error: ", "sparsec prune: error")
    )
    assert not Path("net-pruned.pt2").exists()


@pytest.mark.parametrize("words", [["--for=ram", "--keep=0.5"], ["--for=flash", "--keep=0.5"]])
def test_no_layer_with_weights(tools: Tools, elsewhere: Path, words: list[str]) -> None:
    saved(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool2d(2)), images(2))
    ended = tools.sparsec("prune", "net.pt2", "-q", *words)
    assert ended.code == 2
    assert ended.err == "error: net.pt2 has no layer with weights, so there is nothing to prune\n"


def test_a_loss_that_is_no_number(tools: Tools, model: Path) -> None:
    np.savez("train.npz", x=images(8).numpy() * 1e30, labels=np.arange(8) % 4)
    words = (
        "--sparsity=0.5",
        "--data=train.npz",
        "--learning-rate=1e9",
        "--optimizer=sgd",
    )
    ended = tools.sparsec("prune", "net.pt2", "-q", *words)
    assert ended.code == 2 and "the loss is" in ended.err and ended.err.count("\n") == 1
    assert not Path("net-pruned.pt2").exists()


def test_what_is_no_program(tools: Tools, elsewhere: Path) -> None:
    Path("net.pt2").write_bytes(b"PK\3\4broken")
    for words in (["prune", "net.pt2", "--sparsity=0.5"], ["what-if", "net.pt2"]):
        ended = tools.sparsec(*words, "-q")
        assert ended.code == 2 and ended.err.startswith("error: net.pt2: ")
    torch.save(small(), "pickled.pt")
    ended = tools.sparsec("prune", "pickled.pt", "--sparsity=0.5", "-q")
    assert ended.code == 2 and "no program of torch.export.save" in ended.err
    ended = tools.sparsec("prune", "net.mlir", "--sparsity=0.5", "-q")
    assert ended.code == 2 and "into files of torch.export.save" in ended.err
