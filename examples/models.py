# SPDX-License-Identifier: Apache-2.0
"""The example networks as a user would write them in PyTorch: logits or probabilities out, NCHW in.

The four MLPerf Tiny networks follow the Keras reference models of https://github.com/mlcommons/tiny layer for layer.
Keras pads a strided "same" convolution more at the bottom and right than at the top and left, which
`nn.Conv2d(padding=...)` cannot say, so those convolutions stand behind an explicit `nn.ZeroPad2d`.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn


def same_padding(
    size: tuple[int, int], kernel: tuple[int, int], stride: int
) -> tuple[int, int, int, int]:
    """
    Padding of a Keras "same" convolution in the order of `nn.ZeroPad2d`: (left, right, top, bottom), in pixels.

    `size` and `kernel` are (height, width). Where the total is odd, the extra pixel goes to the bottom and right.
    """
    before_after: list[tuple[int, int]] = []
    for extent, taps in zip(size, kernel, strict=True):
        out = -(-extent // stride)
        total = max((out - 1) * stride + taps - extent, 0)
        before_after.append((total // 2, total - total // 2))
    (top, bottom), (left, right) = before_after
    return left, right, top, bottom


class LeNet5(nn.Module):
    """LeNet-5 with ReLU and max pools in place of tanh and subsampling; [N, 1, 28, 28] to 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool2 = nn.MaxPool2d(2)
        self.relu = nn.ReLU()
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu(self.conv1(x)))
        x = self.pool2(self.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = self.relu(self.fc1(x))
        x = self.relu(self.fc2(x))
        return self.fc3(x)


class DepthwiseSeparable(nn.Module):
    """A 3x3 depthwise and a 1x1 pointwise convolution, each with batch norm and ReLU; `size` is the input's side."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, size: int = 0) -> None:
        super().__init__()
        symmetric = stride == 1
        pad = (
            nn.Identity() if symmetric else nn.ZeroPad2d(same_padding((size, size), (3, 3), stride))
        )
        self.depthwise = nn.Sequential(
            pad,
            nn.Conv2d(
                in_channels, in_channels, 3, stride, int(symmetric), groups=in_channels, bias=False
            ),
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
        )
        self.pointwise = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class DSCNN(nn.Module):
    """MLPerf Tiny keyword spotting: [N, 1, 49, 10] MFCC features to the probabilities of 12 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.ZeroPad2d(same_padding((49, 10), (10, 4), 2)),
            nn.Conv2d(1, 64, (10, 4), stride=2),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.blocks = nn.Sequential(*(DepthwiseSeparable(64, 64) for _ in range(4)))
        self.dropout = nn.Dropout(0.4)
        self.pool = nn.AvgPool2d((25, 5))
        self.classifier = nn.Linear(64, 12)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.blocks(self.stem(x)))
        x = torch.flatten(self.pool(x), 1)
        return self.softmax(self.classifier(x))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, 1x1 with stride where the shape changes; `size` is the input's side."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d(same_padding((size, size), (3, 3), stride))
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        unchanged = stride == 1 and in_channels == out_channels
        self.shortcut = (
            nn.Identity() if unchanged else nn.Conv2d(in_channels, out_channels, 1, stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(self.pad(x))))
        y = self.bn2(self.conv2(y))
        return self.relu(self.shortcut(x) + y)


class ResNet8(nn.Module):
    """MLPerf Tiny image classification: [N, 3, 32, 32] to the probabilities of 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.stack1 = ResidualBlock(16, 16, 1, size=32)
        self.stack2 = ResidualBlock(16, 32, 2, size=32)
        self.stack3 = ResidualBlock(32, 64, 2, size=16)
        self.pool = nn.AvgPool2d(8)
        self.classifier = nn.Linear(64, 10)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stack3(self.stack2(self.stack1(self.stem(x))))
        x = torch.flatten(self.pool(x), 1)
        return self.softmax(self.classifier(x))


class MobileNetV1(nn.Module):
    """MLPerf Tiny visual wake words, alpha 0.25: [N, 3, 96, 96] to the probabilities of 2 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.ZeroPad2d(same_padding((96, 96), (3, 3), 2)),
            nn.Conv2d(3, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
        )
        blocks: list[nn.Module] = []
        in_channels, size = 8, 48
        for out_channels, stride in (
            *((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)),
            *((128, 1),) * 5,
            *((256, 2), (256, 1)),
        ):
            blocks.append(DepthwiseSeparable(in_channels, out_channels, stride, size))
            in_channels, size = out_channels, size // stride
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AvgPool2d(3)
        self.classifier = nn.Linear(256, 2)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.pool(self.blocks(self.stem(x))), 1)
        return self.softmax(self.classifier(x))


class AutoEncoder(nn.Module):
    """MLPerf Tiny anomaly detection: [N, 640] (5 frames of 128 mel bins) to its reconstruction [N, 640]."""

    def __init__(self) -> None:
        super().__init__()
        widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128)
        layers: list[nn.Module] = []
        for in_features, out_features in pairwise(widths):
            layers += [
                nn.Linear(in_features, out_features),
                nn.BatchNorm1d(out_features),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(widths[-1], widths[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.layers(x))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1 expansion, 3x3 depthwise, linear 1x1 projection, and a shortcut if shapes agree."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        expand: list[nn.Module] = []
        if expansion != 1:
            expand = [
                nn.Conv2d(in_channels, hidden, 1, bias=False),
                nn.BatchNorm2d(hidden),
                nn.ReLU6(),
            ]
        self.body = nn.Sequential(
            *expand,
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.has_shortcut else self.body(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 of width 0.35 cut to 11 blocks, as it suits a microcontroller; [N, 3, 96, 96] to 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()
        )
        blocks: list[nn.Module] = []
        in_channels = 16
        for expansion, out_channels, repeats, stride in (
            (1, 8, 1, 1),
            (6, 8, 2, 2),
            (6, 16, 3, 2),
            (6, 24, 3, 2),
            (6, 56, 2, 2),
        ):
            for index in range(repeats):
                blocks.append(
                    InvertedResidual(
                        in_channels, out_channels, stride if index == 0 else 1, expansion
                    )
                )
                in_channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Conv2d(in_channels, 224, 1, bias=False), nn.BatchNorm2d(224), nn.ReLU6()
        )
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(224, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.blocks(self.stem(x)))
        return self.classifier(self.dropout(x.mean((2, 3))))


class TinyVGG(nn.Module):
    """Three stages of two 3x3 convolutions and a max pool, then two linear layers; [N, 3, 32, 32] to 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        in_channels = 3
        for out_channels in (16, 32, 64):
            for _ in range(2):
                layers += [nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU()]
                in_channels = out_channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(64 * 2 * 2, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(x)))
