# SPDX-License-Identifier: Apache-2.0
"""fold-constant-channels: the same real numbers, and int8 that holds them where batch normalization blew channels up."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from examples.export import save_program
from sparsec import frontends
from sparsec.analysis.values.real_intervals import real_intervals
from sparsec.interpreters.run import interpret
from sparsec.passes.calibrate import main_of
from sparsec.passes.fold_batch_norm import FoldBatchNormPass
from sparsec.passes.fold_constant_channels import FoldConstantChannelsPass
from sparsec.passes.fuse_layers import FuseLayersPass
from sparsec.tools.accuracy import values_of
from sparsec.tools.registry import context
from tests.tools.support import Tools


class Blocks(nn.Module):
    """Depthwise and pointwise layers with a shortcut, a pool and a linear layer; `seed` and `zeros` say what is pruned."""

    def __init__(self, seed: int, zeros: float):
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 16, 3, stride=2, padding=seed % 2, groups=8)
        self.groups = nn.Conv2d(16, 8, 1, groups=2)
        self.same = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8 * 4, 3)
        self.pool = nn.AdaptiveAvgPool2d(2) if seed % 3 else nn.AdaptiveMaxPool2d(2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter *= 2.0
                if parameter.ndim > 1:
                    parameter[torch.rand(parameter.shape) < zeros] = 0.0
                else:
                    parameter -= 0.2

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.groups(nn.functional.relu6(self.depthwise(x))))
        x = torch.relu(x + self.same(x))
        return self.last(self.pool(x).flatten(1))


@given(seed=st.integers(0, 10_000), zeros=st.sampled_from([0.0, 0.5, 0.8, 0.95]))
@settings(max_examples=6, deadline=None)
def test_random_networks_compute_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, zeros: float
) -> None:
    path = tmp_path_factory.mktemp("net") / "net.pt2"
    save_program(Blocks(seed, zeros).eval(), torch.rand(2, 1, 12, 12), path)
    module = frontends.load(path).module
    for each in (FoldBatchNormPass(), FuseLayersPass()):
        each.apply(context(), module)
    rng = np.random.default_rng(seed)
    inputs = [(10 * rng.standard_normal((6, 1, 12, 12))).astype(np.float32)]
    [expected] = interpret(module, inputs)
    # No value leaves its interval, and channels that are said to be one number are it.
    known = real_intervals(main_of(module).body.block)
    for value, array in values_of(module, inputs).items():
        if value in known and array.dtype == np.float32:
            slack = 1e-3 * (1 + np.abs(array))
            assert np.all(array >= known[value].low - slack)
            assert np.all(array <= known[value].high + slack)
    FoldConstantChannelsPass().apply(context(), module)
    module.verify()
    [found] = interpret(module, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


class BlownUp(nn.Module):
    """A depthwise channel without weights, whose reader batch normalization has scaled up by 300."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.point = nn.Conv2d(4, 4, 1)
        with torch.no_grad():
            self.depthwise.weight[2] = 0
            self.depthwise.bias[2] = 0.3371  # pyright: ignore[reportOptionalSubscript]
            self.point.weight[1] = 0
            self.point.weight[1, 2] = 300.0
            self.point.bias[1] = -300.0 * 0.3371  # pyright: ignore[reportOptionalSubscript]

    def forward(self, x: Tensor) -> Tensor:
        return self.point(torch.relu(self.depthwise(x)))


def test_a_blown_up_constant_does_not_drown_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = torch.rand(16, 4, 6, 6)
    path, data = tmp_path / "net.pt2", tmp_path / "x.npy"
    save_program(BlownUp().eval(), inputs, path)
    np.save(data, inputs.numpy())
    ended = Tools(capsys).sparsec("accuracy", path, f"--data={data}", "--no-advice", "-q")
    [line] = [line for line in ended.out.splitlines() if line.startswith("int8")]
    assert float(line.split()[1]) > 30
