# SPDX-License-Identifier: Apache-2.0
"""What the quantizer annotates compiles with the program's own scales, and agrees with torch to one step."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsec.compress.quantization import convert, prepare_ptq, save
from sparsec.compress.quantizer import CortexMQuantizer
from sparsec.frontends import load
from sparsec.ir import nn as nn_dialect
from sparsec.ir import qnn
from sparsec.quiet import only_our_messages
from sparsec.tools.torch_comparison import compare_with_torch
from tests.end_to_end.road import Compiled, compile_to


class Images(nn.Module):
    """Every chain of layers with weights, and what moves, joins and pools between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.depthwise = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU6()
        )
        self.pointwise = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Hardtanh(-1.0, 1.5))
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.head = nn.Sequential(nn.Linear(4 * 9, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True))
        self.offsets = nn.Parameter(torch.linspace(-1, 1, 8).reshape(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.pointwise(self.depthwise(x)))
        first, second = x.chunk(2, dim=1)
        x = torch.cat([torch.sigmoid(second), torch.tanh(first)], dim=1) + self.offsets
        x = functional.max_pool2d(x * functional.relu6(x + 3) / 6, 2)
        x = functional.avg_pool2d(functional.pad(self.up(x), (1, 1, 1, 1)), 2)[:, :, :3, :3]
        x = self.head(torch.flatten(x.permute(0, 2, 3, 1), 1))
        return torch.softmax(x, dim=1)


class Signals(nn.Module):
    """Functions of one tensor and of two, norms, reductions, other sizes; the second result is an index."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU())
        self.second = nn.ConvTranspose1d(4, 4, 2)
        self.slopes = nn.PReLU(4, 0.3)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(self.norm(x))
        y = torch.maximum(self.slopes(self.second(x))[..., :6], functional.gelu(x) - x.abs())
        y = y * x - functional.leaky_relu(x, 0.2)
        y = functional.interpolate(y, scale_factor=2, mode="linear").mean(dim=2)
        return y, torch.argmax(y, dim=1)


class InFloat(nn.Module):
    """Calls without an int8 form of their own among others with one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.gate = nn.GLU()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(self.gate(self.linear(x)), dim=1)


def quantized(model: nn.Module, inputs: Sequence[Tensor], path: Path) -> tuple[str, ...]:
    """Write `model` after training; gives what stays in float."""
    prepared = prepare_ptq(model, inputs, observer="min-max")
    prepared.module(*inputs)
    save(convert(prepared), path)
    return prepared.left_in_float


def kinds(compiled: Compiled) -> list[type]:
    return [type(op) for op in compiled.quantized.walk()]


def test_images(tmp_path: Path) -> None:
    model, x = Images(), torch.randn(16, 3, 6, 6)
    assert quantized(model, [x], tmp_path / "m.pt2") == ()
    compiled = compile_to(tmp_path / "m.pt2", "cortex-m4")
    found = kinds(compiled)
    # One table for each of sigmoid, tanh and x * relu6(x + 3) / 6.
    assert found.count(qnn.LookupOp) == 3
    assert found.count(qnn.MulOp) == 0
    # What is joined, cut up, pooled and moved shares the scale of what it is made of.
    assert found.count(qnn.RescaleOp) == 0
    compared = compare_with_torch(tmp_path / "m.pt2", [torch.randn(64, 3, 6, 6).numpy()])
    assert compared.samples == 64
    assert compared.compared == 64 * 6
    assert compared.largest <= 2  # so many layers let a difference of one step grow


def test_weights_keep_their_names_and_have_a_scale_for_each_channel(tmp_path: Path) -> None:
    quantized(Images(), [torch.randn(4, 3, 6, 6)], tmp_path / "m.pt2")
    loaded = load(tmp_path / "m.pt2")
    constants = {
        op.name_in_model: op
        for op in loaded.module.walk()
        if isinstance(op, nn_dialect.ConstantOp) and op.array.dtype == np.int8
    }
    weights = {"stem.0", "depthwise.0", "pointwise.0", "up", "head.0"}
    assert {f"{layer}.weight" for layer in weights} <= set(constants)
    for layer in weights:
        constant = constants[f"{layer}.weight"]
        assert np.abs(constant.array.astype(int)).max() == 127
        (use,) = constant.result.uses
        assert isinstance(use.operation, nn_dialect.DequantizeOp)
        scheme = use.operation.quantization.data
        assert scheme.zero_point == 0
        assert len(scheme.scales) > 1


def test_signals(tmp_path: Path) -> None:
    inputs = [torch.randn(8, 2, 8)]
    assert quantized(Signals(), inputs, tmp_path / "m.pt2") == ()
    found = kinds(compile_to(tmp_path / "m.pt2", "cortex-m4"))
    assert qnn.PreluOp in found
    assert qnn.NormalizeOp in found
    assert qnn.ArgMaxOp in found
    # gelu(x) - |x| is one function, as is leaky_relu.
    assert found.count(qnn.LookupOp) == 2
    compared = compare_with_torch(tmp_path / "m.pt2", [torch.randn(64, 2, 8).numpy()])
    assert compared.compared == 64 * 5
    assert compared.largest <= 2


def test_what_stays_in_float_is_listed(tmp_path: Path) -> None:
    left = quantized(InFloat(), [torch.randn(4, 8)], tmp_path / "m.pt2")
    assert left == ("gate (aten.glu)", "cumsum (aten.cumsum)")


def test_a_linear_layer_with_batch_normalization_is_listed_in_training() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    quantizer = CortexMQuantizer(qat=True)
    with only_our_messages():
        quantizer.annotate(torch.export.export(model.train(), (torch.randn(4, 4),)).module())
    assert quantizer.left_in_float == ["0 (aten.linear)", "1 (aten.batch_norm)"]


def test_an_observer_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no observer 'mse': histogram, min-max"):
        CortexMQuantizer(observer="mse")
