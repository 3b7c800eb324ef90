# SPDX-License-Identifier: Apache-2.0
"""Products of two computed matrices and attention, as models write them; inputs are tokens [batch, 10, 16]."""

import math
from collections.abc import Mapping
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.frontends.operators.together import Function

Layer = TypeVar("Layer", bound=nn.Module)

SHAPE = (10, 16)
TOKENS, WIDTH = SHAPE

SCALE = 1 / 512
"""What makes numbers of some units of the inputs, which reach from -64 to 63.5."""


DRAWN = torch.Generator().manual_seed(3)


def small(layer: Layer) -> Layer:
    """`layer` with random parameters that are small, and those of no other one."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=DRAWN) * 0.25)
    return layer


class OneMatrix(nn.Module):
    """Queries, keys and values from one matrix, split as `split` says; scores by hand or by torch."""

    def __init__(self, split: str, heads: int = 2, by_hand: bool = False):
        super().__init__()
        self.qkv, self.out = small(nn.Linear(WIDTH, 3 * WIDTH)), small(nn.Linear(WIDTH, WIDTH))
        self.split, self.heads, self.by_hand = split, heads, by_hand

    def parts(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count, tokens, heads = y.shape[0], y.shape[1], self.heads
        match self.split:
            case "unbind":
                y = y.view(count, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
                q, k, v = y.unbind(0)
            case "index":
                y = y.reshape(count, tokens, 3, heads, WIDTH // heads).permute(2, 0, 3, 1, 4)
                q, k, v = y[0], y[1], y[2]
            case "chunk":
                each = [part.view(count, tokens, heads, -1) for part in y.chunk(3, dim=-1)]
                q, k, v = (part.transpose(1, 2) for part in each)
            case _:
                each = [y[..., i * WIDTH : (i + 1) * WIDTH] for i in range(3)]
                q, k, v = (part.reshape(count, tokens, heads, -1).swapaxes(1, 2) for part in each)
        return q, k, v

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.parts(self.qkv(x * SCALE))
        if self.by_hand:
            scores = (q @ k.transpose(-2, -1)) * (WIDTH // self.heads) ** -0.5
            y = scores.softmax(dim=-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))


class ThreeMatrices(nn.Module):
    """Queries of the tokens, keys and values of the first `keys`; with a mask if there is one."""

    def __init__(self, keys: int = TOKENS, mask: Tensor | None = None, causal: bool = False):
        super().__init__()
        self.q, self.k, self.v = (small(nn.Linear(WIDTH, WIDTH)) for _ in range(3))
        self.keys, self.causal = keys, causal
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        y = x * SCALE
        seen = y[:, : self.keys]
        q, k, v = (
            layer(each).view(-1, each.shape[1], 4, 4).transpose(1, 2)
            for layer, each in ((self.q, y), (self.k, seen), (self.v, seen))
        )
        mask = cast(Tensor | None, self.mask)
        y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=self.causal)
        return y.transpose(1, 2).reshape(-1, TOKENS, WIDTH)


def products(x: Tensor) -> Tensor:
    """Tokens by tokens."""
    y = x * SCALE
    return y @ y.mT


TRIANGLE = torch.ones(TOKENS, TOKENS).tril()
SOME = torch.rand(TOKENS, 6, generator=torch.Generator().manual_seed(1)) > 0.4
SOME[:, 2] = True
INFINITE = torch.zeros(TOKENS, TOKENS).masked_fill(TRIANGLE == 0, -math.inf)

ATTENTIONS: Mapping[str, Function] = {
    "products": products,
    "unbind": OneMatrix("unbind"),
    "index_by_hand": OneMatrix("index", by_hand=True),
    "chunk": OneMatrix("chunk", heads=1),
    "split_by_hand": OneMatrix("split", heads=4, by_hand=True),
    "three": ThreeMatrices(),
    "cross": ThreeMatrices(keys=7),
    "causal": ThreeMatrices(causal=True),
    "boolean_mask": ThreeMatrices(keys=6, mask=SOME),
    "infinite_mask": ThreeMatrices(mask=INFINITE),
}
