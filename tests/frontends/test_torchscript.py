# SPDX-License-Identifier: Apache-2.0
"""TorchScript: control flow over shapes, shapes from the trace or from the user, and refusals."""

import warnings
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from examples.zoo import ZOO, example_inputs, random_model
from sparsec.frontends import FrontendError, torchscript
from tests.frontends.support import (
    assert_same,
    export_bytes,
    load_bytes,
    op_names,
    scripted_bytes,
    traced_bytes,
)


@pytest.mark.parametrize("name", ZOO)
def test_every_example_network(name: str, tmp_path: Path) -> None:
    """The same operations of nn come from torch.export, a trace and a script."""
    model, x = random_model(name, 0), example_inputs(name, 2, 1)
    shape = [[1, *x.shape[1:]]]
    exported = load_bytes(export_bytes(model, [x]), tmp_path)
    traced = load_bytes(traced_bytes(model, [x]), tmp_path)
    scripted = load_bytes(scripted_bytes(model), tmp_path, input_shape=shape)
    assert op_names(traced) == op_names(exported)
    assert op_names(scripted) == op_names(exported)
    assert_same(exported, model, [x], samples=1)
    assert_same(scripted, model, [x], samples=1)


class Looping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2:
            raise ValueError("two dimensions, please")
        for layer in self.layers:
            x = torch.relu(layer(x))
        for _ in range(x.shape[1] - 2):
            x = x + 1.0
        return x if x.shape[1] == 4 else torch.cumsum(x, 0)


def test_control_flow_over_shapes(tmp_path: Path) -> None:
    model, x = Looping(), torch.randn(2, 4)
    loaded = load_bytes(scripted_bytes(model), tmp_path, input_shape=[[1, 4]])
    assert_same(loaded, model, [x])
    with pytest.raises(FrontendError, match="raises an exception for this input: two dimensions"):
        load_bytes(scripted_bytes(model), tmp_path, input_shape=[[1, 4, 4]])


class OnValues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) if bool(x.sum() > 0) else torch.tanh(x)


def test_control_flow_over_values(tmp_path: Path) -> None:
    with pytest.raises(FrontendError, match=r"aten\.sum at sum_\w+ \(test_torchscript.py:\d+\)"):
        load_bytes(scripted_bytes(OnValues()), tmp_path, input_shape=[[1, 4]])


class Endless(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        n = 0
        while n >= 0:
            n = n + 1
        return x


def test_endless_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchscript, "MAX_STEPS", 1000)
    with pytest.raises(FrontendError, match="loops for too long"):
        load_bytes(scripted_bytes(Endless()), tmp_path, input_shape=[[1, 4]])


def test_shapes_that_the_archive_does_not_tell(tmp_path: Path) -> None:
    with pytest.raises(FrontendError, match=r"its inputs \(x\): give --input-shape"):
        load_bytes(scripted_bytes(Looping()), tmp_path)
    with pytest.raises(FrontendError, match="the model has 1 inputs"):
        load_bytes(scripted_bytes(Looping()), tmp_path, input_shape=[[1, 4], [1, 4]])


def test_training_mode(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
    content = scripted_bytes(model, training=True)
    with pytest.raises(FrontendError, match=r"call model\.eval\(\) before the export"):
        load_bytes(content, tmp_path, input_shape=[[1, 3]])


def test_all_unsupported_operations_are_listed(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.i0(torch.lgamma(torch.round(x, decimals=2)))

    model = nn.Sequential(Odd())
    with pytest.raises(FrontendError) as caught:
        load_bytes(traced_bytes(model, [torch.randn(2, 4, 5, 5)]), tmp_path)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("the model uses 3 operations that cannot be compiled:")
    assert lines[0].startswith("  aten.round at round")
    assert lines[0].endswith("its argument 'decimals' is not supported")
    assert [line.split()[0] for line in lines[1:]] == ["aten.lgamma", "aten.i0"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    model, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU()).to(dtype), torch.randn(2, 3)
    loaded = load_bytes(scripted_bytes(model), tmp_path, input_shape=[(1, 3)])
    assert loaded.converted == (str(dtype).removeprefix("torch."),)
    assert_same(loaded, model.float(), [x])


def test_float32_is_not_converted(tmp_path: Path) -> None:
    loaded = load_bytes(traced_bytes(nn.Linear(3, 4), [torch.randn(2, 3)]), tmp_path)
    assert loaded.converted == ()


def test_quantized_modules_of_torch(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all of this is deprecated
        quantize = cast(Any, torch.ao.quantization).quantize_dynamic
        quantized = cast(nn.Module, quantize(model, {nn.Linear}))
    with pytest.raises(FrontendError) as caught:
        load_bytes(scripted_bytes(quantized), tmp_path, input_shape=[(1, 3)])
    assert str(caught.value).endswith(
        "export the float model, or one quantized by PT2E, with torch.export.save"
    )
