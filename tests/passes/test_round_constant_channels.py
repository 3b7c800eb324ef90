# SPDX-License-Identifier: Apache-2.0
"""round-constant-channels: the same real numbers, and int8 that holds what a border makes of a constant channel."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from examples.export import save_program
from sparsec import frontends
from sparsec.interpreters.run import interpret
from sparsec.passes.calibrate import calibrate
from sparsec.passes.fuse_layers import FuseLayersPass
from sparsec.passes.round_constant_channels import Readers, RoundConstantChannelsPass, nearest_step
from sparsec.quantization.observers import MinMaxObserver
from sparsec.quantization.scheme import Quantization
from sparsec.tools.registry import context
from tests.tools.support import Tools


class Borders(nn.Module):
    """A layer with channels without weights, small and large ones, that layers with a border of zeros read: depthwise, behind
    a pool, in groups, of which one reads nothing else, and behind a mean; normalization has scaled the readers up."""

    def __init__(self, seed: int = 0, strides: int = 1, activation: type[nn.Module] = nn.ReLU):
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(2, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, strides, padding=1, groups=8)
        self.pool = nn.MaxPool2d(2)
        self.other = nn.Conv2d(8, 4, 3, padding=1)
        self.groups = nn.Conv2d(8, 4, 3, padding=1, groups=2)
        self.mean = nn.AvgPool2d(3, 2, padding=1)
        self.last = nn.Linear(8, 3)
        self.activation = activation()
        with torch.no_grad():
            self.first.weight[2:] = 0
            bias = self.first.bias
            assert bias is not None
            bias[2:] = torch.tensor([0.002, 0.0113, 0.0371, 0.11, -0.02, 0.9])
            larger = torch.ones(8)
            larger[2:] = 1 / (4 * bias[2:].abs())
            self.depthwise.weight *= larger.reshape(8, 1, 1, 1)
            self.other.weight *= larger.reshape(8, 1, 1)
            self.groups.weight[:2] *= larger[:4].reshape(4, 1, 1)
            self.groups.weight[2:] *= larger[4:].reshape(4, 1, 1)
            self.last.weight *= larger

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y = self.activation(self.first(x))
        means = self.last(self.mean(y).mean((2, 3)))
        return self.depthwise(y), self.other(self.pool(y)), self.groups(y), means


def test_a_border_of_a_constant_does_not_drown_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = torch.rand(16, 2, 8, 8)
    path, data = tmp_path / "net.pt2", tmp_path / "x.npy"
    save_program(Borders().eval(), inputs, path)
    np.save(data, inputs.numpy())
    ended = Tools(capsys).sparsec("accuracy", path, f"--data={data}", "--no-advice", "-q")
    [line] = [line for line in ended.out.splitlines() if line.startswith("int8")]
    assert float(line.split()[1]) > 35


@given(
    seed=st.integers(0, 10_000),
    strides=st.sampled_from([1, 2]),
    activation=st.sampled_from([nn.ReLU, nn.Identity, nn.ReLU6]),
)
@settings(max_examples=6, deadline=None)
def test_random_networks_compute_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, strides: int, activation: type[nn.Module]
) -> None:
    path = tmp_path_factory.mktemp("net") / "net.pt2"
    save_program(Borders(seed, strides, activation).eval(), torch.rand(2, 2, 8, 8), path)
    module = frontends.load(path).module
    FuseLayersPass().apply(context(), module)
    inputs = [np.random.default_rng(seed).standard_normal((4, 2, 8, 8)).astype(np.float32)]
    calibrate(module, inputs, MinMaxObserver)
    before, expected = str(module), interpret(module, inputs)
    RoundConstantChannelsPass().apply(context(), module)
    module.verify()
    assert str(module) != before
    for found, wanted in zip(interpret(module, inputs), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_steps_keep_signs_and_the_range() -> None:
    steps = nearest_step(
        np.array([0.0, 0.01, -0.01, 0.74, 0.76, -9.0, 900.0]), Quantization((0.5,), -108), Readers()
    )
    assert steps.tolist() == [0.0, 0.5, -0.5, 0.5, 1.0, -9.0, 117.5]
    assert nearest_step(np.array([-0.3]), Quantization((0.5,), -128), Readers()).tolist() == [0.0]
    narrow = Readers((), -0.4, 0.9)  # what lies between holds less
    assert nearest_step(np.array([-9.0, 9.0]), Quantization((0.5,), 0), narrow).tolist() == [0, 0.5]
