# SPDX-License-Identifier: Apache-2.0
"""How good the int8 network is, said at every compilation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparsec.tools.accuracy import NOISE_DB, SAMPLES, snr
from tests.frontends.support import export_bytes
from tests.tools.support import Tools, images, net

Array = np.ndarray[Any, Any]


class Spread(nn.Module):
    """A layer whose result has one large value, which costs the others their digits."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Linear(8, 8)
        self.coarse = nn.Linear(8, 8)
        self.last = nn.Linear(8, 4)
        with torch.no_grad():
            self.coarse.bias[0] = 500.0
            self.last.weight[:, 0] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.coarse(self.fine(x)))


def test_snr() -> None:
    x = np.array([3.0, 4.0])
    assert snr(x, x) is None
    assert snr(x, x + [0.3, 0.4]) == pytest.approx(20.0)
    assert snr(0 * x, x) == NOISE_DB
    assert snr(
        np.array([3.0, 4.0, np.inf, np.nan]), np.array([3.3, 4.4, 9.0, 9.0])
    ) == pytest.approx(20.0)


class Quotient(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a / b


def no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def test_what_rounds_to_a_division_by_0(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    inputs = [torch.randn(8, 500), torch.randn(8, 500)]
    Path("net.pt2").write_bytes(export_bytes(Quotient(), inputs))
    ended = tools.sparsec("net.pt2", "-o", "out")
    assert "nan" not in ended.out
    json.loads(Path("out/report.json").read_text(), parse_constant=no_number)


@pytest.mark.parametrize("least", [0.05, 0.5, 1.0])
def test_a_quotient_loses_what_its_divisor_loses_as_int8(
    tools: Tools, elsewhere: Path, cmsis: Path, least: float
) -> None:
    """No kernel that divides bytes would be more exact than the product with a table of reciprocals is."""
    a, b = torch.randn(8, 500), torch.rand(8, 500) * 2 + least
    Path("net.pt2").write_bytes(export_bytes(Quotient(), [a, b]))
    assert tools.sparsec("net.pt2", "-o", "out").code == 0
    report = json.loads(Path("out/report.json").read_text())

    def rounded(x: Array, place: dict[str, Any]) -> Array:
        scale, zero_point = float(place["scale"]), int(place["zero_point"])
        steps: Array = np.clip(np.round(x / scale) + zero_point, -128, 127)
        return (steps - zero_point) * scale

    first, second = (
        rounded(x.numpy(), place) for x, place in zip((a, b), report["inputs"], strict=True)
    )
    divided = rounded(first / second, report["outputs"][0])
    best = snr((a / b).numpy(), divided)
    assert best is not None
    assert report["accuracy"]["outputs"][0]["snr_db"] > best - 0.5


def test_the_outputs_are_the_device_s_own(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    model, inputs = net(), images()
    Path("tiny.pt2").write_bytes(export_bytes(model, [inputs]))
    np.save("x.npy", inputs[:SAMPLES].numpy())
    ran = tools.sparsec("run", "tiny.pt2", "--input=x.npy", "--json", "-q")
    ended = tools.sparsec("tiny.pt2", "-o", "out")
    report = json.loads(Path("out/report.json").read_text())
    [place], facts = report["outputs"], report["accuracy"]
    got = (np.array(json.loads(ran.out)["outputs"][0]) - place["zero_point"]) * place["scale"]
    with torch.no_grad():
        expected = model(inputs[:SAMPLES]).numpy()
    assert facts["samples"] == len(expected)
    assert facts["outputs"][0]["snr_db"] == pytest.approx(snr(expected, got), abs=0.01)
    same = np.count_nonzero(expected.argmax(1) == got.argmax(1)) / len(expected)
    assert facts["outputs"][0]["same_arg_max"] == same
    assert f"accuracy   {facts['outputs'][0]['snr_db']:.1f} dB, arg max" in ended.out


def test_the_worst_layer_is_named(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    torch.manual_seed(0)
    Path("net.pt2").write_bytes(export_bytes(Spread(), [torch.randn(8, 8)]))
    ended = tools.sparsec("net.pt2", "-o", "out")
    layers = json.loads(Path("out/report.json").read_text())["accuracy"]["layers"]
    assert [layer["layer"] for layer in layers] == ["fine", "coarse", "last"]
    added = {layer["layer"]: layer["added_snr_db"] for layer in layers}
    # 500 alone says nothing of how the other values fare; behind it all digits are lost.
    assert layers[2]["snr_db"] < 25 < added["fine"]
    assert "least exact layer: " in ended.out
    assert all(0 < layer["range_used"] <= 1 for layer in layers)
    assert layers[1]["saturated"] >= 1 / 8


def test_a_quantized_network_has_no_float_one(
    tools: Tools, texts: dict[str, Path], elsewhere: Path, cmsis: Path
) -> None:
    ended = tools.sparsec(texts["qnn"], "-o", "out")
    assert json.loads(Path("out/report.json").read_text())["accuracy"] is None
    assert "accuracy" not in ended.out


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_calibration_data_is_told(
    tools: Tools, elsewhere: Path, cmsis: Path, value: float
) -> None:
    Path("net.pt2").write_bytes(export_bytes(net(), [torch.full_like(images(), value)]))
    ended = tools.sparsec("net.pt2", "-o", "out")
    assert ended.code == 0
    assert f"the calibration data is {value:g} everywhere in input x" in ended.err
    assert "warning" not in tools.sparsec("net.pt2", "-q", "-o", "out").err


def test_a_layer_of_tiny_values_is_told(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    first = nn.Linear(8, 8)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.mul_(1e-9)
    model = nn.Sequential(first, nn.Linear(8, 4))
    Path("net.pt2").write_bytes(export_bytes(model, [torch.randn(8, 8)]))
    assert "layer 0 gives values within" in tools.sparsec("net.pt2", "-o", "out").err


def test_a_function_of_a_small_range_has_a_scale_of_its_own(
    tools: Tools, elsewhere: Path, cmsis: Path
) -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)
            with torch.no_grad():
                for parameter in self.layer.parameters():
                    parameter.mul_(0.02)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = self.layer(x)
            return torch.tanh(y), torch.tanh(100 * y)

    torch.manual_seed(0)
    Path("net.pt2").write_bytes(export_bytes(Small(), [torch.randn(8, 8)]))
    assert tools.sparsec("net.pt2", "-o", "out").code == 0
    report = json.loads(Path("out/report.json").read_text())
    assert report["outputs"][0]["scale"] < 1 / 1024
    assert report["outputs"][1]["scale"] == 1 / 128
    assert report["accuracy"]["outputs"][0]["snr_db"] > 30


def test_an_output_that_is_of_no_use_is_told(tools: Tools, elsewhere: Path, cmsis: Path) -> None:
    class Quotient(nn.Module):
        """By what can be nearly 0."""

        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu(x)
            return y / (y.sum(1, keepdim=True) + 1e-6)

    torch.manual_seed(0)
    Path("net.pt2").write_bytes(export_bytes(Quotient(), [torch.randn(64, 3)]))
    ended = tools.sparsec("net.pt2", "-o", "out")
    assert ended.code == 0
    assert "warning: output 0 is at" in ended.err and "sparsec accuracy --layers" in ended.err
    assert "warning" not in tools.sparsec("net.pt2", "-q", "-o", "out").err
