# SPDX-License-Identifier: Apache-2.0
"""Pieces that small networks are made of."""

from torch import Tensor, nn


def norm1(
    channels: int, out: int, kernel: int = 3, stride: int = 1, act: bool = True
) -> nn.Sequential:
    """A convolution of a sequence, its norm and maybe relu."""
    conv = nn.Conv1d(channels, out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm1d(out), *([nn.ReLU()] if act else []))


def norm2(
    channels: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """A convolution of an image, its norm and maybe relu."""
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), *([nn.ReLU()] if act else []))


class Residual(nn.Module):
    """What `body` gives is added to the input, or to what `shortcut` makes of it."""

    def __init__(
        self, body: nn.Module, shortcut: nn.Module | None = None, act: bool = True
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.last = nn.ReLU() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(x) + self.shortcut(x))


def head(channels: int, classes: int = 6) -> list[nn.Module]:
    """From an image to scores."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def head1(channels: int, classes: int = 6) -> list[nn.Module]:
    """From a sequence to scores."""
    return [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(channels, classes)]
