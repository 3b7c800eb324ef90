# SPDX-License-Identifier: Apache-2.0
"""LeNet, MobileNetV2, ResNet and VGG for images of 28 or 32 pixels, as narrow as one likes.

As there, layers have biases and no batch normalisation unless asked for; a depthwise convolution is one.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn


def narrowed(channels: int, width: float) -> int:
    """So many channels times `width`, a multiple of 4."""
    return max(round(channels * width / 4) * 4, 4)


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, norm: bool = False
) -> nn.Sequential:
    """A convolution that keeps the size, or divides it by the stride, and its batch normalisation."""
    layer = nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=not norm
    )
    return nn.Sequential(layer, *([nn.BatchNorm2d(outputs)] if norm else []))


class LeNet(nn.Module):
    """1 -> 6 (5x5, padded), 6 -> 16, 16 -> 120 (5x5), 120 -> 84 -> classes; 61,470 weights where `width` is 1."""

    def __init__(self, classes: int = 10, width: float = 1.0):
        super().__init__()
        first, second, third, hidden = (round(n * width) for n in (6, 16, 120, 84))
        self.c1 = nn.Conv2d(1, first, 5, padding=2)
        self.c3 = nn.Conv2d(first, second, 5)
        self.c5 = nn.Conv2d(second, third, 5)
        self.f6 = nn.Linear(third, hidden)
        self.f7 = nn.Linear(hidden, classes)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.c1(x)))
        x = self.pool(torch.relu(self.c3(x)))
        x = torch.flatten(torch.relu(self.c5(x)), 1)
        return self.f7(torch.relu(self.f6(x)))


class Inverted(nn.Module):
    """1x1 that widens, depthwise 3x3, 1x1 that narrows, and a residual where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, norm: bool):
        super().__init__()
        middle = inputs * expansion
        self.body = nn.Sequential(
            *([convolution(inputs, middle, 1, norm=norm), nn.ReLU6()] if expansion > 1 else ()),
            convolution(middle, middle, 3, stride, middle, norm),
            nn.ReLU6(),
            convolution(middle, outputs, 1, norm=norm),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


TABLE = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 1)),
    *((6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
"""MobileNetV2's (expansion, channels, blocks, stride), with stride 1 in the third row as images have 32 pixels."""


class MobileNetV2(nn.Module):
    """Inverted residuals; no row of the table has more than `blocks` of them."""

    def __init__(self, classes: int = 10, width: float = 1.0, blocks: int = 4, norm: bool = False):
        super().__init__()
        channels = narrowed(32, width)
        layers: list[nn.Module] = [convolution(3, channels, 3, 1, norm=norm), nn.ReLU6()]
        for expansion, wanted, count, stride in TABLE:
            outputs = narrowed(wanted, width)
            for number in range(min(count, blocks)):
                step = stride if number == 0 else 1
                layers.append(Inverted(channels, outputs, expansion, step, norm))
                channels = outputs
        last = narrowed(1280, width)
        layers += [convolution(channels, last, 1, norm=norm), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean(dim=(2, 3)))


class Basic(nn.Module):
    """Two 3x3 convolutions and what comes in, by a 1x1 convolution where the shapes differ."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int, norm: bool):
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, channels, 3, stride, norm=norm),
            nn.ReLU(),
            convolution(channels, channels, 3, norm=norm),
        )
        self.skip = shortcut(inputs, channels, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.skip(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with four times as many channels, and what comes in."""

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int, norm: bool):
        super().__init__()
        outputs = channels * self.expansion
        self.body = nn.Sequential(
            convolution(inputs, channels, 1, norm=norm),
            nn.ReLU(),
            convolution(channels, channels, 3, stride, norm=norm),
            nn.ReLU(),
            convolution(channels, outputs, 1, norm=norm),
        )
        self.skip = shortcut(inputs, outputs, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.skip(x))


def shortcut(inputs: int, outputs: int, stride: int, norm: bool) -> nn.Module:
    """What comes in, in the shape of what goes out."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return convolution(inputs, outputs, 1, stride, norm=norm)


RESNETS: Mapping[int, tuple[Callable[..., Basic | Bottleneck], int, Sequence[int]]] = {
    18: (Basic, Basic.expansion, (2, 2, 2, 2)),
    34: (Basic, Basic.expansion, (3, 4, 6, 3)),
    50: (Bottleneck, Bottleneck.expansion, (3, 4, 6, 3)),
}
"""Blocks of each depth: their kind, how they widen, and how many of each stage."""


class ResNet(nn.Module):
    """ResNet18, 34 or 50; no stage has more than `blocks` blocks."""

    def __init__(
        self,
        depth: int = 18,
        classes: int = 10,
        width: float = 1.0,
        blocks: int = 6,
        norm: bool = False,
    ):
        super().__init__()
        make, expansion, stages = RESNETS[depth]
        channels = narrowed(64, width)
        layers: list[nn.Module] = [convolution(3, channels, 3, norm=norm), nn.ReLU()]
        for stage, count in enumerate(stages):
            middle = narrowed(64 << stage, width)
            for number in range(min(count, blocks)):
                layers.append(make(channels, middle, 2 if stage and not number else 1, norm))
                channels = middle * expansion
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean(dim=(2, 3)))


VGGS: Mapping[int, Sequence[int]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Convolutions in front of each of five pools."""


class VGG(nn.Module):
    """VGG11, 13, 16 or 19 with one linear layer behind."""

    def __init__(self, depth: int = 11, classes: int = 10, width: float = 1.0, norm: bool = False):
        super().__init__()
        channels, layers = 3, list[nn.Module]()
        for stage, count in enumerate(VGGS[depth]):
            outputs = narrowed(min(64 << stage, 512), width)
            for _ in range(count):
                layers += [convolution(channels, outputs, 3, norm=norm), nn.ReLU()]
                channels = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))
