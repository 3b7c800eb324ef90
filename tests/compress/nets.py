# SPDX-License-Identifier: Apache-2.0
"""Small networks for the tests of pruning."""

import torch
from torch import nn


def small(classes: int = 4) -> nn.Sequential:
    """A convolution with its norm, one in groups, and a linear layer that reads an image."""
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(16 * 4 * 4, classes)),
    )


def images(count: int = 16) -> torch.Tensor:
    """Inputs of `small`."""
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))
