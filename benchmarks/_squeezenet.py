# SPDX-License-Identifier: Apache-2.0
"""SqueezeNet 1.1 (https://arxiv.org/abs/1602.07360, https://github.com/forresti/SqueezeNet) with random weights.

Many branches that meet in concatenations: what makes the order of layers and the memory plan hard.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from examples.export import save_program

CLASSES = 1000
SIZE = 224
EXAMPLES = 2
_STAGES = (
    ((64, 16, 64), (128, 16, 64)),
    ((128, 32, 128), (256, 32, 128)),
    ((256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)),
)
"""(channels in, squeezed, of each branch) of the fire modules between the pools."""


class Fire(nn.Module):
    """Squeeze to few channels, then expand by 1x1 and 3x3 side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """[N, 3, SIZE, SIZE] to CLASSES logits."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()]
        for fires in _STAGES:
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            layers += [Fire(*sizes) for sizes in fires]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Conv2d(512, CLASSES, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


def export_squeezenet(path: Path) -> None:
    """Write it as an exported program."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_program(SqueezeNet(), torch.randn(EXAMPLES, 3, SIZE, SIZE), path)
