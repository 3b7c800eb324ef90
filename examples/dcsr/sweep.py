# SPDX-License-Identifier: Apache-2.0
"""What dCSR's two trainings share: data, dense training, pruning to one sparsity after the other.

As there, zeros grow from half of the target to the target along a cubic, in each layer, and only linear layers and 1x1
convolutions have any. The learning rate falls along a cosine instead of a polynomial.
"""

import argparse
import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from examples.datasets import Data, cifar10, fashion_mnist, idx, speech_commands
from examples.export import save_program
from sparsec.compress.checkpoints import load_checkpoint, write_atomically
from sparsec.compress.data import Samples
from sparsec.compress.layers import layers_of
from sparsec.compress.pruner import Pruner
from sparsec.compress.training import Settings, accuracy_of, fit
from sparsec.pruning.schedules import Gradual

LEARNING_RATE = 5e-3
BATCH = 128
STEP = 100
"""Iterations between two masks."""


@dataclass(frozen=True)
class Epochs:
    """Of training dense, of pruning, of training what is left."""

    dense: int
    pruning: int
    retraining: int


def add_common(parser: argparse.ArgumentParser) -> None:
    """The flags of both trainings."""
    add = parser.add_argument
    add("-e", "--epochs", type=int, default=60, help="of the dense network")
    add("-p", "--pruning-epochs", type=int, default=40, help="while zeros grow")
    add(
        "-r", "--retraining-epochs", type=int, default=20, help="with the zeros that are there then"
    )
    add("-d", "--debug", action="store_true", help="two batches of data, to see that it runs")
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="Speech Commands (WORD/*.wav), CIFAR-10's binary batches or IDX files; else Fashion-MNIST",
    )
    add("--output", type=Path, default=Path("dcsr"), metavar="DIR")


def datasets(arguments: argparse.Namespace) -> tuple[Samples, Samples]:
    """Training and test part. Raises ValueError where there is no such data."""
    parts = _parts(arguments.data)
    if arguments.debug:
        parts = tuple((x[: 2 * BATCH], y[: 2 * BATCH]) for x, y in parts)
    return Samples(*parts[0], BATCH), Samples(*parts[1], BATCH)


def _parts(directory: Path | None) -> tuple[Data, ...]:
    if directory is None:
        return fashion_mnist()
    if not directory.is_dir():
        raise ValueError(f"there is no folder {directory}")
    if any(directory.rglob("*.bin")):
        return cifar10(directory)
    return speech_commands(directory) if any(directory.glob("*/*.wav")) else idx(directory)


def classes_of(data: Samples, test: Samples) -> int:
    """How many there are."""
    return int(max(data.labels.max(), test.labels.max())) + 1


def epochs_of(arguments: argparse.Namespace) -> Epochs:
    """Raises ValueError where there are none."""
    epochs = Epochs(arguments.epochs, arguments.pruning_epochs, arguments.retraining_epochs)
    if min(epochs.dense, epochs.pruning) < 1 or epochs.retraining < 0:
        raise ValueError("-e and -p are one epoch or more, and -r none or more")
    return epochs


def dense(
    model: nn.Module,
    data: Samples,
    test: Samples,
    epochs: Epochs,
    weights: Path | None,
    folder: Path,
) -> None:
    """Train `model`, or read its weights where the file is there; else they are written to it."""
    if weights is not None and weights.is_file():
        try:
            model.load_state_dict(load_checkpoint(weights))
        except (RuntimeError, TypeError):
            raise ValueError(f"{weights} does not hold the weights of this model") from None
        return
    settings = Settings(epochs.dense, LEARNING_RATE)
    fit(model, data, settings, test=test, folder=folder)
    if weights is not None:
        state = model.cpu().state_dict()
        write_atomically(weights, lambda path: torch.save(state, path))


def prunable(excluded: Sequence[str]) -> Callable[[str, nn.Module], bool]:
    """Linear layers and 1x1 convolutions, but for those in modules of these names."""

    def select(name: str, module: nn.Module) -> bool:
        weight = module.weight
        dense = isinstance(module, nn.Linear) or (
            isinstance(module, nn.Conv2d)
            and module.groups == 1
            and tuple(module.kernel_size) == (1, 1)
        )
        assert weight is not None
        return dense and not any(name == each or name.startswith(f"{each}.") for each in excluded)

    return select


def pruned(
    model: nn.Module,
    target: float,
    data: Samples,
    test: Samples,
    epochs: Epochs,
    folder: Path,
    excluded: Sequence[str] = (),
) -> tuple[nn.Module, float, float]:
    """A copy of `model` with a share `target` of zeros, its accuracy, its sparsity; goes on where it was stopped."""
    model = copy.deepcopy(model)
    iterations = epochs.pruning * len(data)
    schedule = Gradual(
        target,
        pruning=iterations,
        tuning=epochs.retraining * len(data),
        steps=max(1, iterations // STEP),
        initial=target / 2,
    )
    select = prunable(excluded)
    if not any(select(layer.name, layer.owner) for layer in layers_of(model)):
        raise ValueError("no linear or 1x1 layer is left to prune")
    pruner = Pruner(model, schedule=schedule, layers=select, scope="local")
    settings = Settings(epochs.pruning + epochs.retraining, LEARNING_RATE)
    fit(model, data, settings, test=test, pruner=pruner, folder=folder)
    accuracy, sparsity = accuracy_of(model, test), pruner.sparsity
    return pruner.detach().cpu(), accuracy, sparsity


def report(
    name: str, model: nn.Module, accuracy: float, sparsity: float, data: Samples, folder: Path
) -> None:
    """A line, and a program for sparsec."""
    path = folder / f"{name}.pt2"
    save_program(model, data.inputs[:16], path)
    print(f"{name}: sparsity {sparsity:.4f}, accuracy {accuracy:.4f}, {path}", flush=True)


def guarded(run: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """The exit code."""
    try:
        torch.manual_seed(0)
        run(arguments)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
