# SPDX-License-Identifier: Apache-2.0
"""The networks of dCSR in plain PyTorch, for images of any size; nothing here imports sparsec."""

import torch
from torch import Tensor, nn

from examples.models import DepthwiseSeparable, InvertedResidual, same_padding

DSCNN_SIZES = {"s": (64, 4, (2, 2)), "m": (172, 4, (2, 1)), "l": (276, 5, (2, 1))}
"""Of Zhang et al. 2017, "Hello Edge": channels, blocks, strides of the first convolution."""


class DSCNN(nn.Module):
    """[N, channels, height, width] to `classes` logits: a 10x4 convolution, depthwise separable blocks, one linear layer.

    For keywords, [N, 1, 49, 10], the linear layer reads 24 (s) or 60 pixels (m, l) of what a pool of 2x2 leaves.
    """

    def __init__(self, size: str, shape: tuple[int, int, int], classes: int):
        super().__init__()
        width, blocks, strides = DSCNN_SIZES[size]
        channels, *sides = shape
        down = same_padding((sides[0], 1), (10, 1), strides[0])[2:]
        across = same_padding((1, sides[1]), (1, 4), strides[1])[:2]
        self.stem = nn.Sequential(
            nn.ZeroPad2d((*across, *down)),
            nn.Conv2d(channels, width, (10, 4), strides, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(*(DepthwiseSeparable(width, width) for _ in range(blocks)))
        self.pool = nn.AvgPool2d(2)
        height, width_left = (
            -(-side // stride) // 2 for side, stride in zip(sides, strides, strict=True)
        )
        self.classifier = nn.Linear(width * height * width_left, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


class MobileNetV2(nn.Module):
    """[N, channels, height, width] of small images to `classes` logits: the first two strides are 1, as for 32x32."""

    def __init__(self, width: float, dropout: float, channels: int, classes: int):
        super().__init__()

        def scaled(value: float) -> int:
            return max(8, int(value * width + 4) // 8 * 8)

        stem = scaled(32)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU6()
        )
        blocks: list[nn.Module] = []
        before = stem
        for expansion, wide, repeats, stride in (
            (1, 16, 1, 1),
            (6, 24, 2, 1),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ):
            for index in range(repeats):
                blocks.append(
                    InvertedResidual(before, scaled(wide), 1 if index else stride, expansion)
                )
                before = scaled(wide)
        self.blocks = nn.Sequential(*blocks)
        last = max(1280, scaled(1280))
        self.head = nn.Sequential(
            nn.Conv2d(before, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU6()
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.blocks(self.stem(x)))
        return self.classifier(self.dropout(x.mean((2, 3))))
