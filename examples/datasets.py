# SPDX-License-Identifier: Apache-2.0
"""Data sets in folders: Fashion-MNIST, CIFAR-10's binary batches, Speech Commands, folders of images by class.

Each function raises ValueError where the folder does not hold what it should, and says what to do.
"""

import math
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from examples.mnist.idx import Images, load

Array: TypeAlias = NDArray[Any]
Data: TypeAlias = tuple[Tensor, Tensor]
"""Inputs float32 [N, ..] and labels int64 [N]."""

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package has it."""


def of_images(data: Images) -> Data:
    """[N, 1, 28, 28], pixels divided by 255."""
    inputs = torch.from_numpy(data.images.astype(np.float32) / 255).unsqueeze(1)
    return inputs, torch.from_numpy(data.labels.astype(np.int64))


def idx(directory: Path) -> tuple[Data, Data]:
    """Training and test part of MNIST's IDX files anywhere below a folder."""
    return of_images(load(directory, "train")), of_images(load(directory, "t10k"))


def fashion_mnist() -> tuple[Data, Data]:
    """Training and test part of Fashion-MNIST."""
    if not FASHION_MNIST.is_dir():
        raise ValueError(
            f"Fashion-MNIST is not in {FASHION_MNIST}: sudo apt-get install dataset-fashion-mnist, or give a folder "
            "with its four IDX files by --data"
        )
    return idx(FASHION_MNIST)


def cifar10(directory: Path) -> tuple[Data, Data]:
    """Training and test part of CIFAR-10's binary version: [N, 3, 32, 32] with channels of mean 0 and deviation 1."""
    training = sorted(directory.rglob("data_batch_*.bin"))
    test = sorted(directory.rglob("test_batch.bin"))
    if not training or not test:
        raise ValueError(
            f"{directory} has no data_batch_*.bin and test_batch.bin: unpack CIFAR-10's binary version there"
        )
    return _cifar(training), _cifar(test[:1])


def _cifar(paths: Sequence[Path]) -> Data:
    records: list[Array] = []
    for path in paths:
        content = np.frombuffer(path.read_bytes(), np.uint8)
        if not len(content) or len(content) % 3073:
            raise ValueError(
                f"{path} is no batch of CIFAR-10: it is not made of records of 3073 bytes"
            )
        records.append(content.reshape(-1, 3073))
    whole = np.concatenate(records)
    if whole[:, 0].max() > 9:
        raise ValueError(f"{paths[0]} is no batch of CIFAR-10: it has labels above 9")
    mean = np.array([0.4914, 0.4822, 0.4465], np.float32).reshape(3, 1, 1)
    deviation = np.array([0.2470, 0.2435, 0.2616], np.float32).reshape(3, 1, 1)
    pixels = (whole[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255 - mean) / deviation
    return torch.from_numpy(pixels), torch.from_numpy(whole[:, 0].astype(np.int64))


KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN = len(KEYWORDS)
"""The class of all other words."""


def speech_commands(directory: Path) -> tuple[Data, Data]:
    """Training and test part of Speech Commands: MFCC [N, 1, 49, 10] of folders of a word each; eleven classes.

    What testing_list.txt names is the test part, without it every tenth recording; what validation_list.txt names is left out.
    """
    recordings = sorted(directory.glob("[!_]*/*.wav"))
    if not recordings:
        raise ValueError(f"{directory} has no WORD/*.wav: unpack Speech Commands there")
    test, left_out = (_listed(directory / f"{name}_list.txt") for name in ("testing", "validation"))
    parts: dict[bool, tuple[list[Tensor], list[int]]] = {False: ([], []), True: ([], [])}
    for number, path in enumerate(recordings):
        name = path.relative_to(directory).as_posix()
        if name in left_out:
            continue
        features, labels = parts[name in test if test else number % 10 == 9]
        features.append(mfcc(_sound(path)))
        word = path.parent.name
        labels.append(KEYWORDS.index(word) if word in KEYWORDS else UNKNOWN)
    if not all(labels for _, labels in parts.values()):
        raise ValueError(f"{directory} has no recordings to train with or none to test with")
    train, held = (
        (torch.stack(features), torch.tensor(labels)) for features, labels in parts.values()
    )
    mean, deviation = train[0].mean(0), train[0].std(0) + 1e-3
    return ((train[0] - mean) / deviation, train[1]), ((held[0] - mean) / deviation, held[1])


def _listed(path: Path) -> set[str]:
    return set(path.read_text().split()) if path.is_file() else set()


def _sound(path: Path) -> Tensor:
    """One second at 16 kHz, between -1 and 1."""
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, 16000):
                raise ValueError(f"{path} is not mono with 16 bits at 16 kHz")
            samples = np.frombuffer(file.readframes(16000), "<i2")
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no wav file: {error}") from error
    sound = torch.zeros(16000)
    sound[: len(samples)] = torch.from_numpy(samples.astype(np.float32) / 32768)
    return sound


def mfcc(sound: Tensor) -> Tensor:
    """[1, 49, 10]: ten coefficients of 40 mel bands for each 40 ms, every 20 ms."""
    window, bands, coefficients = 640, 40, 10
    spectrum = torch.stft(
        sound, window, 320, window=torch.hann_window(window), center=False, return_complex=True
    )
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (20, 4000))
    edges = 700 * (10 ** (torch.linspace(low, high, bands + 2) / 2595) - 1)
    frequencies = torch.linspace(0, 8000, window // 2 + 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    bank = torch.minimum(rising, falling).clamp(min=0)
    logs = torch.log(bank @ spectrum.abs().square() + 1e-6)
    index = torch.arange(bands)
    cosines = torch.cos(torch.pi / bands * torch.outer(torch.arange(coefficients), index + 0.5))
    return (cosines @ logs).T.unsqueeze(0)


@dataclass(frozen=True)
class ImageFolder:
    """Images in folders of a class each, read batch by batch: [N, 3, size, size], ImageNet's mean and deviation."""

    paths: tuple[Path, ...]
    labels: Tensor
    classes: tuple[str, ...]
    size: int
    batch: int

    def __len__(self) -> int:
        return -(-len(self.paths) // self.batch)

    def epoch(self, seed: int) -> Iterator[Data]:
        """Shuffled."""
        order = torch.randperm(len(self.paths), generator=torch.Generator().manual_seed(seed))
        yield from self._batches([int(i) for i in order])

    def in_order(self) -> Iterator[Data]:
        """As they stand."""
        yield from self._batches(list(range(len(self.paths))))

    def _batches(self, order: Sequence[int]) -> Iterator[Data]:
        for start in range(0, len(order), self.batch):
            chosen = order[start : start + self.batch]
            yield (
                torch.stack([_image(self.paths[i], self.size) for i in chosen]),
                self.labels[torch.tensor(chosen)],
            )


def image_folders(directory: Path, size: int, batch: int) -> tuple[ImageFolder, ImageFolder]:
    """DIRECTORY/train/CLASS/* and DIRECTORY/val/CLASS/*, as ImageNet is laid out."""
    classes = tuple(sorted(each.name for each in (directory / "train").glob("*/") if each.is_dir()))
    if not classes:
        raise ValueError(f"{directory} has no train/CLASS/ folders of images")
    return (
        _folder(directory / "train", classes, size, batch),
        _folder(directory / "val", classes, size, batch),
    )


def _folder(directory: Path, classes: tuple[str, ...], size: int, batch: int) -> ImageFolder:
    found = [
        (path, number)
        for number, name in enumerate(classes)
        for path in sorted((directory / name).glob("*"))
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp", ".webp")
    ]
    if not found:
        raise ValueError(f"{directory} has no images in the folders {', '.join(classes[:5])}")
    labels = torch.tensor([number for _, number in found])
    return ImageFolder(tuple(path for path, _ in found), labels, classes, size, batch)


def _image(path: Path, size: int) -> Tensor:
    """The middle square of an image, its shorter side 8/7 of `size`."""
    try:
        with Image.open(path) as image:
            scale = size * 8 / 7 / min(image.size)
            width, height = (max(round(side * scale), size) for side in image.size)
            left, top = (width - size) // 2, (height - size) // 2
            picture = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(picture.crop((left, top, left + size, top + size)), np.float32)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no image: {error}") from error
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normal = ((pixels / 255 - mean) / deviation).astype(np.float32)
    return torch.from_numpy(normal).permute(2, 0, 1)
