# SPDX-License-Identifier: Apache-2.0
"""Graphs with quantize and dequantize operations, as PT2E (torch.ao and torchao) writes them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization.fx import _decomposed  # pyright: ignore  # noqa: F401  registers the ops

from sparsec.frontends import FrontendError
from sparsec.ir import nn as nn_dialect
from tests.frontends.support import assert_same, export_bytes, load_bytes, op_names

Q = torch.ops.quantized_decomposed


class Quantized(nn.Module):
    """A convolution with a weight for each channel and activations of `dtype`, by tensor or number."""

    def __init__(self, dtype: torch.dtype = torch.int8, folded: bool = True):
        super().__init__()
        self.low, self.high = (0, 255) if dtype == torch.uint8 else (-128, 127)
        self.zero_point = 120 if dtype == torch.uint8 else -8
        self.dtype, self.folded = dtype, folded
        self.register_buffer("scales", torch.tensor([0.01, 0.02, 0.03, 0.04]))
        self.register_buffer("zero_points", torch.zeros(4, dtype=torch.int64))
        self.register_buffer("input_scale", torch.tensor(0.05))
        self.register_buffer("input_zero_point", torch.tensor(self.zero_point))
        weight = torch.randn(4, 3, 2, 2)
        stored = (weight * 40).round().clamp(-127, 127).to(torch.int8)
        self.register_buffer("stored", stored)
        self.weight = nn.Parameter(weight)
        self.register_buffer("bias", torch.arange(4, dtype=torch.int32) * 100)

    def forward(self, x: Tensor) -> Tensor:
        low, high = self.low, self.high
        args = (self.input_scale, self.input_zero_point, low, high, self.dtype)
        x = Q.dequantize_per_tensor.tensor(Q.quantize_per_tensor.tensor(x, *args), *args)
        scheme = (self.scales, self.zero_points, 0, -127, 127, torch.int8)
        stored = self.stored
        if not self.folded:
            stored = Q.quantize_per_channel(self.weight, *scheme)
        weight = Q.dequantize_per_channel(stored, *scheme)
        wide = (0.0005, 0, -(2**31), 2**31 - 1, torch.int32)
        bias = Q.dequantize_per_tensor(self.bias, *wide)
        y = torch.relu(nn.functional.conv2d(x, weight, bias))
        # Sums here are multiples of 0.0005: with this scale none is a tie.
        out = (0.0213, low, low, high, self.dtype)
        return Q.dequantize_per_tensor(Q.quantize_per_tensor(y, *out), *out)


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8])
def test_quantize_and_dequantize(dtype: torch.dtype, folded: bool, tmp_path: Path) -> None:
    model, x = Quantized(dtype, folded), torch.randn(2, 3, 4, 5)
    loaded = load_bytes(export_bytes(model, [x]), tmp_path)
    assert_same(loaded, model, [x])
    assert op_names(loaded) == [
        *("nn.transpose", "nn.quantize", "nn.dequantize", "nn.dequantize", "nn.conv2d"),
        *("nn.clamp", "nn.quantize", "nn.dequantize", "nn.transpose"),
    ]
    quantize, _ = (op for op in loaded.module.walk() if isinstance(op, nn_dialect.QuantizeOp))
    scheme = quantize.quantization.data
    assert scheme.zero_point == -8
    assert scheme.scale == pytest.approx(0.05)
    weight = next(
        op
        for op in loaded.module.walk()
        if isinstance(op, nn_dialect.ConstantOp) and op.array.dtype == np.int8
    )
    assert weight.array.shape == (4, 2, 2, 3)
    if folded:
        stored = model.get_buffer("stored").numpy()
        np.testing.assert_array_equal(weight.array, stored.transpose(0, 2, 3, 1))
    (dequantize,) = weight.result.uses
    assert isinstance(dequantize.operation, nn_dialect.DequantizeOp)
    assert dequantize.operation.quantization.data.axis == 0


class Depthwise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("stored", torch.randint(-127, 128, (3, 1, 2, 2), dtype=torch.int8))
        self.register_buffer("scales", torch.tensor([0.01, 0.02, 0.03]))
        self.register_buffer("zero_points", torch.zeros(3, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        weight = Q.dequantize_per_channel(
            self.stored, self.scales, self.zero_points, 0, -127, 127, torch.int8
        )
        return nn.functional.conv2d(x, weight, groups=3)


def test_scales_follow_their_axis(tmp_path: Path) -> None:
    model, x = Depthwise(), torch.randn(2, 3, 4, 5)
    loaded = load_bytes(export_bytes(model, [x]), tmp_path)
    assert_same(loaded, model, [x])
    (op,) = (op for op in loaded.module.walk() if isinstance(op, nn_dialect.DequantizeOp))
    assert op.quantization.data.axis == 3


class SixteenBits(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        scheme = (0.1, 0, -32768, 32767, torch.int16)
        return Q.dequantize_per_tensor(Q.quantize_per_tensor(x, *scheme), *scheme)


class SevenBits(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        scheme = (0.1, 0, 0, 127, torch.uint8)
        return Q.dequantize_per_tensor(Q.quantize_per_tensor(x, *scheme), *scheme)


@pytest.mark.parametrize(
    ("model", "reason"), [(SixteenBits(), "which is not 8 bits"), (SevenBits(), "all of 8 bits")]
)
def test_other_widths(model: nn.Module, reason: str, tmp_path: Path) -> None:
    with pytest.raises(FrontendError, match=reason):
        load_bytes(export_bytes(model, [torch.randn(2, 3)]), tmp_path)
