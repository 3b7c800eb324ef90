"""A recipe says how the weights of layers are to be stored: `"conv*: delta8; fc: block(4x1)"`.

The rule: a wish is met or refused, never quietly dropped. Of two wishes for one layer the later holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TypeAlias, cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from sparsec.formats import FORMATS, SparseFormat

DENSE = "dense"

BITS = "bits"
"""The field of a format for the width of what it stores."""

RecipeTree: TypeAlias = "Tree[Token]"


@dataclass(frozen=True)
class Wish:
    """Layers whose names match `pattern`, a shell pattern, are to be stored as `format`; None is dense."""

    pattern: str
    format: SparseFormat | None


@dataclass(frozen=True)
class Recipe:
    """Wishes in the order they were written."""

    wishes: tuple[Wish, ...] = ()

    @property
    def text(self) -> str:
        """The recipe in its language, on one line."""
        return "; ".join(
            f'"{wish.pattern}": {DENSE if wish.format is None else wish.format.label}'
            for wish in self.wishes
        )

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
            "write PATTERN: FORMAT, as in 'conv*: delta8; fc: block(4x1); stem: dense'"
        ) from None
    return Recipe(tuple(_wish(node) for node in tree.find_data("wish")))


def wish_for_all(format: str) -> Wish:
    """The format written as in recipes, for every layer. Raises ValueError when there is no such format."""
    try:
        wishes = parse_recipe(f"*: {format}").wishes
    except ValueError as error:
        raise ValueError(str(error).removeprefix("recipe, line 1: ")) from None
    if len(wishes) != 1:
        raise ValueError(f"'{format}' is not one format")
    return wishes[0]


@cache
def _parser() -> Lark:
    return Lark(Path(__file__).with_name("recipe.lark").read_text(), parser="lalr")


def _wish(node: RecipeTree) -> Wish:
    pattern, name, *rest = cast("list[Token | RecipeTree | None]", node.children)
    assert isinstance(pattern, Token) and isinstance(name, Token)
    given = [n for numbers in rest if isinstance(numbers, Tree) for n in numbers.scan_values(bool)]
    numbers = [int(n) for n in given if n.type == "INT"]
    width = next((int(n.removeprefix("int")) for n in given if n.type == "WIDTH"), None)
    text = pattern[1:-1] if pattern.startswith('"') else str(pattern)
    try:
        is_dense = name == DENSE and not given
        return Wish(text, None if is_dense else _format(str(name), numbers, width))
    except ValueError as error:
        raise ValueError(f"recipe, line {pattern.line}: {error}") from None


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
