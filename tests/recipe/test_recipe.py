# SPDX-License-Identifier: Apache-2.0
"""Recipes: what they say, which wish holds, and what is refused in which words."""

import pytest

from sparsec.formats import Block, Delta8
from sparsec.recipe import Pin, Recipe, Wish, parse_recipe, wish_for_all


def test_one_line() -> None:
    recipe = parse_recipe("conv*: delta8; fc.1: dense")
    assert recipe == Recipe((Wish("conv*", Delta8()), Wish("fc.1", None)))


def test_a_file_with_comments() -> None:
    recipe = parse_recipe("# the stem is small\n\nstem: dense   # keep\n  conv[1-3]*: delta8;\n")
    assert [wish.pattern for wish in recipe.wishes] == ["stem", "conv[1-3]*"]


def test_names_with_other_letters_are_quoted() -> None:
    assert parse_recipe('"a b;c": dense').wishes == (Wish("a b;c", None),)


def test_pins() -> None:
    recipe = parse_recipe(
        "conv1: in dtcm; fc: delta8 in sram; fc.weight: in dtcm\nx: block(4x1, int16) in b2; in: in in"
    )
    assert [wish.pattern for wish in recipe.wishes] == ["fc", "x"]
    assert recipe.wishes[0] == Wish("fc", Delta8())
    assert recipe.pins == (
        Pin("conv1", "dtcm"),
        Pin("fc", "sram"),
        Pin("fc.weight", "dtcm"),
        Pin("x", "b2"),
        Pin("in", "in"),
    )
    assert parse_recipe(recipe.text) == recipe
    assert recipe.wish_for("conv1") is None and not recipe.unmatched(["fc", "x"])


@pytest.mark.parametrize("text", ["", "\n# nothing\n", ";;"])
def test_nothing_is_a_recipe(text: str) -> None:
    assert parse_recipe(text) == Recipe()


def test_the_later_wish_holds() -> None:
    recipe = parse_recipe("*: dense; conv*: delta8")
    assert recipe.wish_for("conv2") == Wish("conv*", Delta8())
    assert recipe.wish_for("fc") == Wish("*", None)
    assert parse_recipe("conv*: delta8").wish_for("fc") is None


def test_names_are_case_sensitive_and_patterns_span_dots() -> None:
    recipe = parse_recipe("features.*: delta8")
    assert recipe.wish_for("features.0.conv") is not None
    assert recipe.wish_for("Features.0") is None


def test_wishes_without_a_layer() -> None:
    recipe = parse_recipe("conv*: delta8; fcc: dense")
    assert [wish.pattern for wish in recipe.unmatched(["conv1", "fc"])] == ["fcc"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv1 delta8", r"recipe, line 1: cannot read 'conv1 delta8': write PATTERN: FORMAT"),
        ("a: dense\nb:", r"recipe, line 2: cannot read 'b:'"),
        ("a: dense b: dense", r"recipe, line 1: cannot read"),
        ("a: zip", r"recipe, line 1: unknown format 'zip', known: dense, delta8"),
        ("\na: delta8(3)", r"recipe, line 2: write delta8 without numbers, not 1 numbers"),
        ("a: in", "cannot read 'a: in': write PATTERN: FORMAT.* or PATTERN: in MEMORY"),
        ("a: in dtcm delta8", "cannot read"),
        ("a: inside dtcm", "cannot read"),
        ("a: dense(4)", r"unknown format 'dense'"),
        ("a: delta8(x)", r"cannot read"),
        ("a: block(4x1, int12)", "recipe, line 1: bits of block are 8 or 16, not 12"),
        ("a: block(int16)", "cannot read"),
        ("a: nm(2:4, int16)", "nm has one width only, leave int16 out"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_recipe(text)


def test_a_recipe_can_be_written_down() -> None:
    recipe = parse_recipe(
        'conv*: delta8; "a b;": nm(2:4); fc: block(4x1); g: block(4x1, int16); x: block-rle(2); y: dense'
    )
    assert "\n" not in recipe.text
    assert parse_recipe(recipe.text) == recipe


def test_one_format_for_all() -> None:
    assert wish_for_all("delta8") == Wish("*", Delta8())
    with pytest.raises(ValueError, match="^unknown format 'zip', known: dense"):
        wish_for_all("zip")
    with pytest.raises(ValueError, match="'delta8 in dtcm' is not one format"):
        wish_for_all("delta8 in dtcm")
    with pytest.raises(ValueError, match="'delta8; a: dense' is not one format"):
        wish_for_all("delta8; a: dense")


def test_a_kernel_is_named_behind_the_format() -> None:
    text = (
        '"dw*": dense by arm_depthwise_conv_wrapper_s8; "fc": block(4x1,int16) by sparsec_x in sram'
    )
    recipe = parse_recipe(text)
    assert recipe.wishes == (
        Wish("dw*", None, "arm_depthwise_conv_wrapper_s8"),
        Wish("fc", Block(4, 1, 16), "sparsec_x"),
    )
    assert [pin.memory for pin in recipe.pins] == ["sram"]
    assert parse_recipe(recipe.text) == recipe
    with pytest.raises(ValueError, match="cannot read 'fc: dense by'"):
        parse_recipe("fc: dense by")
