# SPDX-License-Identifier: Apache-2.0
"""Graphs with quantize and dequantize operations, as PT2E (torch.ao and torchao) writes them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization.fx import _decomposed  # pyright: ignore  # noqa: F401  registers the ops

from sparsec.frontends import FrontendError
from sparsec.interpreters.signature import quantized
from sparsec.ir import nn as nn_dialect
from sparsec.ir import qnn
from sparsec.tools.import_check import difference
from tests.end_to_end.road import compile_to, expect_exact
from tests.frontends.support import assert_same, expected, export_bytes, load_bytes, op_names

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


def test_sixteen_bits(tmp_path: Path) -> None:
    with pytest.raises(FrontendError, match="which is not 8 bits"):
        load_bytes(export_bytes(SixteenBits(), [torch.randn(2, 3)]), tmp_path)


def test_seven_bits_of_an_input(tmp_path: Path) -> None:
    x = torch.tensor([[-3.0, 0.04, 0.11], [12.69, 12.8, 99.0]])
    assert_same(load_bytes(export_bytes(SevenBits(), [x]), tmp_path), SevenBits(), [x])


class WeightsOnly(nn.Module):
    """A linear layer whose weights alone are in int8."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("stored", torch.arange(-24, 24, dtype=torch.int8).reshape(6, 8) * 5)
        self.register_buffer("scales", torch.linspace(0.01, 0.02, 6))
        self.register_buffer("zero_points", torch.zeros(6, dtype=torch.int64))
        self.bias = nn.Parameter(torch.linspace(-1, 1, 6))

    def forward(self, x: Tensor) -> Tensor:
        scheme = (self.scales, self.zero_points, 0, -127, 127, torch.int8)
        weight = Q.dequantize_per_channel(self.stored, *scheme)
        return nn.functional.linear(x, weight, self.bias)


def test_weights_only(tmp_path: Path) -> None:
    """Activations are calibrated, weights stay what they are."""
    path, x = tmp_path / "net.pt2", torch.randn(8, 8)
    path.write_bytes(export_bytes(WeightsOnly(), [x]))
    compilation = compile_to(path, "host").compilation
    assert compilation.accuracy is not None
    (output,) = compilation.accuracy.outputs
    assert output.snr_db is not None
    assert output.snr_db > 35
    assert compilation.quantized is not None
    weights = [
        op.array
        for op in compilation.quantized.walk()
        if isinstance(op, qnn.ConstantOp) and op.array.shape == (6, 8)
    ]
    np.testing.assert_array_equal(weights, [WeightsOnly().get_buffer("stored").numpy()])


class Dynamic(WeightsOnly):
    """The same with a scale of the input that is found as it runs."""

    def forward(self, x: Tensor) -> Tensor:
        limits = (-128, 127)
        scale, zero_point = Q.choose_qparams.tensor(x, *limits, 1e-5, torch.int8)
        stored = Q.quantize_per_tensor.tensor(x, scale, zero_point, *limits, torch.int8)
        x = Q.dequantize_per_tensor.tensor(stored, scale, zero_point, *limits, torch.int8)
        return super().forward(x)


def test_dynamic_quantization(tmp_path: Path) -> None:
    with pytest.raises(FrontendError) as caught:
        load_bytes(export_bytes(Dynamic(), [torch.randn(2, 8)]), tmp_path)
    assert len(str(caught.value).splitlines()) == 2
    assert "quantized_decomposed.choose_qparams" in str(caught.value)
    assert "quantize activations statically (is_dynamic=False)" in str(caught.value)


class Symmetric(WeightsOnly):
    """Activations in [-127, 127] or in seven bits, zero in the middle or not."""

    def forward(self, x: Tensor) -> Tensor:
        def rounded(x: Tensor, scale: float, zero_point: int, low: int, high: int) -> Tensor:
            scheme = (scale, zero_point, low, high, torch.int8)
            return Q.dequantize_per_tensor(Q.quantize_per_tensor(x, *scheme), *scheme)

        x = rounded(x, 0.05, 0, -127, 127)
        y = rounded(super().forward(x), 0.03, 0, -127, 127)
        z = rounded(y + y.flip(1), 0.02, 3, -64, 63)
        return rounded(z.relu(), 0.008, -63, -63, 64)


def test_activations_in_a_part_of_int8(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    x = torch.linspace(-6.35, 6.35, 64).reshape(8, 8)
    path.write_bytes(export_bytes(Symmetric(), [x]))
    loaded = load_bytes(path.read_bytes(), tmp_path)
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None
    compiled = compile_to(path, "host")
    inputs = quantized([x.numpy()], compiled.compilation.inputs)
    (output,) = expect_exact(compiled, "host", inputs)
    (scheme,) = compiled.compilation.outputs
    (wanted,) = expected(Symmetric(), [x])
    stored = np.rint(wanted / scheme.scale + scheme.zero_point)
    assert (stored.min(), stored.max()) == (-63, 64)
    assert np.abs(output - stored).max() <= 2  # each of the layers may round a tie otherwise
    assert (output.min(), output.max()) == (-63, 64)
