# SPDX-License-Identifier: Apache-2.0
"""Normalisation: as layers of torch, and as models write it by hand."""

from collections.abc import Mapping
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.frontends.operators.layers import SHAPE, flat
from tests.frontends.operators.together import Function

Layer = TypeVar("Layer", bound=nn.Module)


def drawn(layer: Layer) -> Layer:
    """`layer` with random parameters, of both signs."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return layer


def trained(layer: nn.InstanceNorm2d) -> nn.InstanceNorm2d:
    """`layer` with statistics of its training."""
    generator = torch.Generator().manual_seed(4)
    layer.running_mean = torch.randn(6, generator=generator)
    layer.running_var = torch.rand(6, generator=generator) + 0.5
    return layer


class Channels(nn.Module):
    """A layer over the channels of each pixel, put last and back."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def by_root(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def by_spread(x: Tensor) -> Tensor:
    """Each row of pixels."""
    return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6)


SLOPES = torch.linspace(-1.0, 2.0, 6).reshape(6, 1, 1)


def by_hand(x: Tensor) -> Tensor:
    """Each pixel, as ConvNeXt has it."""
    mean = x.mean(1, keepdim=True)
    square = (x - mean).pow(2).mean(1, keepdim=True)
    return SLOPES * ((x - mean) / torch.sqrt(square + 1e-6)) + (0.5 - SLOPES)


LAYERS: Mapping[str, Function] = {
    "layer_norm": drawn(nn.LayerNorm(7)),
    "layer_norm_whole": drawn(nn.LayerNorm([*SHAPE])),
    "layer_norm_plain": nn.LayerNorm([5, 7], elementwise_affine=False),
    "layer_norm_channels": Channels(drawn(nn.LayerNorm(6))),
    "layer_norm_relu": nn.Sequential(drawn(nn.LayerNorm(7)), nn.ReLU()),
    "rms_norm": drawn(nn.RMSNorm(7)),
    "rms_norm_channels": Channels(drawn(nn.RMSNorm(6, eps=1e-3))),
    "rms_norm_plain": lambda x: F.rms_norm(x, [5, 7]),
    "group_norm": drawn(nn.GroupNorm(3, 6)),
    "group_norm_of_one": drawn(nn.GroupNorm(1, 6)),
    "group_norm_plain": nn.GroupNorm(2, 6, affine=False),
    "group_norm_signal": flat(drawn(nn.GroupNorm(2, 6))),
    "group_norm_relu": nn.Sequential(drawn(nn.GroupNorm(2, 6)), nn.ReLU6()),
    "instance_norm": nn.InstanceNorm2d(6),
    "instance_norm_affine": drawn(nn.InstanceNorm2d(6, affine=True)),
    "instance_norm_trained": trained(nn.InstanceNorm2d(6, track_running_stats=True)),
    "instance_norm_signal": flat(nn.InstanceNorm1d(6)),
}

BY_HAND: Mapping[str, Function] = {
    "normalize": lambda x: F.normalize(x, dim=1),
    "normalize_rows": lambda x: F.normalize(x, dim=2),
    "normalize_all": lambda x: F.normalize(x.flatten(1)),
    "by_root": by_root,
    "by_spread": by_spread,
    "by_hand": by_hand,
}

EXACT: Mapping[str, Function] = {**LAYERS, **BY_HAND}

SQUARED: Mapping[str, Function] = {
    "response_norm": nn.LocalResponseNorm(3, alpha=1e-3),
    "response_norm_2": nn.LocalResponseNorm(2, alpha=0.02, beta=0.5, k=2.0),
    "response_norm_signal": flat(nn.LocalResponseNorm(5, alpha=1e-3)),
    "lp_pool": lambda x: F.lp_pool2d(x, 2.0, 2),
    "lp_pool_1d": lambda x: F.lp_pool1d(x.flatten(2), 2.0, 3, 2),
}
"""By squares in int8, which are as far from each other for small numbers as for large ones."""

NORMS: Mapping[str, Function] = {**EXACT, **SQUARED}
