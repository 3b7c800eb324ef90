# SPDX-License-Identifier: Apache-2.0
"""Batch normalisations go into the layers that they alone read, and into no other call of these layers."""

import copy

import pytest
import torch
from torch import Tensor, nn

from sparsec.compress.batch_norms import complete_batch_norms
from sparsec.compress.pt2e import stop_training
from sparsec.compress.quantization import convert, prepare_ptq, prepare_qat
from sparsec.quiet import only_our_messages


class Shared(nn.Module):
    """Layers that are called twice, with the same normalisation behind them, with two, with one, and other readers."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.conv = nn.ModuleList([nn.Conv2d(2, 2, 3, padding=1, bias=bias) for _ in range(4)])
        self.turned = nn.ConvTranspose2d(4, 4, 3, padding=1, groups=2, bias=bias)
        self.norm = nn.ModuleList([nn.BatchNorm2d(2, affine=index > 0) for index in range(5)])
        self.last = nn.BatchNorm2d(4)
        self.line, self.flat = nn.Linear(2, 2, bias=bias), nn.BatchNorm1d(2)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        one, two, three, four = self.conv
        a, b, c, d, e = self.norm
        same = a(one(a(one(x)).relu()))
        other = c(two(b(two(x)).relu()))
        once = three(d(three(x)).relu())
        read = four(x)
        both = e(read) + read
        line = self.line(x.mean((2, 3)))
        return (
            same,
            other,
            once,
            both,
            self.last(self.turned(torch.cat([x, -x], 1))),
            self.flat(line) - line,
        )


def warmed(model: nn.Module) -> nn.Module:
    """`model` with normalisations that do something."""
    random = torch.Generator().manual_seed(4)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-1, 1, generator=random)
            module.running_var.uniform_(0.2, 3, generator=random)
    return model.eval()


def decibels(real: Tensor, given: Tensor) -> float:
    return float(10 * torch.log10((real**2).sum() / ((real - given) ** 2).sum()))


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_that_others_read_is_as_it_was(bias: bool) -> None:
    torch.manual_seed(3)
    model, x = warmed(Shared(bias)), torch.randn(64, 2, 5, 5)
    prepared = prepare_ptq(model, [x], observer="min-max")
    with torch.no_grad():
        prepared.module(x)
        given = convert(prepared).module()(x)
        for index, (real, int8) in enumerate(zip(model(x), given, strict=True)):
            assert decibels(real, int8) > 30, index
    assert prepared.left_in_float == (
        "norm.4 (aten.batch_norm)",
        "turned (aten.conv_transpose2d)",
        "flat (aten.batch_norm)",
    )


def test_transposed_convolutions_are_trained() -> None:
    torch.manual_seed(5)
    model, x = nn.ConvTranspose2d(4, 2, 3), torch.randn(32, 4, 3, 3)
    prepared = prepare_qat(model, [x])
    optimizer = torch.optim.SGD(prepared.module.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        prepared.module(x).square().mean().backward()
        optimizer.step()
    with only_our_messages():
        simulation = copy.deepcopy(prepared.module)
        stop_training(simulation)
    with torch.no_grad():
        assert decibels(simulation(x), convert(prepared).module()(x)) > 25


def test_factors_and_offsets_are_written() -> None:
    model, x = nn.BatchNorm2d(2, affine=False).eval(), torch.randn(2, 2, 3, 3)
    program = torch.export.export(model, (x,)).module()
    complete_batch_norms(program)
    (norm,) = (node for node in program.graph.nodes if node.op == "call_function")
    assert None not in norm.args[1:5]
    assert torch.equal(program(x), model(x))


@pytest.mark.parametrize("prepare", [prepare_ptq, prepare_qat])
def test_numbers_of_the_batch(prepare: object) -> None:
    model = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False))
    assert callable(prepare)
    with pytest.raises(ValueError, match="track_running_stats=True"):
        prepare(model, [torch.randn(2, 2, 3, 3)])
