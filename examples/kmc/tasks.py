# SPDX-License-Identifier: Apache-2.0
"""What Knight-MC's demos train and validate: a ResNet on images of ten classes, a detector on boxes.

A validation keeps Knight-MC's contract: `ind1` and `ind2` in percent.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from examples.datasets import Data, cifar10
from examples.kmc import detector
from examples.kmc.network import ResNet


@dataclass(frozen=True)
class Task:
    """A network, how it is trained for some epochs, what its `val_fn` is, and images as it takes them."""

    network: Callable[[], nn.Module]
    train: Callable[[nn.Module, torch.optim.Optimizer, int], None]
    validate: Callable[[nn.Module], dict[str, Any]]
    images: Tensor


def classification(images: int, data: Path | None) -> Task:
    """`ind1` and `ind2` are top-1 and top-5 accuracy. `data` has CIFAR-10's binary batches. Raises ValueError, OSError."""
    training, test = (made_up(images), made_up(200)) if data is None else cifar10(data)

    def train(model: nn.Module, optimizer: torch.optim.Optimizer, epochs: int) -> None:
        device = next(model.parameters()).device
        model.train()
        for x, y in (each for epoch in range(epochs) for each in batches(training, 64, epoch)):
            loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return Task(ResNet, train, lambda model: validate(model, test), training[0][:64])


def detection(images: int, data: Path | None) -> Task:
    """`ind1` and `ind2` are mAP@.5 and mAP@.5:.95. Raises ValueError where `data` is given: scenes are made up."""
    if data is not None:
        raise ValueError("--data is for resnet8: the detector's scenes are made up")
    training, test = detector.scenes(images, 0), detector.scenes(60, 1)

    def train(model: nn.Module, optimizer: torch.optim.Optimizer, epochs: int) -> None:
        device = next(model.parameters()).device
        model.train()
        for epoch in range(epochs):
            random = torch.Generator().manual_seed(epoch)
            order = [int(each) for each in torch.randperm(images, generator=random)]
            for start in range(0, images, 32):
                part = order[start : start + 32]
                output = model(training[0][part].to(device))
                loss = detector.loss_of(output, [training[1][index] for index in part])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    def val_fn(model: nn.Module) -> dict[str, Any]:
        model.eval()
        device = next(model.parameters()).device
        with torch.no_grad():
            output = model(test[0].to(device))
        found = detector.decoded(output)
        steps = [0.5 + 0.05 * index for index in range(10)]
        maps = [detector.mean_average_precision(found, test[1], each) for each in steps]
        vloss = float(detector.loss_of(output, test[1]))
        return {"ind1": 100 * maps[0], "ind2": 100 * sum(maps) / len(maps), "vloss": vloss}

    return Task(detector.Detector, train, val_fn, training[0][:64])


TASKS: Mapping[str, Callable[[int, Path | None], Task]] = {
    "resnet8": classification,
    "yolo_small": detection,
}
"""By the `arch` of a configuration."""


def task_of(arch: str, images: int, data: Path | None) -> Task:
    """The task of a network, with so many made-up images. Raises ValueError where there is none, OSError."""
    if arch not in TASKS:
        raise ValueError(f"the demo has no network '{arch}', known: {', '.join(TASKS)}")
    return TASKS[arch](images, data)


def made_up(count: int) -> Data:
    """Images of a colour and a stripe for each of ten classes, with noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 10
    images = torch.randn(count, 3, 32, 32, generator=generator) * 0.5
    for index in range(count):
        label = index % 10
        images[index, label % 3, 3 * label : 3 * label + 3] += 1.5
    return images, labels


def batches(data: Data, size: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(data[1]), generator=torch.Generator().manual_seed(seed))
    starts = range(0, len(order), size)
    return [(data[0][order[i : i + size]], data[1][order[i : i + size]]) for i in starts]


def validate(model: nn.Module, data: Data) -> dict[str, Any]:
    """Top-1 and top-5 accuracy in percent, and the loss."""
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        starts = range(0, len(data[1]), 256)
        logits = torch.cat([model(data[0][i : i + 256].to(device)).cpu() for i in starts])
    best = logits.topk(5).indices == data[1][:, None]
    return {
        "ind1": 100 * float(best[:, 0].float().mean()),
        "ind2": 100 * float(best.any(1).float().mean()),
        "vloss": float(nn.functional.cross_entropy(logits, data[1])),
    }


def demo_parser(name: str, description: str | None, template: Path) -> argparse.ArgumentParser:
    """The options of both demos."""
    parser = argparse.ArgumentParser(prog=f"python -m examples.kmc.{name}", description=description)
    parser.add_argument("--config_file", type=Path, default=template, metavar="YAML")
    parser.add_argument("--data", type=Path, metavar="DIR", help="CIFAR-10's binary batches")
    parser.add_argument("--epochs", type=int, default=2, help="of training, and of retraining")
    parser.add_argument("--images", type=int, default=640, help="made-up ones, without --data")
    parser.add_argument("--lr", type=float, default=0.05)
    return parser


def told(demonstrate: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a demo; 2 and one line where it cannot be run."""
    try:
        demonstrate(arguments)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
