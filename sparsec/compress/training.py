# SPDX-License-Identifier: Apache-2.0
"""Training that can be killed at any moment and goes on: epochs, checkpoints, a history.

The one rule: what an epoch does depends on the seed, its number and what the checkpoint before it holds, and on nothing
else, so that a run that was resumed ends as one that was not.
"""

import csv
import io
import json
import math
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional

from sparsec.compress.checkpoints import newest_checkpoint, save_checkpoint, write_atomically
from sparsec.compress.data import Batches, Samples, name_of
from sparsec.compress.distillation import Distillation, distilling
from sparsec.compress.pruner import Pruner
from sparsec.compress.tracking import tracker

Prediction: TypeAlias = Callable[[nn.Module], Mapping[str, float]]
"""What the compiler's cost model says of a model: `cycles` and `bytes`."""

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Settings:
    """How to train. The learning rate falls to zero along a cosine over all epochs, or stays."""

    epochs: int = 1
    learning_rate: float = 1e-3
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: float = 0.9
    """Of sgd."""
    weight_decay: float = 0.0
    cosine: bool = True
    seed: int = 0
    device: str | None = None
    """None takes a GPU where there is one."""

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"training takes one epoch or more, not {self.epochs}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"a learning rate is above 0, not {self.learning_rate:g}")
        if self.optimizer not in ("adam", "adamw", "sgd"):
            raise ValueError(f"the optimizer is adam, adamw or sgd, not '{self.optimizer}'")


@dataclass(frozen=True)
class Row:
    """An epoch in the history; accuracies and sparsity are shares, None where they are not known."""

    epoch: int
    loss: float
    accuracy: float | None
    sparsity: float | None
    learning_rate: float
    seconds: float
    cycles: float | None = None
    bytes: float | None = None


COLUMNS = tuple(each.name for each in fields(Row))
VERSION = 2
"""Of what a checkpoint holds."""

ZEROS = ("epoch", "layer", "zeros", "weights")
"""The columns of zeros.csv."""


def device_of(settings: Settings) -> torch.device:
    """Where it is trained."""
    return torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def optimizer_of(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Over all parameters of the model."""
    decay, rate = settings.weight_decay, settings.learning_rate
    match settings.optimizer:
        case "sgd":
            return torch.optim.SGD(model.parameters(), rate, settings.momentum, weight_decay=decay)
        case "adamw":
            return torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
        case _:
            return torch.optim.Adam(model.parameters(), rate, weight_decay=decay)


@torch.no_grad()
def accuracy_of(model: nn.Module, data: Samples) -> float:
    """The share of samples whose label is the largest output."""
    training, device = model.training, _device(model)
    model.eval()
    right = sum(int((model(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in data.in_order())
    model.train(training)
    return right / len(data.labels)


def fit(
    model: nn.Module,
    data: Batches,
    settings: Settings,
    *,
    test: Samples | None = None,
    pruner: Pruner | None = None,
    loss: Loss = functional.cross_entropy,
    distillation: Distillation | None = None,
    folder: Path | None = None,
    predict: Prediction | None = None,
    track: str | None = None,
    stop: Callable[[Row], bool] = lambda row: False,
    quiet: bool = False,
) -> list[Row]:
    """Train `model`, with the zeros of a `pruner`; the history, one row for each epoch.

    A `folder` takes a checkpoint after each epoch, history.csv and history.svg, zeros.csv with those of each layer, and
    run.json with the settings, the seed among them; where it has some of this run already, training goes on behind the
    last. `predict` says what the network is worth on the chip, `track` names a service
    (`tensorboard`, `mlflow`). Training ends early behind an epoch of which `stop` says so.

    Raises ValueError where a checkpoint is of another model or other settings, and where the loss is no number any more;
    OSError where a checkpoint cannot be written. Checkpoints that were written stay.
    """
    device = device_of(settings)
    model.to(device)
    optimizer = optimizer_of(model, settings)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, _cosine(settings.epochs * len(data)) if settings.cosine else lambda _: 1.0
    )
    identity = _identity(model, data, settings, test, pruner, loss, distillation)
    run = _Run(model, optimizer, rates, pruner, settings, identity)
    history = [] if folder is None else run.resume(folder)
    with (
        _bar(quiet, settings.epochs * len(data), len(history) * len(data)) as show,
        tracker(track, folder) as note,
    ):
        with distilling(model, distillation, device) as extra:
            for epoch in range(len(history), settings.epochs):
                if history and stop(history[-1]):
                    break
                began = time.monotonic()
                torch.manual_seed(settings.seed * 100_003 + epoch)
                mean = run.epoch(epoch, data, loss, extra, show, history)
                row = Row(
                    epoch + 1,
                    mean,
                    None if test is None else accuracy_of(model, test),
                    None if pruner is None else pruner.sparsity,
                    float(rates.get_last_lr()[0]),
                    time.monotonic() - began,
                    **({} if predict is None else dict(predict(model))),
                )
                history.append(row)
                note(row)
                run.note_zeros(epoch + 1)
                if folder is not None:
                    save_checkpoint(folder, epoch + 1, run.state(history))
                    write_history(history, folder)
                    write_text(folder / "zeros.csv", csv_text(ZEROS, run.zeros))
                    write_text(folder / "run.json", run.about)
    model.eval()
    return history


@dataclass(frozen=True, eq=False)
class _Run:
    """What a checkpoint holds."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rates: torch.optim.lr_scheduler.LambdaLR
    pruner: Pruner | None
    settings: Settings
    identity: Mapping[str, Any]
    """What a checkpoint must agree in."""
    zeros: list[list[Any]] = field(default_factory=list[list[Any]])
    """Rows of ZEROS."""

    def note_zeros(self, epoch: int) -> None:
        """Add a row for each layer that is pruned."""
        layers = [] if self.pruner is None else self.pruner.by_layer
        self.zeros.extend([epoch, each.layer, each.zeros, each.weights] for each in layers)

    @property
    def about(self) -> str:
        """The settings as JSON."""
        return json.dumps({"schema_version": 1, **self.identity["settings"]}, indent=2) + "\n"

    def state(self, history: Sequence[Row]) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "version": VERSION,
            "identity": dict(self.identity),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rates": self.rates.state_dict(),
            "pruner": None if self.pruner is None else self.pruner.state_dict(),
            "history": [asdict(row) for row in history],
            "zeros": self.zeros,
        }

    def resume(self, folder: Path) -> list[Row]:
        """Go on from the newest checkpoint; the history so far."""
        state = newest_checkpoint(folder)
        if state is None:
            return []
        theirs, ours = state.get("identity"), self.identity
        if not isinstance(theirs, dict) or state.get("version") != VERSION:
            raise ValueError(
                f"{folder} holds checkpoints of something else, or of another version of sparsec: choose another folder"
            )
        theirs = cast(dict[str, Any], theirs)
        if theirs["model"] != ours["model"]:
            raise ValueError(
                f"{folder} holds checkpoints of another model: choose another folder or remove them"
            )
        other = [
            word
            for part in ("settings", "run", "pruning")
            for word in {**ours[part], **theirs[part]}
            if ours[part].get(word) != theirs[part].get(word)
        ]
        if other:
            raise ValueError(
                f"{folder} holds checkpoints of a run with other settings ({', '.join(other)}): "
                "choose another folder or remove them"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rates.load_state_dict(state["rates"])
        if self.pruner is not None:
            self.pruner.load_state_dict(state["pruner"])
        self.zeros.extend(state["zeros"])
        return [Row(**row) for row in state["history"]]

    def epoch(
        self,
        epoch: int,
        data: Batches,
        loss: Loss,
        extra: Callable[[Tensor, Tensor], Tensor | None],
        show: Callable[[str], None],
        history: Sequence[Row],
    ) -> float:
        """All batches once; the mean loss."""
        self.model.train()
        device, losses = _device(self.model), 0.0
        for number, (x, y) in enumerate(data.epoch(self.settings.seed * 100_003 + epoch)):
            x = x.to(device)
            output = self.model(x)
            value = loss(output, y.to(device))
            more = extra(x, output)
            if more is not None:
                value = value + more
            if not math.isfinite(value.item()):
                raise ValueError(
                    f"the loss is {value.item():g} in batch {number + 1} of epoch {epoch + 1}: "
                    "train with a smaller learning rate, and look for inputs that are no numbers"
                )
            self.optimizer.zero_grad()
            value.backward()
            self.optimizer.step()
            self.rates.step()
            if self.pruner is not None:
                self.pruner.step()
            losses += value.item()
            show(_status(epoch, self.settings.epochs, losses / (number + 1), history))
        if not all(bool(torch.isfinite(each).all()) for each in self.model.parameters()):
            raise ValueError(
                f"the weights are infinite or no numbers after epoch {epoch + 1}: train with a smaller learning rate"
            )
        return losses / len(data)


def _identity(
    model: nn.Module,
    data: Batches,
    settings: Settings,
    test: Samples | None,
    pruner: Pruner | None,
    loss: Loss,
    distillation: Distillation | None,
) -> dict[str, Any]:
    """What two runs must have alike for one to go on with the other's checkpoints; where it trains is not part of it."""
    return {
        "model": {name: list(value.shape) for name, value in model.state_dict().items()},
        "settings": {key: value for key, value in asdict(settings).items() if key != "device"},
        "run": {
            "batches": len(data),
            "data": data.checksum if isinstance(data, Samples) else None,
            "test": None if test is None else test.checksum,
            "loss": name_of(loss),
            "distillation": None if distillation is None else distillation.identity,
        },
        "pruning": {} if pruner is None else dict(pruner.identity),
    }


def _device(model: nn.Module) -> torch.device:
    return next((each.device for each in model.parameters()), torch.device("cpu"))


def _cosine(steps: int) -> Callable[[int], float]:
    return lambda step: (1 + math.cos(math.pi * min(step / steps, 1))) / 2


def _status(epoch: int, epochs: int, loss: float, history: Sequence[Row]) -> str:
    parts = [f"epoch {epoch + 1}/{epochs}", f"loss {loss:.3f}"]
    if history and history[-1].accuracy is not None:
        parts.append(f"accuracy {history[-1].accuracy:.4f}")
    if history and history[-1].sparsity is not None:
        parts.append(f"zeros {history[-1].sparsity:.3f}")
    return "  ".join(parts)


@contextmanager
def _bar(quiet: bool, total: int, done: int) -> Generator[Callable[[str], None]]:
    """A bar on stderr with what is said and the time left; nothing where stderr is no terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=total, completed=done)
        yield lambda text: bar.update(task, advance=1, description=text)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV; None is an empty cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


def write_history(history: Sequence[Row], folder: Path) -> None:
    """history.csv, and history.svg, which draws what is known."""
    rows = [list(asdict(row).values()) for row in history]
    write_text(folder / "history.csv", csv_text(COLUMNS, rows))
    write_atomically(folder / "history.svg", lambda path: _draw(history, path))


def write_text(path: Path, text: str) -> None:
    """A file, whole or not at all."""

    def write(target: Path) -> None:
        target.write_text(text)

    write_atomically(path, write)


def _draw(history: Sequence[Row], path: Path) -> None:
    from matplotlib import rc_context  # pyright: ignore[reportUnknownVariableType]
    from matplotlib.figure import Figure

    names = [
        name
        for name in ("loss", "accuracy", "sparsity", "cycles", "bytes")
        if any(getattr(row, name) is not None for row in history)
    ]
    figure = Figure(figsize=(6, 1.6 * len(names)), layout="constrained")
    for index, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, index + 1)
        shown = [
            (row.epoch, getattr(row, name)) for row in history if getattr(row, name) is not None
        ]
        axes.plot([x for x, _ in shown], [y for _, y in shown], marker="o", ms=3)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    axes.set_xlabel("epoch")  # pyright: ignore[reportPossiblyUnboundVariable]
    with rc_context({"svg.hashsalt": "sparsec"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
