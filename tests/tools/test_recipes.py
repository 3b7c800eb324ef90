# SPDX-License-Identifier: Apache-2.0
"""Recipes from the command line, a file and the module to the bytes that the compiled network gives."""

from pathlib import Path

import numpy as np
import pytest

from tests.tools.support import Tools, images


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
