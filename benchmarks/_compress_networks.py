# SPDX-License-Identifier: Apache-2.0
"""The networks that are trained, pruned and run: of the kinds that people put on microcontrollers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from benchmarks._compress_data import DataSet, fashion, movements
from examples.blocks import head, head1, norm1, norm2
from examples.fashion.networks import ds_cnn, resnet8


def small_cnn() -> nn.Module:
    """Two convolutions and two linear layers, the network of many first examples."""
    return nn.Sequential(
        *(norm2(1, 16), nn.MaxPool2d(2), norm2(16, 32), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def mobilenet() -> nn.Module:
    """MobileNetV1 at a quarter of its channels, for small images: the first stride is left out."""
    layers: list[nn.Module] = [norm2(1, 8, 3, 2)]
    channels = 8
    for out, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 1), (128, 1)):
        layers += [norm2(channels, channels, 3, stride, channels), norm2(channels, out, 1)]
        channels = out
    return nn.Sequential(*layers, *head(128, 10))


def cnn_1d() -> nn.Module:
    """Convolutions of a sequence."""
    return nn.Sequential(norm1(6, 16, 5, 2), norm1(16, 32, 5, 2), norm1(32, 32, 3), *head1(32, 4))


@dataclass(frozen=True)
class Recipe:
    """A network, its data, and for how many epochs it is trained before and behind the choice of what goes."""

    build: Callable[[], nn.Module]
    data: Callable[[], DataSet]
    epochs: int
    learning_rate: float = 2e-3


NETWORKS: Mapping[str, Recipe] = {
    "small CNN": Recipe(small_cnn, fashion, 8),
    "ResNet8": Recipe(resnet8, fashion, 8),
    "DS-CNN": Recipe(ds_cnn, fashion, 8),
    "MobileNetV1 0.25": Recipe(mobilenet, fashion, 8),
    "1-D CNN": Recipe(cnn_1d, movements, 60),
}
