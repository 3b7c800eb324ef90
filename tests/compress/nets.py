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


class Crossed(nn.Module):
    """A residual network whose norms stand in another order than they are called in, with numbers in all of them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.after_second = nn.BatchNorm2d(16)
        self.after_first = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 4)
        for norm in (self.after_first, self.after_second):
            for value in (norm.weight.data, norm.bias.data, norm.running_mean):
                assert value is not None
                value.uniform_(0.5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = torch.relu(self.after_first(self.first(x)))
        second = self.after_second(self.second(first))
        return self.fc(torch.relu(first + second).mean((2, 3)))
