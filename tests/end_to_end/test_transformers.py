# SPDX-License-Identifier: Apache-2.0
"""Blocks of families of transformers for images, one behind the other in one network: the same bytes everywhere, near torch.

Windows of Swin and the other forms of attention are among the operators (`tests/frontends/operators/attentions.py`).
"""

from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsec.interpreters.signature import dequantized, quantized
from sparsec.ir import rt
from tests.end_to_end.road import compile_to, expect_exact
from tests.frontends.support import expected, export_bytes

SAMPLES, SIDE, WIDTH = 8, 8, 12


class ConvNext(nn.Module):
    """A depthwise convolution, a norm of channels, two layers of each pixel, a factor for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(WIDTH, WIDTH, 7, padding=3, groups=WIDTH)
        self.norm, self.up = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.down, self.scale = nn.Linear(2 * WIDTH, WIDTH), nn.Parameter(torch.full((WIDTH,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


class MobileVit(nn.Module):
    """Pixels in the same place of patches of 2x2 look at each other."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.far = nn.TransformerEncoderLayer(
            WIDTH, 2, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.join = nn.Conv2d(2 * WIDTH, WIDTH, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        count, half = x.shape[0], SIDE // 2
        y = F.silu(self.near(x)).reshape(count, WIDTH, half, 2, half, 2)
        y = y.permute(0, 3, 5, 2, 4, 1).reshape(-1, half * half, WIDTH)
        y = self.far(y).reshape(count, 2, 2, half, half, WIDTH)
        y = y.permute(0, 5, 3, 1, 4, 2).reshape(count, WIDTH, SIDE, SIDE)
        return self.join(torch.cat([x, y], 1))


class EfficientFormer(nn.Module):
    """What pooling changes, then attention with a bias for each pair of pixels, keys narrower than values."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * (4 + 4 + 8))
        self.out, self.bias = nn.Linear(16, WIDTH), nn.Parameter(torch.randn(2, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = x + (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
        x = F.max_pool2d(x, 2)
        tokens = x.flatten(2).transpose(1, 2)
        each = self.qkv(self.norm(tokens)).reshape(-1, 16, 2, 16).permute(0, 2, 1, 3)
        q, k, v = each[..., :4], each[..., 4:8], each[..., 8:]
        shares = ((q @ k.transpose(-2, -1)) * 0.5 + self.bias).softmax(-1)
        return tokens + self.out((shares @ v).transpose(1, 2).reshape(-1, 16, 16))


class Families(nn.Module):
    """All of them, and a class for each image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 2, 2)
        self.blocks = nn.Sequential(ConvNext(), MobileVit(), EfficientFormer())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(cast(Tensor, self.blocks(self.stem(x)))).mean(1))


@cache
def families() -> tuple[Families, Tensor, bytes]:
    """The network, inputs to calibrate with, and its archive."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model, x = Families(), torch.randn(SAMPLES, 3, 2 * SIDE, 2 * SIDE)
    return model, x, export_bytes(model, [x])


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_families(cpu: str, tmp_path: Path) -> None:
    model, x, archive = families()
    path = tmp_path / "families.pt2"
    path.write_bytes(archive)
    compiled = compile_to(path, cpu, "--plan-seconds=0")
    inputs = quantized([x.numpy()[:2]], compiled.compilation.inputs)
    outputs = expect_exact(compiled, cpu, inputs, canaries=True)
    calls = sum(isinstance(op, rt.AttentionOp) for op in compiled.compilation.module.walk())
    assert calls == 2
    (found,), (wanted,) = dequantized(outputs, compiled.compilation.outputs), expected(model, [x])
    noise = float(np.sum((found - wanted[:2]) ** 2)) / float(np.sum(wanted[:2] ** 2))
    assert noise < 0.05
