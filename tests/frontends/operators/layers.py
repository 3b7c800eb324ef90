# SPDX-License-Identifier: Apache-2.0
"""Layers over images and signals: convolutions in groups and transposed ones, pools, other sizes.

Their weights and biases are multiples of powers of two, so that int8 and int32 hold them without error.
"""

from collections.abc import Mapping
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import nn

from tests.frontends.operators.together import STEP, Function

SHAPE = (6, 5, 7)
"""Of the input, without the batch."""

Convolution: TypeAlias = nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d


def exact(layer: Convolution) -> Convolution:
    """`layer` with random weights of 127 steps at most, which each of its outputs reaches."""
    generator = torch.Generator().manual_seed(1)
    steps = torch.randint(-40, 41, layer.weight.shape, generator=generator)
    inputs = layer.in_channels // layer.groups
    # (inputs, outputs of a group, ..), else (outputs, inputs of a group, ..)
    first = steps[::inputs] if layer.transposed else steps[:, :1]
    first.flatten(2)[..., 0] = 127
    with torch.no_grad():
        layer.weight.copy_(steps * 2.0**-7)
        if layer.bias is not None:
            bias = torch.randint(-900, 900, layer.bias.shape, generator=generator)
            layer.bias.copy_(bias * STEP * 2.0**-7)
    return layer


def flat(layer: nn.Module) -> Function:
    """A layer over the signal of an image row by row."""
    return nn.Sequential(nn.Flatten(2), layer)


GROUPED: Mapping[str, Function] = {
    "conv_groups": exact(nn.Conv2d(6, 9, 3, padding=1, groups=3)),
    "conv_groups_strided": exact(nn.Conv2d(6, 4, (3, 2), (2, 1), (0, 1), (1, 2), groups=2)),
    "conv1d_groups": flat(exact(nn.Conv1d(6, 6, 5, padding=2, groups=3))),
    "conv_depthwise": exact(nn.Conv2d(6, 12, 3, groups=6)),
}

TRANSPOSED: Mapping[str, Function] = {
    "transposed": exact(nn.ConvTranspose2d(6, 4, 2, 2)),
    "transposed_padded": exact(nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1)),
    "transposed_uneven": exact(nn.ConvTranspose2d(6, 3, (4, 3), (3, 2), (1, 0), (2, 1))),
    "transposed_beyond": exact(nn.ConvTranspose2d(6, 3, 2, 3, 0, output_padding=2)),
    "transposed_dilated": exact(nn.ConvTranspose2d(6, 3, 3, 2, 2, 1, dilation=2, bias=False)),
    "transposed_by_one": exact(nn.ConvTranspose2d(6, 3, 3, padding=1)),
    "transposed_1d": flat(exact(nn.ConvTranspose1d(6, 4, 4, 2, 1))),
    "transposed_1d_dilated": flat(exact(nn.ConvTranspose1d(6, 4, 3, 3, 1, 1, dilation=3))),
}

TRANSPOSED_GROUPS: Mapping[str, Function] = {
    "transposed_depthwise": exact(nn.ConvTranspose2d(6, 6, 4, 2, 1, groups=6)),
    "transposed_depthwise_more": exact(nn.ConvTranspose2d(6, 12, 3, 2, 1, 1, groups=6)),
    "transposed_groups": exact(nn.ConvTranspose2d(6, 9, 3, 2, 1, groups=3)),
    "transposed_groups_gaps": exact(nn.ConvTranspose2d(6, 4, 2, 3, 0, 2, groups=2)),
    "transposed_groups_cut": exact(nn.ConvTranspose2d(6, 4, 5, (1, 2), 4, groups=2)),
    "transposed_groups_by_one": exact(nn.ConvTranspose2d(6, 6, 3, groups=3, dilation=2)),
    "transposed_1d_depthwise": flat(exact(nn.ConvTranspose1d(6, 6, 4, 2, 1, groups=6))),
}

POOLS: Mapping[str, Function] = {
    "max_dilated": nn.MaxPool2d(2, 1, dilation=2),
    "max_dilated_padded": nn.MaxPool2d((2, 3), (2, 1), (1, 1), (3, 2)),
    "max_dilated_1d": flat(nn.MaxPool1d(3, 2, 1, 4, ceil_mode=True)),
    "max_adaptive": nn.AdaptiveMaxPool2d((2, 3)),
    "max_adaptive_uneven": nn.AdaptiveMaxPool2d((3, 5)),
    "max_adaptive_1d": flat(nn.AdaptiveMaxPool1d(8)),
    "mean_adaptive": nn.AdaptiveAvgPool2d((4, 3)),
    "mean_adaptive_uneven": nn.AdaptiveAvgPool2d((3, 5)),
    "mean_adaptive_larger": nn.AdaptiveAvgPool2d((7, 3)),
    "mean_adaptive_1d": flat(nn.AdaptiveAvgPool1d(8)),
    "area": lambda x: F.interpolate(x, size=(3, 4), mode="area"),
}

RESIZED: Mapping[str, Function] = {
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "bilinear_corners": lambda x: F.interpolate(
        x, size=(9, 13), mode="bilinear", align_corners=True
    ),
    "bilinear_to_one": lambda x: F.interpolate(x, size=(1, 1), mode="bilinear"),
    "bilinear_smaller": lambda x: F.interpolate(x, size=(2, 4), mode="bilinear"),
    "linear": lambda x: F.interpolate(x.flatten(2), scale_factor=1.5, mode="linear"),
    "linear_corners": lambda x: F.interpolate(
        x.flatten(2), size=69, mode="linear", align_corners=True
    ),
    "bicubic": lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"),
    "smoothed": lambda x: F.interpolate(x, size=(3, 3), mode="bilinear", antialias=True),
}
"""By weights that small whole numbers say."""

UNEVEN: Mapping[str, Function] = {
    "bilinear_uneven": lambda x: F.interpolate(x, size=(11, 9), mode="bilinear"),
    "bilinear_factor": lambda x: F.interpolate(x, scale_factor=(1.7, 2.3), mode="bilinear"),
    "bicubic_corners": lambda x: F.interpolate(x, size=(9, 12), mode="bicubic", align_corners=True),
    "smoothed_cubic": lambda x: F.interpolate(x, size=(3, 4), mode="bicubic", antialias=True),
}
"""By weights that are rounded to 2^-11 along each axis."""

EXACT: Mapping[str, Function] = {
    **GROUPED,
    **TRANSPOSED,
    **TRANSPOSED_GROUPS,
    **POOLS,
    **RESIZED,
}
LAYERS: Mapping[str, Function] = {**EXACT, **UNEVEN}
