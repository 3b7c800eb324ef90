# SPDX-License-Identifier: Apache-2.0
"""Every operator against torch, through torch.export (plain and decomposed) and through TorchScript."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.frontends.support import assert_same, export_bytes, load_bytes, op_names, traced_bytes


class Apply(nn.Module):
    """A function as a model."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Case(NamedTuple):
    model: nn.Module
    shape: tuple[int, ...]
    ops: tuple[str, ...] | None = None
    """The operations of nn that must come out, where that matters."""


def with_statistics(norm: nn.Module) -> nn.Module:
    """A batch normalization whose constants are all different from their defaults."""
    for tensor in (*norm.parameters(), *norm.buffers()):
        if tensor.dtype == torch.float32:
            nn.init.uniform_(tensor, 0.5, 1.5)
    return norm


def of(
    function: Callable[[Tensor], Tensor], *shape: int, ops: tuple[str, ...] | None = None
) -> Case:
    return Case(Apply(function), shape, ops)


def both_ways(x: Tensor) -> Tensor:
    y = F.relu(x)
    return torch.cat([y.flatten(1), y.transpose(2, 3).flatten(1)], 1)


COLUMN = torch.linspace(0.5, 2.0, 3).reshape(1, 3, 1, 1)
OFFSETS = torch.linspace(0.5, 2.0, 3)
MATRIX = torch.linspace(-1.0, 1.0, 12).reshape(4, 3)

CASES: dict[str, Case] = {
    "conv": Case(nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(1, 0)), (3, 7, 6)),
    "conv_dilated": Case(nn.Conv2d(3, 5, 3, dilation=(1, 2), bias=False), (3, 7, 9)),
    "conv_one_channel": Case(
        nn.Conv2d(1, 2, 3), (1, 5, 5), ("nn.reshape", "nn.conv2d", "nn.transpose")
    ),
    "conv_same": Case(nn.Conv2d(2, 3, (3, 5), padding="same", dilation=(2, 1)), (2, 6, 5)),
    "conv_same_even": Case(nn.Conv2d(2, 3, (4, 3), padding="same"), (2, 6, 5)),
    "conv_valid": Case(nn.Conv2d(2, 3, 2, padding="valid"), (2, 4, 4)),
    "depthwise": Case(
        nn.Conv2d(3, 6, 3, padding=1, groups=3),
        (3, 5, 4),
        ("nn.transpose", "nn.depthwise_conv2d", "nn.transpose"),
    ),
    "conv1d": Case(
        nn.Sequential(nn.Conv1d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv1d(4, 2, 2)),
        (3, 9),
    ),
    "conv1d_depthwise": Case(nn.Conv1d(3, 6, 3, groups=3, dilation=2), (3, 9)),
    "linear": Case(nn.Linear(6, 4), (6,), ("nn.linear",)),
    "linear_without_bias": Case(nn.Linear(6, 4, bias=False), (6,)),
    "linear_over_rows": Case(nn.Linear(6, 4), (5, 6)),
    "matmul": of(lambda x: torch.mm(x, MATRIX) + OFFSETS, 4),
    "batch_norm_2d": Case(with_statistics(nn.BatchNorm2d(3)), (3, 4, 2)),
    "batch_norm_1d": Case(with_statistics(nn.BatchNorm1d(3)), (3,)),
    "batch_norm_1d_signal": Case(with_statistics(nn.BatchNorm1d(3)), (3, 4)),
    "batch_norm_plain": Case(nn.BatchNorm2d(3, affine=False), (3, 4, 2)),
    "relu": Case(nn.ReLU(), (3,)),
    "relu6": Case(nn.ReLU6(), (3,)),
    "hardtanh": Case(nn.Hardtanh(-0.5, 0.25), (3,)),
    "clamp": of(lambda x: x.clamp(-0.1, 0.2).clamp(min=0.0).clamp_max(0.1), 8),
    "sigmoid": Case(nn.Sigmoid(), (8,)),
    "tanh": Case(nn.Tanh(), (8,)),
    "hardswish": Case(nn.Hardswish(), (8,)),
    "hardsigmoid": Case(nn.Hardsigmoid(), (8,)),
    "silu": Case(nn.SiLU(), (8,)),
    "gelu": Case(nn.GELU(), (8,)),
    "gelu_tanh": Case(nn.GELU(approximate="tanh"), (8,)),
    "softmax": Case(nn.Softmax(dim=-1), (5,)),
    "softmax_of_channels": Case(
        nn.Softmax(dim=1), (5, 2, 3), ("nn.transpose", "nn.softmax", "nn.transpose")
    ),
    "softmax_of_width": Case(nn.Softmax(dim=3), (5, 2, 3)),
    "add": of(lambda x: x + F.relu(x), 3, 4, 2),
    "add_number": of(lambda x: 1.5 + x + 2, 3),
    "add_constant": of(lambda x: x + COLUMN, 3, 4, 2),
    "sub_constant": of(lambda x: torch.sub(x, COLUMN, alpha=2), 3, 4, 2),
    "scale": of(lambda x: (x - COLUMN) / COLUMN * 0.5, 3, 4, 2),
    "max_pool": Case(nn.MaxPool2d((3, 2), (2, 1), (1, 0)), (3, 7, 6)),
    "max_pool_ceil": Case(nn.MaxPool2d(3, 2, 1, ceil_mode=True), (3, 6, 8)),
    "max_pool_ceil_dropped": Case(nn.MaxPool2d(2, 3, 1, ceil_mode=True), (3, 5, 6)),
    "max_pool_1d": Case(nn.MaxPool1d(2), (3, 8)),
    "avg_pool": Case(nn.AvgPool2d(2), (3, 4, 6)),
    "avg_pool_padded": Case(nn.AvgPool2d(3, 2, 1), (3, 6, 7)),
    "avg_pool_uncounted": Case(nn.AvgPool2d(3, 2, 1, count_include_pad=False), (3, 6, 7)),
    "avg_pool_ceil": Case(nn.AvgPool2d(3, 2, ceil_mode=True), (3, 6, 8)),
    "avg_pool_ceil_padded": Case(nn.AvgPool2d(3, 2, 1, ceil_mode=True), (3, 6, 8)),
    "avg_pool_1d": Case(nn.AvgPool1d(2), (3, 8)),
    "adaptive": Case(nn.AdaptiveAvgPool2d((2, 3)), (3, 4, 6)),
    "adaptive_to_one": Case(nn.AdaptiveAvgPool2d(1), (3, 4, 6)),
    "adaptive_1d": Case(nn.AdaptiveAvgPool1d(2), (3, 8)),
    "mean": of(lambda x: x.mean((2, 3)), 3, 4, 6),
    "mean_kept": of(lambda x: x.mean([-1, -2], keepdim=True), 3, 4, 6),
    "mean_of_rows": of(lambda x: x.mean(2), 3, 4, 6),
    "mean_of_columns": of(lambda x: x.mean(3, keepdim=True), 3, 4, 6),
    "mean_of_signal": of(lambda x: x.mean(-1), 3, 6),
    "mean_channels_last": of(lambda x: x.permute(0, 2, 3, 1).mean((1, 2)), 3, 4, 6),
    "flatten": Case(nn.Flatten(), (3, 4, 2), None),
    "flatten_part": of(lambda x: x.flatten(2), 3, 4, 2),
    "view": of(lambda x: x.view(x.size(0), -1).reshape(-1, 4, 6), 3, 4, 2),
    "unflatten": of(lambda x: cast(Tensor, x.unflatten(1, (3, 2, 4))).relu(), 24),
    "squeeze": of(lambda x: torch.relu(x.unsqueeze(1)).squeeze(1), 3, 4),
    "squeeze_pooled": of(lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1), 3, 4, 4),
    "permute": of(lambda x: torch.relu(x.permute(0, 3, 1, 2)).transpose(1, -1), 3, 4, 2),
    "permuted_and_not": of(both_ways, 3, 4, 4),
    "channel_shuffle": of(
        lambda x: x.view(-1, 2, 3, 4, 2).transpose(1, 2).reshape(-1, 6, 4, 2).relu(), 6, 4, 2
    ),
    "pad": of(lambda x: F.pad(x, (1, 2, 0, 3), value=0.5), 3, 4, 2),
    "pad_zero": Case(nn.ZeroPad2d((1, 0, 2, 0)), (3, 4, 2)),
    "cat": of(lambda x: torch.cat([x, torch.relu(x), x], 1), 3, 4, 2),
    "cat_width": of(lambda x: torch.cat([x, F.relu(x)], -1), 3, 4, 2),
    "removed": Case(
        nn.Sequential(nn.Dropout(), nn.Identity(), nn.Dropout2d()),
        (3, 4, 2),
        ("nn.transpose", "nn.transpose"),
    ),
    "copied": of(lambda x: x.to(torch.float32).contiguous().clone() + 0.5, 3),
}

torch.manual_seed(0)


# torch warns that an even kernel with padding="same" costs a copy.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@pytest.mark.parametrize("name", CASES)
def test_exported(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    inputs = [torch.randn(2, *case.shape)]
    loaded = load_bytes(export_bytes(case.model, inputs), tmp_path)
    assert_same(loaded, case.model, inputs)
    if case.ops is not None:
        assert tuple(op_names(loaded)) == case.ops


@pytest.mark.parametrize("name", CASES)
def test_traced(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    inputs = [torch.randn(2, *case.shape)]
    content = traced_bytes(case.model, inputs)
    assert_same(load_bytes(content, tmp_path), case.model, inputs)


@pytest.mark.parametrize(
    "name",
    ["conv", "depthwise", "linear", "batch_norm_2d", "max_pool_ceil", "adaptive",
     "softmax", "flatten", "linear_without_bias", "gelu", "mean", "pad", "scale"],
)  # fmt: skip
def test_decomposed(name: str, tmp_path: Path) -> None:
    """The graph after torch's own decompositions, with aten.convolution, addmm and so on."""
    case = CASES[name]
    inputs = [torch.randn(2, *case.shape)]
    loaded = load_bytes(export_bytes(case.model, inputs, decompose=True), tmp_path)
    assert_same(loaded, case.model, inputs)
