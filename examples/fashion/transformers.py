# SPDX-License-Identifier: Apache-2.0
"""Two transformers for images of 28x28: a small ViT, and a hybrid of convolutions and attention as TinyFormer has them.

Queries, keys and values are one matrix each, of a width of their own, so that whole heads can go
(`sparsec.compress.heads`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.blocks import Residual, norm2


class Attention(nn.Module):
    """Self-attention of tokens [N, T, width], in heads of `size`."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            each(x).unflatten(2, (-1, self.size)).transpose(1, 2)
            for each in (self.query, self.key, self.value)
        )
        y = functional.scaled_dot_product_attention(q, k, v)
        return self.project(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and two linear layers, each normalized in front and added to what it reads."""

    def __init__(self, width: int, size: int, hidden: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, size)
        self.body = nn.Sequential(nn.Linear(width, hidden), activation(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.body(self.norm2(x))


class TinyViT(nn.Module):
    """49 patches of 4x4, learned positions, and the mean of the tokens in front of the scores."""

    def __init__(self, width: int = 48, depth: int = 4, size: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 4, 4)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 49, width))
        self.blocks = nn.Sequential(*(Block(width, size, 2 * width, nn.GELU) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.scores(self.norm(self.blocks(x)).mean(1))


class Mixed(nn.Module):
    """An image [N, C, H, W] whose pixels are the tokens of a transformer between two convolutions (MobileViT's block)."""

    def __init__(self, channels: int, width: int, depth: int, size: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(norm2(channels, channels), nn.Conv2d(channels, width, 1))
        self.blocks = nn.Sequential(*(Block(width, size, 2 * width, nn.ReLU) for _ in range(depth)))
        self.leave = norm2(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.enter(x)
        tokens = self.blocks(y.flatten(2).transpose(1, 2))
        return self.leave(tokens.transpose(1, 2).unflatten(2, y.shape[2:]))


class TinyFormer(nn.Module):
    """A tokenizer, inverted bottlenecks and a transformer at 7x7, and attention pooling in front of the scores."""

    def __init__(self, channels: int = 32, width: int = 48, depth: int = 2) -> None:
        super().__init__()

        def bottleneck(inputs: int, outputs: int, stride: int, times: int) -> nn.Module:
            wide = inputs * times
            body = nn.Sequential(
                *(norm2(inputs, wide, 1), norm2(wide, wide, 3, stride, wide)),
                norm2(wide, outputs, 1, act=False),
            )
            return Residual(body, act=False) if stride == 1 and inputs == outputs else body

        self.tokenizer = nn.Sequential(norm2(1, 16), nn.MaxPool2d(3, 2, 1))
        self.bottlenecks = nn.Sequential(
            bottleneck(16, channels, 2, 2), bottleneck(channels, channels, 1, 2)
        )
        self.mixed = Mixed(channels, width, depth, 16)
        self.last = norm2(channels, 64, 1)
        self.pool = nn.Linear(64, 1)
        self.scores = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.last(self.mixed(self.bottlenecks(self.tokenizer(x))))
        tokens = y.flatten(2).transpose(1, 2)
        shares = self.pool(tokens).softmax(1)
        return self.scores((shares.transpose(1, 2) @ tokens).squeeze(1))
