# SPDX-License-Identifier: Apache-2.0
"""Training with int8 simulated, zeros that stay, and programs that run in C with the scales that were trained."""

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torchao.quantization.pt2e import FakeQuantizeBase

from sparsec.compress.pruner import Pruner
from sparsec.compress.pt2e import stop_training
from sparsec.compress.quantization import (
    Prepared,
    convert,
    prepare_ptq,
    prepare_qat,
    save,
    static_masks,
)
from sparsec.frontends import load
from sparsec.frontends.modules import saved
from sparsec.ir import nn as nn_dialect
from sparsec.quiet import only_our_messages
from sparsec.tools.torch_comparison import compare_with_torch
from tests.compress.nets import Crossed, images
from tests.end_to_end.road import compile_to, expect_exact

SHARE = 0.6
"""Of zeros in the convolutions."""


class Residual(nn.Module):
    """Batch normalisation behind convolutions of three kinds, and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(8 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.pointwise(nn.functional.relu6(self.norm(self.depthwise(x)))))
        return self.head(self.dropout(torch.flatten(nn.functional.max_pool2d(x, 2), 1)))


def samples(count: int, seed: int = 7) -> Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))


def masks_of(model: nn.Module) -> dict[str, Tensor]:
    """Random masks of the weights of two convolutions."""
    random = torch.Generator().manual_seed(3)
    names = ("stem.0.weight", "pointwise.weight")
    return {
        name: (torch.rand(model.get_parameter(name).shape, generator=random) >= SHARE).float()
        for name in names
    }


def train(prepared: Prepared, make: Callable[..., torch.optim.Optimizer], **options: Any) -> None:
    """Three steps towards labels that a weight can say something about."""
    x, optimizer = samples(32), make(prepared.module.parameters(), **options)
    labels = x[:, :, 2, 2].argmax(dim=1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(prepared.module(x), labels).backward()
        optimizer.step()


@pytest.fixture(scope="module")
def trained() -> tuple[Prepared, dict[str, Tensor]]:
    """A sparse network, trained with weight decay."""
    torch.manual_seed(2)
    model = Residual()
    masks = masks_of(model)
    prepared = prepare_qat(model, [samples(8)], masks)
    train(prepared, torch.optim.Adam, lr=0.02, weight_decay=0.1)
    return prepared, masks


@pytest.fixture(scope="module")
def written(
    trained: tuple[Prepared, dict[str, Tensor]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("qat") / "residual.pt2"
    save(convert(trained[0]), path)
    return path


@pytest.mark.qemu
def test_a_trained_network_runs_with_its_scales(written: Path) -> None:
    inputs = [np.random.default_rng(1).integers(-128, 128, (4, 3, 6, 6), np.int8)]
    for cpu in ("host", "cortex-m4"):
        expect_exact(compile_to(written, cpu), cpu, inputs)


def test_torch_gives_the_same_numbers_or_neighbours(written: Path) -> None:
    compared = compare_with_torch(written, [samples(200, 11).numpy()])
    assert compared.compared == 200 * 5
    assert compared.largest <= 1
    assert compared.share < 0.05


def test_folding_is_what_was_trained(trained: tuple[Prepared, dict[str, Tensor]]) -> None:
    """Batch normalisations folded into the weights give what the simulation gives, or its neighbours."""
    prepared, _ = trained
    with only_our_messages():
        simulation = copy.deepcopy(prepared.module)
        stop_training(simulation)
    for module in simulation.modules():
        if isinstance(module, FakeQuantizeBase):
            module.disable_observer()
    x = samples(64, 12)
    with torch.no_grad():
        converted, simulated = convert(prepared).module()(x), simulation(x)
    steps = converted.unique()
    step = float((steps[1:] - steps[:-1]).min())
    apart = ((converted - simulated) / step).round()
    assert float(apart.abs().max()) <= 1
    assert float((apart != 0).float().mean()) < 0.2


def test_zeros_stay_and_reach_int8(
    trained: tuple[Prepared, dict[str, Tensor]], written: Path
) -> None:
    prepared, masks = trained
    train(prepared, torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01)
    stored = {
        op.name_in_model: op.array
        for op in load(written).module.walk()
        if isinstance(op, nn_dialect.ConstantOp)
    }
    for name, mask in masks.items():
        weight = prepared.module.get_parameter(name)
        assert bool((weight[mask == 0] == 0).all())
        assert bool((weight[mask == 1] != 0).all())
        int8 = stored[name].transpose(0, 3, 1, 2)
        assert int8.dtype == np.int8
        assert not int8[mask.numpy() == 0].any()
        assert np.count_nonzero(int8) > 0.9 * float(mask.sum())


class Kept(nn.Module):
    """A parametrization that keeps every second weight."""

    def forward(self, weight: Tensor) -> Tensor:
        mask = torch.zeros_like(weight)
        mask.view(-1)[::2] = 1
        return weight * mask


def test_masks_of_torch_are_baked_and_held() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    prune.l1_unstructured(model[0], "weight", 0.5)
    parametrize.register_parametrization(model[2], "weight", Kept())
    model(torch.randn(2, 6))
    prepared = prepare_qat(model, [torch.randn(4, 6)])
    assert {name: int((mask == 0).sum()) for name, mask in prepared.masks.items()} == {
        "0.weight": 12,
        "2.weight": 6,
    }
    optimizer = torch.optim.Adam(prepared.module.parameters(), lr=0.1)
    prepared.module(torch.randn(8, 6)).square().sum().backward()
    optimizer.step()
    for name, mask in prepared.masks.items():
        weight = prepared.module.get_parameter(name)
        assert torch.equal(weight == 0, mask == 0)
    assert prune.is_pruned(model)  # the model itself is as it was
    assert parametrize.is_parametrized(model[2])


def test_static_masks() -> None:
    first = nn.Linear(3, 2)
    model = nn.Sequential(first, nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        first.weight[0, 1] = 0
        first.bias[0] = 0
    assert {name: mask.tolist() for name, mask in static_masks(model).items()} == {
        "0.weight": [[1, 0, 1], [1, 1, 1]]
    }


def test_whole_outputs_that_went_do_not_come_back() -> None:
    """Their biases, and what norms add, are held as their weights are."""
    model, x = Crossed(), images(4)
    pruner = Pruner(model, ratio=0.5, pattern="channels", scope="local")
    pruner.detach()
    assert bool((model.get_parameter("after_first.bias") == 0).any())
    for masks in (pruner.masks, static_masks(model)):
        prepared = prepare_qat(model, [x[:2]], masks)
        optimizer = torch.optim.AdamW(prepared.module.parameters(), 0.1)
        for _ in range(2):
            optimizer.zero_grad()
            prepared.module(x).square().sum().backward()
            optimizer.step()
        held = {name: mask for name, mask in prepared.masks.items() if mask.dim() == 1}
        trained = dict(prepared.module.named_parameters())
        assert {"first.bias", "after_first.bias", "after_second.bias"} <= set(held)
        for name in set(held) & set(trained):
            assert torch.equal(trained[name] == 0, held[name] == 0)


def test_a_program_is_the_same_every_time_and_has_no_paths() -> None:
    prepared = prepare_ptq(nn.Sequential(nn.Linear(3, 2)), [torch.ones(2, 3)])
    prepared.module(torch.randn(4, 3))
    content = saved(convert(prepared))
    assert content == saved(convert(prepared))
    assert str(Path.cwd()).encode() not in content
    assert b'File "' not in content


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"0.weigh": torch.ones(2, 3)}, "no parameter '0.weigh' .*did you mean '0.weight'"),
        ({"0.weight": torch.ones(3, 2)}, r"mask of '0.weight' is \[3, 2\], the parameter \[2, 3\]"),
        ({"0.weight": torch.full((2, 3), 0.5)}, "mask of '0.weight' has other numbers than 0 and"),
    ],
)
def test_masks_that_do_not_fit(masks: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare_qat(nn.Sequential(nn.Linear(3, 2)), [torch.ones(2, 3)], masks)


def test_examples_that_do_not_fit() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(ValueError, match="two samples or more"):
        prepare_ptq(model, [torch.ones(1, 3)])
    with pytest.raises(ValueError, match="the inputs have 2, 3 samples"):
        prepare_ptq(model, [torch.ones(2, 3), torch.ones(3, 3)])
    with pytest.raises(ValueError, match="torch.export cannot export the model: "):
        prepare_ptq(model, [torch.ones(2, 4)])


def test_what_cannot_be_converted() -> None:
    prepared = prepare_ptq(nn.Sequential(nn.Linear(3, 2)), [torch.ones(2, 3)])
    with pytest.raises(ValueError, match="no data has run through"):
        convert(prepared)
    prepared.module(torch.ones(2, 3))
    with torch.no_grad():
        prepared.module.get_parameter("0.bias")[0] = torch.nan
    with pytest.raises(ValueError, match="0.bias has numbers that are not finite"):
        convert(prepared)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    prepared = prepare_ptq(nn.Sequential(nn.Linear(3, 2)), [torch.ones(2, 3)])
    prepared.module(torch.ones(2, 3))
    program = convert(prepared)
    save(program, tmp_path / "m.pt2")
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]
    with pytest.raises(OSError, match="no_such_folder"):
        save(program, tmp_path / "no_such_folder" / "m.pt2")


def test_torchao_is_asked_for_only_where_it_is_needed() -> None:
    code = (
        "import sys; sys.modules['torchao'] = None; import sparsec.compress; "
        "import sparsec.compress.pt2e"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.strip().splitlines()[-1] == (
        "ImportError: quantization needs torchao 0.18: pip install sparsec[compress]"
    )
