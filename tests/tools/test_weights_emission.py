# SPDX-License-Identifier: Apache-2.0
"""`--emit=weights-txt` and `weights-bin`: the files hold just the int8 weights of the program, in torch's order."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sparsec.compress.quantization import convert, prepare_ptq, save
from sparsec.compress.weight_files import shapes_of
from sparsec.layouts.weight_files import layers_of_binary, layers_of_text, rescalings_of
from tests.tools.support import Tools


class Flat(nn.Module):
    """A depthwise convolution, and a linear layer behind an image, whose columns the compiler moves."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.depthwise = nn.Conv2d(4, 4, 2, groups=4)
        self.fc = nn.Linear(4 * 3 * 3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.depthwise(torch.relu(self.conv(x)))).flatten(1))


@pytest.mark.parametrize("kind", ["weights-txt", "weights-bin"])
def test_what_is_compiled(kind: str, tools: Tools, elsewhere: Path) -> None:
    torch.manual_seed(2)
    model = Flat()
    prepared = prepare_ptq(model, [torch.randn(4, 2, 6, 6)])
    prepared.module(torch.randn(16, 2, 6, 6))
    program = convert(prepared)
    save(program, Path("net.pt2"))
    ended = tools.sparsec("net.pt2", f"--emit={kind}", "-o", "out")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == "written to out"
    if kind == "weights-txt":
        read = layers_of_text(Path("out/net_weight.txt").read_text(), shapes_of(model))
    else:
        weights, biases = (Path(f"out/net_{part}.bin").read_bytes() for part in ("weight", "bias"))
        read = layers_of_binary(weights, biases, shapes_of(model))
    for name, layer in zip(("conv", "depthwise", "fc"), read, strict=True):
        int8 = program.state_dict[f"{name}.weight"].numpy()
        np.testing.assert_array_equal(layer.weights.astype(int) - 128, int8)
    facts = json.loads(Path("out/net_scales.json").read_text())
    assert facts["schema_version"] == 1
    assert [each["shape"] for each in facts["layers"]] == [list(each) for each in shapes_of(model)]
    lines = rescalings_of(Path("out/net_quant.txt").read_text())
    for each, line in zip(facts["layers"], lines, strict=True):
        assert each["quant_line"] == [line.scale, line.shift, line.zero_point]
        for multiplier, shift, factor in zip(
            each["multipliers"], each["shifts"], each["factors"], strict=True
        ):
            assert factor == multiplier * 2.0 ** (shift - 31)
    assert facts["layers"][1]["output_zero_point"] == 0  # behind relu
    Path("file").write_text("")
    ended = tools.sparsec("net.pt2", f"--emit={kind}", "-o", "file")
    assert ended.code == 2
    assert "cannot write file" in ended.err
