# SPDX-License-Identifier: Apache-2.0
"""What training and evaluation share: networks, data, accuracy."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from examples.datasets import Data, cifar10, idx, image_folders
from examples.mnist.idx import download
from examples.mnist.train import default_cache
from examples.models import DepthwiseSeparable, LeNet5
from sparsec.compress.checkpoints import load_checkpoint
from sparsec.compress.data import Samples

IMAGE_SIZE = 224


class Source(Protocol):
    """Batches, as `Samples` and `ImageFolder` have them."""

    def __len__(self) -> int: ...
    def epoch(self, seed: int) -> Iterator[Data]:
        """Shuffled."""
        ...

    def in_order(self) -> Iterator[Data]:
        """As they stand."""
        ...


class MobileNet(nn.Module):
    """MobileNetV1 for images of a side of `size` pixels, which needs not be that of ImageNet."""

    def __init__(self, channels: int, size: int, classes: int):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )
        widths = (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
        strides = (1, 2, 1, 2, 1, 2, *(1,) * 5, 2, 1)
        blocks: list[nn.Module] = []
        size = -(-size // 2)
        for (before, after), stride in zip(pairwise(widths), strides, strict=True):
            blocks.append(DepthwiseSeparable(before, after, stride, size))
            size = -(-size // stride)
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AvgPool2d(size)
        self.classifier = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


@dataclass(frozen=True)
class Sources:
    """Data, and the network that reads it."""

    train: Source
    test: Source
    shape: tuple[int, int]
    """Channels and side of the images."""
    classes: int

    def network(self, name: str) -> nn.Module:
        """Not trained. Raises ValueError where it cannot read the images."""
        if name == "MobileNet":
            return MobileNet(*self.shape, self.classes)
        if self.shape != (1, 28) or self.classes != 10:
            raise ValueError("LeNet5 reads MNIST alone: take --model MobileNet")
        return LeNet5()


def sources(data: str, batch: int) -> Sources:
    """What --data says. Raises ValueError where there is no such data."""
    if data in ("cifar10", "imagenet"):
        raise ValueError(f"give the folder of {data} by --data DIR: it is not downloaded")
    if data == "mnist":
        return _in_memory(idx(download(default_cache())), batch)
    folder = Path(data)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: --data is mnist or a folder")
    if (folder / "train").is_dir():
        train, test = image_folders(folder, IMAGE_SIZE, batch)
        return Sources(train, test, (3, IMAGE_SIZE), len(train.classes))
    return _in_memory(cifar10(folder) if any(folder.rglob("*.bin")) else idx(folder), batch)


def _in_memory(parts: tuple[Data, Data], batch: int) -> Sources:
    train, test = (Samples(*part, batch) for part in parts)
    return Sources(train, test, (train.inputs.shape[1], train.inputs.shape[2]), 10)


def device_of(arguments: argparse.Namespace) -> torch.device:
    """The GPU, if it is wanted and there."""
    return torch.device("cuda" if arguments.use_gpu and torch.cuda.is_available() else "cpu")


def load_weights(model: nn.Module, path: Path) -> dict[str, Any]:
    """Of a checkpoint of train.py or a state dict; what else is in it. Raises ValueError where they are another model's."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    state = load_checkpoint(path)
    try:
        model.load_state_dict(state.get("model", state))
    except (RuntimeError, TypeError):
        raise ValueError(f"{path} does not hold the weights of this model") from None
    return state


@torch.no_grad()
def accuracies(model: nn.Module, data: Source) -> tuple[float, float]:
    """Shares of images whose class is the first, and among the first five, of what the model gives."""
    training = model.training
    device = next((each.device for each in model.parameters()), torch.device("cpu"))
    model.eval()
    count, first, five = 0, 0, 0
    for x, y in data.in_order():
        scores = model(x.to(device)).cpu()
        hits = scores.topk(min(5, scores.shape[1])).indices == y[:, None]
        count, first, five = count + len(y), first + int(hits[:, 0].sum()), five + int(hits.sum())
    model.train(training)
    return first / count, five / count
