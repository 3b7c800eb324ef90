# SPDX-License-Identifier: Apache-2.0
"""Training that goes on after it was killed, and what it writes."""

import errno
import json
import math
import sys
import types
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparsec.compress import checkpoints
from sparsec.compress.checkpoints import (
    checkpoints_in,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from sparsec.compress.data import Loader, Samples
from sparsec.compress.distillation import Distillation, softened
from sparsec.compress.pruner import Pruner
from sparsec.compress.training import Settings, accuracy_of, fit
from sparsec.pruning.schedules import Gradual
from tests.compress.nets import images, small


def data() -> Samples:
    return Samples(images(24), torch.arange(24) % 4, 8)


def run(folder: Path | None, **words: Any) -> tuple[nn.Module, list[Any]]:
    model = small()
    pruner = Pruner(model, schedule=Gradual(0.8, pruning=6, tuning=6, steps=3, initial=0.2))
    wanted: dict[str, Any] = {"epochs": 4, "learning_rate": 0.01, **words.pop("settings", {})}
    settings = Settings(**wanted)
    history = fit(model, data(), settings, pruner=pruner, folder=folder, test=data(), **words)
    return model, history


def same(first: nn.Module, second: nn.Module) -> bool:
    others = second.state_dict()
    return all(torch.equal(value, others[name]) for name, value in first.state_dict().items())


class KilledError(Exception):
    """In place of a signal."""


def test_a_run_that_was_killed_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the third epoch; what was half done is done again."""
    whole, history = run(None)
    step, count = Pruner.step, 0

    def dies(self: Pruner) -> None:
        nonlocal count
        count += 1
        if count == 8:
            raise KilledError
        step(self)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(Pruner, "step", dies)
        run(tmp_path)
    assert [path.name for path in checkpoints_in(tmp_path)] == ["epoch-0002.pt", "epoch-0001.pt"]
    resumed, again = run(tmp_path)
    assert same(whole, resumed)
    assert [row.loss for row in again] == [row.loss for row in history]
    assert [path.name for path in checkpoints_in(tmp_path)] == ["epoch-0004.pt", "epoch-0003.pt"]
    rows = (tmp_path / "history.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,loss,accuracy,sparsity") and len(rows) == 5
    zeros = (tmp_path / "zeros.csv").read_text().splitlines()
    assert zeros[0] == "epoch,layer,zeros,weights" and len(zeros) == 1 + 4 * 4
    assert sum(int(line.split(",")[2]) for line in zeros[-4:]) == round(0.8 * 1568)
    assert json.loads((tmp_path / "run.json").read_text())["seed"] == 0
    assert "<svg" in (tmp_path / "history.svg").read_text()
    assert not list(tmp_path.glob(".*"))


def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    first, _ = run(tmp_path)

    def trained(model: nn.Module) -> dict[str, float]:
        pytest.fail("an epoch was trained")

    again, history = run(tmp_path, predict=trained)
    assert same(first, again) and len(history) == 4


def test_predictions_are_part_of_the_history(tmp_path: Path) -> None:

    def predict(model: nn.Module) -> dict[str, float]:
        return {"cycles": 7.0, "bytes": 9.0}

    _, history = run(tmp_path, predict=predict)
    assert (history[-1].cycles, history[-1].bytes) == (7.0, 9.0)
    assert history[-1].sparsity == pytest.approx(0.8, abs=1e-3)


def test_checkpoints_of_other_runs(tmp_path: Path) -> None:
    """What differs is named, and nothing is written."""

    def started(folder: Path, batches: Samples | Loader | None = None, **words: Any) -> None:
        asked: dict[str, Any] = {"ratio": 0.5, **words.pop("pruner", {})}
        trained: dict[str, Any] = {"epochs": 1, **words.pop("settings", {})}
        settings = Settings(**trained)
        model = small()
        pruner = Pruner(model, **asked)
        fit(model, batches or data(), settings, pruner=pruner, folder=folder, **words)

    started(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    others: list[tuple[dict[str, Any], str]] = [
        ({"settings": {"learning_rate": 0.02}}, "learning_rate"),
        ({"settings": {"epochs": 5}}, "epochs"),
        ({"pruner": {"ratio": 0.6}}, "schedule"),
        ({"pruner": {"ratio": None, "plan": "*: unstructured 0.5"}}, "plan, schedule"),
        ({"pruner": {"ratio": None, "threshold": 0.5}}, "threshold, schedule"),
        ({"pruner": {"pattern": "block(1x2)"}}, "pattern"),
        ({"pruner": {"scope": "local", "regrow": True}}, "scope, regrow"),
        ({"pruner": {"importance": "lamp"}}, "importance"),
        ({"pruner": {"layers": ["0", "4"]}}, "layers"),
        ({"distillation": Distillation(small())}, "distillation"),
        ({"loss": nn.functional.multi_margin_loss}, "loss"),
        ({"batches": Samples(images(24) + 1, torch.arange(24) % 4, 8)}, "data"),
        ({"batches": Samples(images(24), torch.arange(24) % 3, 8)}, "data"),
        ({"test": data()}, "test"),
    ]
    for words, named in others:
        told = rf"checkpoints of a run with other settings \({named}\): choose"
        with pytest.raises(ValueError, match=told):
            started(tmp_path, **words)
    with pytest.raises(ValueError, match="checkpoints of another model"):
        fit(small(8), data(), Settings(epochs=1), folder=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    teachers = [
        Distillation(small(), weight, features=features)
        for weight, features in ((1.0, ()), (0.5, ()), (0.5, ("2",)))
    ]
    assert len({str(each.identity) for each in teachers}) == 3


def test_a_checkpoint_that_is_damaged(tmp_path: Path) -> None:
    """The one before is taken; where none can be read, that is said."""
    for epoch in (1, 2):
        save_checkpoint(tmp_path, epoch, {"epoch": epoch})
    newest, oldest = checkpoints_in(tmp_path)
    newest.write_bytes(newest.read_bytes()[:40])
    assert newest_checkpoint(tmp_path) == {"epoch": 1}
    oldest.write_bytes(b"")
    with pytest.raises(ValueError, match="is no checkpoint of tensors and numbers alone"):
        newest_checkpoint(tmp_path)


def test_checkpoints_of_something_else(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"epoch": 1})
    with pytest.raises(ValueError, match="something else, or of another version of sparsec"):
        run(tmp_path)


def test_a_checkpoint_that_would_be_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "epoch-0001.pt"
    torch.save({"model": small()}, path)
    with pytest.raises(ValueError, match="pickled objects, which are not read"):
        load_checkpoint(path)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier checkpoints are as they were, and nothing is half written."""
    save_checkpoint(tmp_path, 1, {"epoch": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 2, {"epoch": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001.pt"]
    assert newest_checkpoint(tmp_path) == {"epoch": 1}


def test_a_loss_that_is_no_number(tmp_path: Path) -> None:
    def broken(output: Tensor, labels: Tensor) -> Tensor:
        return output.sum() * math.nan

    with pytest.raises(
        ValueError, match="the loss is nan in batch 1 of epoch 1: train with a smaller"
    ):
        run(tmp_path, loss=broken)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    """The last step of an epoch may have made them so."""

    def steep(output: Tensor, labels: Tensor) -> Tensor:
        return output.mean() * 1e36

    one = Samples(images(8), torch.arange(8) % 4, 8)
    settings = Settings(learning_rate=1e9, optimizer="sgd")
    with pytest.raises(
        ValueError, match="infinite or no numbers after epoch 1: train with a smaller"
    ):
        fit(small(), one, settings, loss=steep, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_learning_from_the_dense_network() -> None:
    teacher = small()
    with torch.no_grad():
        teacher.get_parameter("9.weight").mul_(3)
    losses: list[float] = []
    for how in (None, Distillation(teacher, features=("6", "7"), feature_weight=0.5)):
        model = small()
        pruner = Pruner(model, ratio=0.9)
        fit(model, data(), Settings(8, 0.01), pruner=pruner, test=data(), distillation=how)
        with torch.no_grad():
            losses.append(float(softened(model(images(24)), teacher(images(24)), 4.0)))
        assert pruner.sparsity == pytest.approx(0.9, abs=1e-3)
    assert losses[1] < losses[0]
    with pytest.raises(ValueError, match="no layer with weights matches '66': did you mean"):
        fit(small(), data(), Settings(), distillation=Distillation(teacher, features=("66",)))


def test_loaders_of_torch() -> None:
    batches = [(images(8), torch.arange(8) % 4)] * 3
    model = small()
    history = fit(model, Loader(batches), Settings(3, 0.02))
    assert history[-1].loss < history[0].loss
    assert accuracy_of(model, Samples(*batches[0])) > 0.25


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Settings(epochs=0), "training takes one epoch or more, not 0"),
        (lambda: Settings(learning_rate=0), "a learning rate is above 0, not 0"),
        (lambda: Settings(optimizer="lamb"), "the optimizer is adam, adamw or sgd, not 'lamb'"),  # pyright: ignore[reportArgumentType]
        (lambda: Samples(images(2), torch.arange(3)), "one label for each input: 2 inputs"),
        (lambda: Samples(images(2), torch.arange(2), 0), "a batch has one sample or more"),
        (lambda: Distillation(small(), temperature=0), "a temperature above 0"),
    ],
)  # fmt: skip
def test_settings_without_sense(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_services_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="there is no service 'wandb' to track with"):
        fit(small(), data(), Settings(), track="wandb")


class Service:
    """In place of mlflow: a run in a context, and the metrics that are logged in it."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.open = 0

    @contextmanager
    def start_run(self) -> Generator[None]:
        self.open += 1
        yield
        self.open -= 1

    def log_metrics(self, numbers: dict[str, float], step: int) -> None:
        assert self.open == 1
        self.logged.append((step, numbers))


class Writer:
    """In place of TensorBoard's."""

    made: list["Writer"] = []

    def __init__(self, folder: str | None) -> None:
        self.folder, self.closed = folder, False
        self.scalars: list[tuple[str, float, int]] = []
        Writer.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def close(self) -> None:
        self.closed = True


def test_services_get_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    monkeypatch.setitem(sys.modules, "mlflow", service)
    history = fit(small(), data(), Settings(2, 0.01), track="mlflow", test=data())
    assert [step for step, _ in service.logged] == [1, 2] and service.open == 0
    assert service.logged[1][1]["accuracy"] == history[1].accuracy
    assert "sparsity" not in service.logged[1][1]  # nobody prunes

    board = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    _, history = run(tmp_path, track="tensorboard", settings={"epochs": 2})
    (writer,) = Writer.made
    assert writer.closed and writer.folder == str(tmp_path)
    assert ("sparsity", history[1].sparsity, 2) in writer.scalars
