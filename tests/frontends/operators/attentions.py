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


class Heads(nn.Module):
    """torch's own layer, of tokens in front or behind the batch."""

    def __init__(
        self, first: bool, *, weights: bool = False, keys: int = TOKENS, mask: Tensor | None = None
    ):
        super().__init__()
        self.layer = small(nn.MultiheadAttention(WIDTH, 2, batch_first=first))
        self.first, self.weights, self.keys = first, weights, keys
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        y = x * SCALE
        seen = y[:, : self.keys]
        if not self.first:
            y, seen = y.transpose(0, 1), seen.transpose(0, 1)
        mask = cast(Tensor | None, self.mask)
        y, weights = self.layer(y, seen, seen, need_weights=self.weights, attn_mask=mask)
        y = y if self.first else y.transpose(0, 1)
        return torch.cat([y.flatten(1), weights.flatten(1)], 1) if self.weights else y


class Encoder(nn.Module):
    """torch's layer of an encoder, its input small."""

    def __init__(self, activation: str, norm_first: bool):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            WIDTH, 2, 24, activation=activation, batch_first=True, norm_first=norm_first
        )
        self.layer = small(layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x * SCALE)


class Biased(nn.Module):
    """A bias for each distance of two tokens, of those that a mask leaves."""

    def __init__(self, mask: Tensor | None = None):
        super().__init__()
        self.attention = OneMatrix("unbind")
        self.bias = nn.Parameter(torch.randn(2 * TOKENS - 1, 2, generator=DRAWN))
        places = torch.arange(TOKENS)
        self.register_buffer("distances", places[:, None] - places + TOKENS - 1)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.attention.parts(self.attention.qkv(x * SCALE))
        scores = (q * 0.25) @ k.transpose(-2, -1)
        distances = cast(Tensor, self.distances).reshape(-1)
        bias = self.bias[distances].reshape(TOKENS, TOKENS, 2)
        scores = scores + bias.permute(2, 0, 1)
        mask = cast(Tensor | None, self.mask)
        if mask is not None:
            scores = scores.masked_fill(mask == 0, -math.inf)
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, TOKENS, WIDTH)


class Windows(nn.Module):
    """Windows of 2x2 of an image of 4x4, as Swin has them: shifted by a pixel, what was far apart is shut out by -100."""

    def __init__(self, shift: int):
        super().__init__()
        self.qkv, self.shift = small(nn.Linear(TOKENS, 3 * TOKENS)), shift
        self.bias = nn.Parameter(torch.randn(2, 4, 4, generator=DRAWN))
        parts = torch.zeros(4, 4)
        for row in range(4):
            for column in range(4):
                parts[row, column] = (row > 1) + (row > 2) + 3 * ((column > 1) + (column > 2))
        parts = self.split(parts.reshape(1, 4, 4, 1))[..., 0]
        apart = parts[:, None] != parts[:, :, None]
        self.register_buffer("mask", apart * -100.0 if shift else None)

    def split(self, y: Tensor) -> Tensor:
        count, channels = y.shape[0], y.shape[3]
        y = y.view(count, 2, 2, 2, 2, channels).permute(0, 1, 3, 2, 4, 5)
        return y.reshape(-1, 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[0]
        y = (x * SCALE).transpose(1, 2).reshape(count, 4, 4, TOKENS)
        z = torch.roll(y, (-self.shift, -self.shift), (1, 2)) if self.shift else y
        parts = self.qkv(self.split(z)).reshape(-1, 4, 3, 2, TOKENS // 2).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        scores = (q * 0.5) @ k.transpose(-2, -1) + self.bias.unsqueeze(0)
        mask = cast(Tensor | None, self.mask)
        if mask is not None:
            each = scores.view(count, 4, 2, 4, 4) + mask.unsqueeze(1).unsqueeze(0)
            scores = each.view(-1, 2, 4, 4)
        z = (scores.softmax(-1) @ v).transpose(1, 2).reshape(count, 2, 2, 2, 2, TOKENS)
        z = z.permute(0, 1, 3, 2, 4, 5).reshape(count, 4, 4, TOKENS)
        z = torch.roll(z, (self.shift, self.shift), (1, 2)) if self.shift else z
        return (y + z).flatten(1)


class Sums(nn.Module):
    """Projections and products by einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3, 2, 8, WIDTH, generator=DRAWN) * 0.25)

    def forward(self, x: Tensor) -> Tensor:
        y = x * SCALE
        q, k, v = (torch.einsum("bnc,hdc->bhnd", y, weights) for weights in self.weights)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * 8**-0.5
        return torch.einsum("bhqk,bhkd->bqhd", scores.softmax(-1), v).flatten(2)


class Pooled(nn.Module):
    """One query that is learned looks at all tokens; then a weighted mean of them."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, WIDTH, generator=DRAWN))
        self.attention = small(nn.MultiheadAttention(WIDTH, 2, batch_first=True))
        self.score = small(nn.Linear(WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = x * SCALE
        query = self.query.expand(x.shape[0], -1, -1)
        seen, _ = self.attention(query, y, y, need_weights=False)
        weights = F.softmax(self.score(y), dim=1)
        return seen[:, 0] + (weights.transpose(1, 2) @ y)[:, 0]


class Channels(nn.Module):
    """Channels look at each other, as XCiT has it: none of their rows is a run of bytes."""

    def __init__(self, bias: bool):
        super().__init__()
        self.qkv = small(nn.Linear(WIDTH, 3 * WIDTH))
        self.bias = nn.Parameter(torch.randn(2, 8, 8, generator=DRAWN)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.qkv(x * SCALE).view(-1, TOKENS, 3, 2, 8).permute(2, 0, 3, 4, 1)
        q, k, v = y.unbind(0)
        scores = (q @ k.mT) * 0.3
        scores = scores if self.bias is None else scores + self.bias
        return (scores.softmax(-1) @ v).flatten(1)


class TwoValues(nn.Module):
    """The same queries and keys with a bias for two sets of values."""

    def __init__(self) -> None:
        super().__init__()
        self.qkvw = small(nn.Linear(WIDTH, 4 * WIDTH))
        self.bias = nn.Parameter(torch.randn(TOKENS, TOKENS, generator=DRAWN))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v, w = self.qkvw(x * SCALE).chunk(4, -1)
        each = [F.scaled_dot_product_attention(q, k, values, self.bias) for values in (v, w)]
        return torch.cat(each, -1)


class Learned(nn.Module):
    """Keys and values that are learned."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.randn(1, 7, WIDTH, generator=DRAWN))
        self.values = nn.Parameter(torch.randn(1, 7, 3, generator=DRAWN))

    def forward(self, x: Tensor) -> Tensor:
        keys, values = (part.expand(x.shape[0], -1, -1) for part in (self.keys, self.values))
        return F.scaled_dot_product_attention(x * SCALE, keys, values)


def masked_columns(x: Tensor) -> Tensor:
    """Keys choose among the queries that may see them, of which several masks tell, one of them nothing."""
    y = x * SCALE
    scores = (y @ y.mT).masked_fill(TRIANGLE == 0, -math.inf).masked_fill(TRIANGLE > 1, -math.inf)
    return scores.masked_fill(NEXT, -1e9).softmax(1) @ y


def shared_keys(x: Tensor) -> Tensor:
    """Four heads of queries, two of keys and values."""
    y = x * SCALE
    q = y.reshape(-1, TOKENS, 4, 4).transpose(1, 2)
    k = y[..., :8].reshape(-1, TOKENS, 2, 4).transpose(1, 2)
    return F.scaled_dot_product_attention(q, k, k, enable_gqa=True).transpose(1, 2).flatten(2)


def products(x: Tensor) -> Tensor:
    """Tokens by tokens."""
    y = x * SCALE
    return y @ y.mT


TRIANGLE = torch.ones(TOKENS, TOKENS).tril()
NEXT = torch.ones(TOKENS - 1).diag(-1) > 0
SOME = torch.rand(TOKENS, 6, generator=torch.Generator().manual_seed(1)) > 0.4
SOME[:, 2] = True
INFINITE = torch.zeros(TOKENS, TOKENS).masked_fill(TRIANGLE == 0, -math.inf)

BIASED = torch.randn(4, TOKENS, 6, generator=DRAWN).masked_fill(~SOME, -math.inf)

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
    "biased_mask": ThreeMatrices(keys=6, mask=BIASED),
    "infinite_mask": ThreeMatrices(mask=INFINITE),
    "torchs": Heads(first=True),
    "torchs_cross": Heads(first=False, keys=7),
    "torchs_weights": Heads(first=False, weights=True, mask=INFINITE),
    "pre_norm": Encoder("gelu", norm_first=True),
    "post_norm": Encoder("relu", norm_first=False),
    "bias": Biased(),
    "bias_and_mask": Biased(TRIANGLE),
    "windows": Windows(0),
    "shifted_windows": Windows(1),
    "sums": Sums(),
    "pooled": Pooled(),
    "shared_keys": shared_keys,
    "channels": Channels(bias=False),
    "biased_channels": Channels(bias=True),
    "two_values": TwoValues(),
    "learned": Learned(),
    "masked_columns": masked_columns,
}
