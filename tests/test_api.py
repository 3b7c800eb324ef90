# SPDX-License-Identifier: Apache-2.0
"""`import sparsec`: the words of the command line in Python."""

import doctest
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

import sparsec
from sparsec import api
from tests.frontends.support import export_bytes
from tests.tools.support import images, net


def test_the_example_runs() -> None:
    tests = doctest.DocTestFinder().find(api, globs={})
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_a_module(tmp_path: Path, layout: Literal["nchw", "nhwc"]) -> None:
    model, inputs = net(), images()
    compiled = sparsec.compile(model, inputs, name="tiny", input_layout=layout, flash="512K")
    assert sorted(path.name for path in compiled.write(tmp_path / "out").iterdir()) == sorted(
        compiled.files
    )
    given = inputs[:3] if layout == "nchw" else inputs[:3].permute(0, 2, 3, 1)
    ran = compiled.run(given)
    assert ran.mismatches == 0
    with torch.no_grad():
        expected = model(inputs[:3]).numpy()
    assert np.abs(ran.outputs[0] - expected).max() < 0.05 * np.abs(expected).max()
    layers = {layer["layer"] for layer in compiled.explain()["layers"]}
    assert layers == {"conv", "fc"}


def test_a_file_with_other_inputs(tmp_path: Path) -> None:
    model = tmp_path / "tiny.pt2"
    model.write_bytes(export_bytes(net(), [images()]))
    own = sparsec.compile(model, no_import_check=True)
    other = sparsec.compile(str(model), 3 * images(), target="cortex-m55")
    assert own.report["target"] == "cortex-m4"
    assert other.report["target"] == "cortex-m55"
    assert other.report["inputs"][0]["scale"] == pytest.approx(3 * own.report["inputs"][0]["scale"])


def test_training_mode_comes_back() -> None:
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout()).train()
    sparsec.compile(model, torch.randn(8, 4))
    assert model.training


def test_doubts_are_warnings() -> None:
    with pytest.warns(UserWarning, match="the calibration data is 0 everywhere in input"):
        sparsec.compile(net(), torch.zeros(8, *images().shape[1:]))


def test_bfloat16() -> None:
    inputs = images().to(torch.bfloat16)
    compiled = sparsec.compile(net().to(torch.bfloat16), inputs)
    assert compiled.run(inputs[:2]).mismatches == 0


def test_results_that_are_given() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.layer(x)
            z = torch.empty_like(y)
            torch.add(y, 1.0, out=z)
            return torch.mul(z, y, out=y) + z

    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    model = Reused()
    ran = sparsec.compile(model, x).run(x)
    with torch.no_grad():
        np.testing.assert_allclose(ran.outputs[0], model(x).numpy(), atol=0.1)
    assert all(each.requires_grad for each in model.parameters())


def test_mistakes() -> None:
    with pytest.raises(sparsec.UserError, match="needs inputs"):
        sparsec.compile(net())
    with pytest.raises(sparsec.UserError, match="there is no option 'speed'"):
        sparsec.compile(net(), images(), speed=3)  # pyright: ignore[reportCallIssue]
    with pytest.raises(sparsec.UserError, match="no such file"):
        sparsec.compile("nothing.pt2")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(sparsec, "nothing")  # noqa: B009
