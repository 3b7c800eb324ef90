# SPDX-License-Identifier: Apache-2.0
"""A recipe says how the weights of layers are to be stored, and what lies in which memory of the chip:
`"conv*: delta8; fc: block(4x1) in sram; conv1: in dtcm"`.

The rule: a wish is met or refused, never quietly dropped. Of two wishes for one layer the later holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TypeAlias

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from sparsec.formats import FORMATS, SparseFormat

DENSE = "dense"

AUTO = "auto"
"""Stands for no wish for all layers."""

BITS = "bits"
"""The field of a format for the width of what it stores."""

RecipeTree: TypeAlias = "Tree[Token]"


@dataclass(frozen=True)
class Wish:
    """Layers whose names match `pattern`, a shell pattern, are to be stored as `format`; None is dense. `kernel` is the C
    function that is to run them, if it matters."""

    pattern: str
    format: SparseFormat | None
    kernel: str | None = None

    @property
    def label(self) -> str:
        """What is wished for, in the language of recipes."""
        return way_label(DENSE if self.format is None else self.format.label, self.kernel)


def way_label(format: str, kernel: str | None) -> str:
    """A format and the C function that runs it, if it matters, in the language of recipes."""
    return format if kernel is None else f"{format} by {kernel}"


@dataclass(frozen=True)
class Pin:
    """What the layers write whose names match `pattern`, or the constants called so, are to lie in `memory`."""

    pattern: str
    memory: str

    @property
    def text(self) -> str:
        """The pin in the language of recipes."""
        return f'"{self.pattern}": in {self.memory}'


@dataclass(frozen=True)
class Recipe:
    """Wishes and pins in the order they were written."""

    wishes: tuple[Wish, ...] = ()
    pins: tuple[Pin, ...] = ()

    @property
    def text(self) -> str:
        """The recipe in its language, on one line."""
        formats = [f'"{wish.pattern}": {wish.label}' for wish in self.wishes]
        return "; ".join([*formats, *(pin.text for pin in self.pins)])

    def wish_for(self, layer: str) -> Wish | None:
        """The last wish that matches the name of a layer, None without one."""
        matching = [wish for wish in self.wishes if fnmatchcase(layer, wish.pattern)]
        return matching[-1] if matching else None

    def unmatched(self, layers: Iterable[str]) -> list[Wish]:
        """Wishes that match none of `layers`: most often a misspelt name."""
        names = list(layers)
        return [w for w in self.wishes if not any(fnmatchcase(n, w.pattern) for n in names)]


def parse_recipe(text: str) -> Recipe:
    """The wishes in `text`.

    Raises ValueError, naming the line and what is expected there, for what is no recipe.
    """
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        line = text.splitlines()[error.line - 1].strip() if 0 < error.line else text.strip()
        raise ValueError(
            f"recipe, line {max(error.line, 1)}: cannot read '{line}': "
            "write PATTERN: FORMAT, as in 'conv*: delta8; fc: block(4x1); stem: dense', "
            "or PATTERN: in MEMORY"
        ) from None
    nodes = list(tree.find_data("wish"))
    nodes.sort(key=lambda node: next(node.scan_values(bool)).start_pos or 0)
    wishes = [wish for node in nodes if (wish := _wish(node)) is not None]
    return Recipe(tuple(wishes), tuple(pin for node in nodes if (pin := _pin(node)) is not None))


def wish_for_all(format: str) -> Wish:
    """The format written as in recipes, for every layer. Raises ValueError when there is no such format."""
    try:
        recipe = parse_recipe(f"*: {format}")
    except ValueError as error:
        raise ValueError(str(error).removeprefix("recipe, line 1: ")) from None
    if len(recipe.wishes) != 1 or recipe.pins:
        raise ValueError(f"'{format}' is not one format")
    return recipe.wishes[0]


@cache
def _parser() -> Lark:
    return Lark(Path(__file__).with_name("recipe.lark").read_text(), parser="lalr")


def _wish(node: RecipeTree) -> Wish | None:
    """The format of what is a `wish` in the grammar."""
    format = next(node.find_data("format"), None)
    if format is None:
        return None
    *given, kernel = (*format.scan_values(bool), None)
    if given[-1].type == "KERNEL":
        kernel = str(given.pop())
    numbers = [int(n) for n in given if n.type == "INT"]
    width = next((int(n.removeprefix("int")) for n in given if n.type == "WIDTH"), None)
    name, *rest = given
    try:
        is_dense = name == DENSE and not rest
        found = None if is_dense else _format(str(name), numbers, width)
        return Wish(_pattern(node), found, kernel)
    except ValueError as error:
        raise ValueError(f"recipe, line {name.line}: {error}") from None


def _pin(node: RecipeTree) -> Pin | None:
    """Its memory."""
    place = next(node.find_data("place"), None)
    if place is None:
        return None
    return Pin(_pattern(node), str(next(place.scan_values(bool))))


def _pattern(node: RecipeTree) -> str:
    pattern = node.children[0]
    assert isinstance(pattern, Token)
    return pattern[1:-1] if pattern.startswith('"') else str(pattern)


def _format(name: str, numbers: Sequence[int], width: int | None) -> SparseFormat:
    make = FORMATS.get(name)
    if make is None:
        raise ValueError(f"unknown format '{name}', known: {', '.join([DENSE, *FORMATS])}")
    names = [field.name for field in fields(make)]
    wanted = [field for field in names if field != BITS]
    if len(numbers) != len(wanted):
        shown = f"{name}({', '.join(wanted)})" if wanted else f"{name} without numbers"
        raise ValueError(f"write {shown}, not {len(numbers)} numbers")
    if width is None:
        return make(*numbers)
    if BITS not in names:
        raise ValueError(f"{name} has one width only, leave int{width} out")
    return make(*numbers, **{BITS: width})
