# SPDX-License-Identifier: Apache-2.0
"""Random PyTorch modules through `torch.export`: interpreter, calls and C give the same bytes."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from examples.export import save_program
from tests.end_to_end.road import compile_to, expect_exact, extreme_and_random

RUNS = [
    *(("host", seed) for seed in range(4)),
    *(pytest.param("cortex-m4", seed, marks=pytest.mark.qemu) for seed in range(4, 6)),
    *(pytest.param("cortex-m55", seed, marks=pytest.mark.qemu) for seed in range(6, 8)),
]
ACTIVATIONS = [nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.GELU, nn.Identity]


class Residual(nn.Module):
    """x + inner(x)."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Branches(nn.Module):
    """Two branches, concatenated along the channels."""

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.first(x), self.second(x)], dim=1)


def convolution(random: Random, channels: int, outputs: int, stride: int = 1) -> nn.Module:
    """Convolution, batch norm or none, activation; keeps the size if the stride is 1."""
    kernel = random.choice([1, 3, 5])
    groups = channels if channels == outputs and random.random() < 0.5 else 1
    bias = random.random() < 0.5
    layers: list[nn.Module] = [
        nn.Conv2d(channels, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
    ]
    if random.random() < 0.6:
        layers.append(nn.BatchNorm2d(outputs))
    layers.append(random.choice(ACTIVATIONS)())
    return nn.Sequential(*layers)


def random_module(random: Random) -> tuple[nn.Module, int, int]:
    """An image classifier in eval mode, its input channels and its input size."""
    channels = inputs = random.choice([1, 2, 3])
    size = now = random.choice([8, 11, 16])
    layers: list[nn.Module] = []
    for _ in range(random.randint(2, 4)):
        match random.choice(["plain", "residual", "branches", "pool"]):
            case "residual":
                layers.append(Residual(convolution(random, channels, channels)))
            case "branches":
                more = random.choice([2, 4])
                first = convolution(random, channels, channels)
                layers.append(Branches(first, convolution(random, channels, more)))
                channels += more
            case "pool" if now >= 4:
                pool = random.choice([nn.MaxPool2d, nn.AvgPool2d])
                layers.append(pool(2))
                now //= 2
            case _:
                outputs = random.choice([4, 6, 8, 12])
                layers.append(convolution(random, channels, outputs))
                channels = outputs
    if random.random() < 0.5:
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    else:
        layers += [nn.Flatten(), nn.Linear(channels * now * now, 10)]
    if random.random() < 0.5:
        layers.append(nn.Softmax(dim=1))
    return nn.Sequential(*layers).eval(), inputs, size


@pytest.mark.parametrize(("cpu", "seed"), RUNS)
def test_random_module(cpu: str, seed: int, tmp_path: Path):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module, channels, size = random_module(Random(seed))
        examples = torch.randn(8, channels, size, size)
    save_program(module, examples, tmp_path / "net.pt")
    compiled = compile_to(tmp_path / "net.pt", cpu, "--weights=" + ("dense", "delta8")[seed % 2])
    inputs = extreme_and_random(compiled.input_shapes, random=3, seed=seed)
    (outputs,) = expect_exact(compiled, cpu, inputs)
    assert len(np.unique(outputs, axis=0)) >= 2
