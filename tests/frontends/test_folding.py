# SPDX-License-Identifier: Apache-2.0
"""What a model computes from its parameters alone is computed as it is imported."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from sparsec.frontends import FrontendError, folding
from sparsec.frontends.call import Call, Place
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.stand_in import stand_in
from sparsec.frontends.tensors import Parameter
from sparsec.ir import nn as nn_dialect
from tests.frontends.support import (
    assert_same,
    export_bytes,
    load_bytes,
    op_names,
    scripted_bytes,
    traced_bytes,
)


class LoRA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w, self.bias = nn.Parameter(torch.randn(4, 8)), nn.Parameter(torch.randn(4))
        self.a, self.b = nn.Parameter(torch.randn(2, 8)), nn.Parameter(torch.randn(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.w + self.b @ self.a * 0.5, self.bias)


class Attention(nn.Module):
    """Weights that are cut, sorted, put together and scaled to norm 1 before a layer reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 8))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.weight.chunk(2, 0)
        order = torch.argsort(a[:, 0])
        weight = torch.cat([a[order].exp(), F.normalize(b, dim=1)], 0)
        return F.linear(x, torch.where(weight > 0.1, weight, weight * 0.1))


class Made(nn.Module):
    """Constants that no parameter holds."""

    def forward(self, x: Tensor) -> Tensor:
        offsets = torch.arange(8.0) * 0.1 + torch.linspace(0.0, 1.0, 8)
        mask = torch.ones(8).masked_fill(torch.arange(8) > 3, 0.5)
        return x * mask + offsets


class WrittenTo(nn.Module):
    """A constant that is filled piece by piece."""

    def forward(self, x: Tensor) -> Tensor:
        table = torch.zeros(8)
        table[2:4] = 1.5
        table.view(2, 4)[1].add_(0.25)
        return x + table


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], list[str]]] = {
    "lora": (LoRA, (8,), ["nn.linear"]),
    "attention": (Attention, (8,), ["nn.linear"]),
    "made": (Made, (8,), ["nn.batch_norm", "nn.add"]),
    "written_to": (WrittenTo, (8,), ["nn.add"]),
    "weight_norm": (lambda: weight_norm(nn.Linear(8, 3)), (8,), ["nn.linear"]),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", ["exported", "decomposed", "traced"])
def test_parameters_alone(name: str, how: str, tmp_path: Path) -> None:
    build, shape, ops = MODELS[name]
    torch.manual_seed(0)
    model, x = build().eval(), torch.randn(2, *shape)
    content = (
        traced_bytes(model, [x])
        if how == "traced"
        else export_bytes(model, [x], decompose=how == "decomposed")
    )
    loaded = load_bytes(content, tmp_path)
    assert_same(loaded, model, [x])
    assert op_names(loaded) == ops


def test_scripted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = LoRA().eval(), torch.randn(2, 8)
    loaded = load_bytes(scripted_bytes(model), tmp_path, input_shape=[(1, 8)])
    assert_same(loaded, model, [x])
    assert op_names(loaded) == ["nn.linear"]


def test_the_name_of_the_parameter_stays(tmp_path: Path) -> None:
    model, x = LoRA().eval(), torch.randn(2, 8)
    loaded = load_bytes(export_bytes(model, [x]), tmp_path)
    names = [
        op.name_in_model for op in loaded.module.walk() if isinstance(op, nn_dialect.ConstantOp)
    ]
    assert names == ["w", "bias"]


class Random(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand(8)


def test_chance_is_not_folded(tmp_path: Path) -> None:
    with pytest.raises(FrontendError, match=r"aten\.rand at .*call model\.eval\(\)"):
        load_bytes(export_bytes(Random(), [torch.randn(2, 8)]), tmp_path)


def call(name: str, **arguments: object) -> Call:
    return Call(name, arguments, Place("here"))


ONES = Parameter("ones", np.ones((2, 3), np.float32))


def test_a_constant_too_large_is_not_made() -> None:
    huge = call("aten.expand", self=Parameter("n", np.ones(1, np.float32)), size=[1 << 40])
    repeated = call("aten.repeat", self=ONES, repeats=[1 << 20, 1 << 20])
    zeros = call("aten.zeros", size=[1 << 40])
    for each in (repeated, zeros):
        with pytest.raises(UnsupportedError, match="would have [0-9,]+ elements"):
            folding.evaluated(each, each.name)
    with pytest.raises(UnsupportedError, match="would have"):
        folding.evaluated(huge, huge.name)


@pytest.mark.parametrize(
    ("name", "arguments", "constant"),
    [
        ("aten.relu", {"self": ONES}, True),
        ("aten.zeros", {"size": [2]}, True),
        ("aten.rand", {"size": [2]}, False),
        ("aten.bernoulli", {"self": ONES}, False),
        ("aten.dropout", {"input": ONES, "p": 0.5, "train": False}, False),
        ("aten.from_file", {"filename": "x"}, False),
        ("aten.set", {"self": ONES, "source": ONES}, False),
        ("aten.nonsense", {"self": ONES}, False),
        ("aten.__class__", {"self": ONES}, False),
        ("aten.sym_size", {"self": ONES}, False),
        ("quantized_decomposed.quantize_per_tensor", {"input": ONES}, False),
    ],
)
def test_what_is_evaluated(name: str, arguments: dict[str, object], constant: bool) -> None:
    assert folding.is_constant(Call(name, arguments, Place("")), name) == constant


def test_numbers_and_lists() -> None:
    item = folding.evaluated(
        call("aten.item", self=Parameter("n", np.array(3.0, np.float32))), "aten.item"
    )
    assert item == 3.0
    parts = folding.evaluated(call("aten.unbind", self=ONES), "aten.unbind")
    assert [part.shape for part in cast(list[Parameter], parts)] == [(3,), (3,)]


def test_activations_are_not_evaluated() -> None:
    activation = stand_in((1, 3))
    assert not folding.is_constant(call("aten.add", self=activation, other=ONES), "aten.add")
    like = call("aten.zeros_like", self=activation)
    assert folding.is_constant(like, like.name)
    zeros = folding.evaluated(like, like.name)
    assert isinstance(zeros, Parameter)
    assert zeros.array.shape == (1, 3)
