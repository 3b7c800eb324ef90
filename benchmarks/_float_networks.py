# SPDX-License-Identifier: Apache-2.0
"""Small float networks of the kinds that run on microcontrollers, with random weights and batch norms that saw data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from examples.blocks import Residual, head, head1, norm1, norm2

SAMPLES = 64


class Excited(nn.Module):
    """Channels weighed by what their means say (squeeze and excite)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.less, self.more = (
            nn.Conv2d(channels, channels // 4, 1),
            nn.Conv2d(channels // 4, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.more(torch.relu(self.less(self.pool(x)))))


class UNet(nn.Module):
    """One step down and up again, with what was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.deep = norm2(1, 8), norm2(8, 16, stride=2)
        self.up, self.last = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        return self.last(torch.cat([first, self.up(self.deep(first))], 1))


class Rows(nn.Module):
    """A layer on the channels of [N, C, T], which come last for it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.transpose(1, 2)).transpose(1, 2)


def mixed(channels: int) -> nn.Sequential:
    """A block of ConvMixer (https://arxiv.org/abs/2201.09792)."""
    depthwise = nn.Sequential(
        nn.Conv2d(channels, channels, 5, padding=2, groups=channels),
        nn.GELU(),
        nn.BatchNorm2d(channels),
    )
    pointwise = nn.Conv2d(channels, channels, 1), nn.GELU(), nn.BatchNorm2d(channels)
    return nn.Sequential(Residual(depthwise, act=False), *pointwise)


def temporal(channels: int, out: int) -> Residual:
    """A block of TC-ResNet (https://arxiv.org/abs/1904.03814)."""
    body = nn.Sequential(norm1(channels, out, 9, 2), norm1(out, out, 9, act=False))
    return Residual(body, norm1(channels, out, 1, 2))


def of_rows(channels: int) -> nn.Module:
    """A network on the channels of a sequence behind its norm."""
    layers = nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.GELU()
    return Residual(Rows(nn.Sequential(*layers, nn.Linear(2 * channels, channels))), act=False)


@dataclass(frozen=True)
class Network:
    """How to build it, and the shape of a sample."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]


def chain(*layers: nn.Module) -> nn.Module:
    """One behind the other."""
    return nn.Sequential(*layers)


NETWORKS: Mapping[str, Network] = {
    "separable": Network(
        lambda: chain(
            norm2(3, 8, 3, 2),
            norm2(8, 8, groups=8),
            norm2(8, 16, 1),
            norm2(16, 16, 3, 2, 16),
            *head(16),
        ),
        (3, 24, 24),
    ),
    "ResNet": Network(
        lambda: chain(
            norm2(3, 8),
            Residual(chain(norm2(8, 8), norm2(8, 8, act=False))),
            Residual(
                chain(norm2(8, 16, 3, 2), norm2(16, 16, act=False)), norm2(8, 16, 1, 2, act=False)
            ),
            *head(16),
        ),
        (3, 16, 16),
    ),
    "ConvMixer": Network(
        lambda: chain(
            nn.Conv2d(3, 16, 4, 4), nn.GELU(), nn.BatchNorm2d(16), mixed(16), mixed(16), *head(16)
        ),
        (3, 32, 32),
    ),
    "TC-ResNet": Network(
        lambda: chain(
            nn.Conv1d(10, 16, 3, padding=1), temporal(16, 24), temporal(24, 32), *head1(32)
        ),
        (10, 49),
    ),
    "ECG": Network(
        lambda: chain(
            norm1(1, 8, 7, 2), nn.MaxPool1d(2), norm1(8, 16, 5), nn.MaxPool1d(2), *head1(16, 5)
        ),
        (1, 128),
    ),
    "accelerometer": Network(
        lambda: chain(norm1(6, 16, 5), norm1(16, 16, 5, 2), nn.Flatten(), nn.Linear(16 * 32, 6)),
        (6, 64),
    ),
    "U-Net": Network(UNet, (1, 16, 16)),
    "autoencoder": Network(
        lambda: chain(
            *(
                nn.Linear(64, 24),
                nn.BatchNorm1d(24),
                nn.ReLU(),
                nn.Linear(24, 4),
                nn.BatchNorm1d(4),
            ),
            *(nn.ReLU(), nn.Linear(4, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 64)),
        ),
        (64,),
    ),
    "squeeze and excite": Network(
        lambda: chain(norm2(3, 16, 3, 2), Excited(16), norm2(16, 16), Excited(16), *head(16)),
        (3, 16, 16),
    ),
    "swish": Network(
        lambda: chain(
            *(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.Hardswish()),
            *(nn.Conv2d(8, 16, 3, 2), nn.BatchNorm2d(16), nn.SiLU(), *head(16)),
        ),
        (3, 24, 24),
    ),
    "layer norm": Network(
        lambda: chain(nn.Conv1d(4, 16, 4, 4), of_rows(16), of_rows(16), *head1(16)), (4, 64)
    ),
    "upsampling": Network(
        lambda: chain(
            norm2(1, 8, stride=2), nn.Upsample(scale_factor=2), norm2(8, 8), nn.Conv2d(8, 1, 1)
        ),
        (1, 16, 16),
    ),
}


def samples(shape: tuple[int, ...], seed: int) -> Tensor:
    """SAMPLES inputs in which neighbours are alike, as in images and signals, each at a level of its own."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(SAMPLES, *shape, generator=generator)
    level = torch.randn(SAMPLES, *[1] * len(shape), generator=generator)
    return 0.6 * (x + x.roll(1, -1)) + 0.3 * level


def trained(name: str) -> tuple[nn.Module, Tensor]:
    """The network with norms that have seen data, in eval mode, and its calibration inputs; always the same."""
    network = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, x = network.build(), samples(network.shape, 1)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.momentum = None
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        with torch.no_grad():
            model.train()(x)
    return model.eval(), x
