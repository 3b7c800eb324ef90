# SPDX-License-Identifier: Apache-2.0
"""Recipes from the command line, a file and the module to the bytes that the compiled network gives."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.frontends.support import export_bytes
from tests.tools.support import Tools, images, net


@pytest.mark.builds
@pytest.mark.parametrize(
    "recipe", ["conv: bitmap; fc: block(4x1, int16)", "*: dcsr", "*: block(3x2)"]
)
def test_a_recipe_changes_no_byte(tools: Tools, model: Path, cmsis: Path, recipe: str) -> None:
    np.save("x.npy", images().numpy()[:2])
    options = ("--on=host", "--input=x.npy", f"--recipe={recipe}")
    ended = tools.sparsec("run", model, "-q", *options)
    assert ended.code == 0 and "mismatches: 0 of 10 bytes" in ended.out


def test_a_file_and_the_module_say_the_same(tools: Tools, model: Path) -> None:
    Path("wishes.recipe").write_text("conv: bitmap  # small\nfc: dense\n")
    by_file = tools.sparsec(model, "-q", "--emit=kernels", "--recipe=wishes.recipe")
    assert by_file.code == 0
    assert "rt.decode_bitmap_s8" in by_file.out
    text = tools.sparsec(model, "-q", "--emit=qnn").out
    wish = 'attributes {sparsec.recipe = "fc: dense; conv: bitmap", '
    Path("wishes.mlir").write_text(text.replace("attributes {", wish, 1))
    by_module = tools.sparsec("wishes.mlir", "-q", "--emit=kernels")
    assert by_module.out == by_file.out.replace("attributes {", wish, 1)


def test_the_user_overrules_the_module(tools: Tools, model: Path) -> None:
    text = tools.sparsec(model, "-q", "--emit=qnn").out
    wish = 'attributes {sparsec.recipe = "*: bitmap", '
    Path("wishes.mlir").write_text(text.replace("attributes {", wish, 1))
    assert "rt.decode_bitmap" in tools.sparsec("wishes.mlir", "-q", "--emit=kernels").out
    ended = tools.sparsec("wishes.mlir", "-q", "--emit=kernels", "--recipe=*: dense")
    assert ended.code == 0 and "rt.decode_bitmap" not in ended.out


def test_a_pattern_that_flattening_broke(tools: Tools) -> None:
    """2:4 along the columns of the model, which lie channels first: the error says who moved them."""
    pruned = net()
    with torch.no_grad():
        pruned.fc.weight *= torch.tensor([1.0, 0, 1, 0]).repeat(12)
    Path("pruned.pt2").write_bytes(export_bytes(pruned, [images()]))
    ended = tools.sparsec("pruned.pt2", "-q", "--emit=kernels", "--recipe=fc: nm(2:4)")
    assert (ended.code, ended.out) == (2, "")
    assert "layer 'fc' cannot be stored as nm(2:4)" in ended.err
    assert "those of the model: fold-transpose put its columns into the order" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [["--weights=nm(2:4)"], ["--recipe=fc*: nm(2:4)"], ["--recipe=*: dense; fc2: nm(2:4)"]],
)
def test_a_pattern_outlives_dead_channels(tools: Tools, options: list[str]) -> None:
    """Nobody reads channels 0, 1, 6 and 7 of the first layer."""
    torch.manual_seed(0)
    fc1, fc2 = nn.Linear(8, 8), nn.Linear(8, 3)
    with torch.no_grad():
        fc1.weight *= torch.tensor([1.0, 0, 1, 0] * 2)
        fc2.weight *= torch.tensor([0.0, 0, 1, 1, 1, 1, 0, 0])
    layers = OrderedDict[str, nn.Module](fc1=fc1, relu=nn.ReLU(), fc2=fc2)
    example = torch.randn(32, 8)
    Path("net.pt2").write_bytes(export_bytes(nn.Sequential(layers).eval(), [example]))
    ended = tools.sparsec("net.pt2", "-q", "--emit=kernels", *options)
    assert (ended.code, ended.err) == (0, "")
    assert "as <nm, n = 2, m = 4> rows" in ended.out and "6xi8" not in ended.out


def test_a_module_with_a_bad_recipe(tools: Tools, model: Path) -> None:
    text = tools.sparsec(model, "-q", "--emit=qnn").out
    for wish, message in (
        ('"conv bitmap"', "recipe, line 1: cannot read 'conv bitmap'"),
        ("3 : i64", "sparsec.recipe must be text"),
    ):
        given = text.replace("attributes {", f"attributes {{sparsec.recipe = {wish}, ", 1)
        Path("bad.mlir").write_text(given)
        ended = tools.sparsec("bad.mlir", "-q", "--emit=kernels")
        assert (ended.code, ended.out) == (2, "") and message in ended.err
