# SPDX-License-Identifier: Apache-2.0
"""The networks of FPGAI, trained with int8 simulated: interpreter and C give the same bytes, torch neighbours at most."""

from pathlib import Path

import pytest
import torch
from torch import nn

from examples.fpgai.networks import VGG, LeNet, MobileNetV2, ResNet
from sparsec.compress.quantization import convert, prepare_qat, save
from sparsec.interpreters.signature import quantized
from sparsec.tools.torch_comparison import compare_with_torch
from tests.end_to_end.road import compile_to, expect_exact

NETWORKS = {
    "lenet": (lambda: LeNet(width=0.5), (1, 28, 28)),
    "mobilenet": (lambda: MobileNetV2(width=0.125, blocks=1), (3, 32, 32)),
    "resnet": (lambda: ResNet(18, width=0.0625, blocks=1), (3, 32, 32)),
    "vgg": (lambda: VGG(11, width=0.0625), (3, 32, 32)),
}


@pytest.mark.builds
@pytest.mark.parametrize("name", NETWORKS)
def test_three_equal_twins(name: str, tmp_path: Path) -> None:
    make, shape = NETWORKS[name]
    torch.manual_seed(6)
    x, labels = torch.rand(8, *shape), torch.randint(0, 10, (8,))
    prepared = prepare_qat(make(), [x])
    optimizer = torch.optim.SGD(prepared.module.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(prepared.module(x), labels).backward()
        optimizer.step()
    assert prepared.left_in_float == ()
    save(convert(prepared), tmp_path / f"{name}.pt2")
    compiled = compile_to(tmp_path / f"{name}.pt2", "host", "--plan-seconds=0")
    given = quantized([x.numpy()[:2]], compiled.compilation.inputs, False)
    expect_exact(compiled, "host", given)
    compared = compare_with_torch(tmp_path / f"{name}.pt2", [x.numpy()])
    assert compared.largest <= 1
    assert compared.share < 0.25  # means and ties of pools are rounded another way


def test_sizes() -> None:
    """As FPGAI has them: 61,470 weights and 236 biases of LeNet, 54 layers with weights of the others."""
    lenet = LeNet()
    assert sum(p.numel() for p in lenet.parameters() if p.dim() > 1) == 61470
    assert sum(p.numel() for p in lenet.parameters() if p.dim() == 1) == 236
    for model in (MobileNetV2(width=0.125), ResNet(50, width=0.0625)):
        layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) in (53, 54)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert MobileNetV2(width=0.125, blocks=1)(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert any(isinstance(m, nn.BatchNorm2d) for m in VGG(13, width=0.1, norm=True).modules())
