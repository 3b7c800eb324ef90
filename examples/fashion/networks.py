# SPDX-License-Identifier: Apache-2.0
"""Two networks for images of 28x28, of the kinds that MLPerf Tiny has."""

from torch import nn

from examples.blocks import Residual, head, norm2


def resnet8() -> nn.Module:
    """The ResNet of MLPerf Tiny at half its channels, 8, 16 and 32."""

    def block(channels: int, out: int, stride: int) -> nn.Module:
        body = nn.Sequential(norm2(channels, out, 3, stride), norm2(out, out, act=False))
        return Residual(body, norm2(channels, out, 1, stride, act=False) if stride > 1 else None)

    blocks = block(8, 8, 1), block(8, 16, 2), block(16, 32, 2)
    return nn.Sequential(norm2(1, 8), *blocks, *head(32, 10))


def ds_cnn() -> nn.Module:
    """Depthwise and pointwise convolutions, as for keywords (https://arxiv.org/abs/1711.07128)."""
    pairs = [layer for _ in range(4) for layer in (norm2(48, 48, groups=48), norm2(48, 48, 1))]
    return nn.Sequential(norm2(1, 48, 5, 4), *pairs, *head(48, 10))
