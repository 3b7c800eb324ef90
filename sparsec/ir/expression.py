# SPDX-License-Identifier: Apache-2.0
"""Functions of one number, as text: `x * sigmoid(1.7 * x)`. In int8 each is one table.

The one rule: equal functions have equal text, so whoever makes one from others gives it as `str` writes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sparsec.quantization.functions import FUNCTIONS, Function

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

Array: TypeAlias = np.ndarray[Any, Any]
Floats: TypeAlias = npt.NDArray[np.float64]

MAX_LENGTH = 2000
"""Characters of the longest expression that is read."""
MAX_DEPTH = 100
"""How deep functions of functions go."""
EXACT = 2.0**53
"""Whole numbers below it have the float64 that is told by their digits."""


@dataclass(frozen=True)
class Variable:
    """The number that the function is of."""

    def __str__(self) -> str:
        return "x"


@dataclass(frozen=True)
class Number:
    """A constant, finite."""

    value: float

    def __str__(self) -> str:
        whole = self.value.is_integer() and abs(self.value) < EXACT
        return str(int(self.value)) if whole else repr(self.value)


@dataclass(frozen=True)
class Apply:
    """A function by its name, or an operator by its sign."""

    name: str
    arguments: tuple["Term", ...]

    def __str__(self) -> str:
        if self.name not in LEVELS:
            return f"{self.name}({', '.join(map(str, self.arguments))})"
        level = LEVELS[self.name]
        left, right = self.arguments
        # What stands on the right binds more tightly, and so do both sides of a comparison.
        lowest = level + (level == LOWEST)
        return f"{_within(left, lowest)} {self.name} {_within(right, level + 1)}"


Term: TypeAlias = Variable | Number | Apply

COMPARISONS: Mapping[str, Function] = {
    "<": Function(2, np.less),
    "<=": Function(2, np.less_equal),
    ">": Function(2, np.greater),
    ">=": Function(2, np.greater_equal),
    "==": Function(2, np.equal),
    "!=": Function(2, np.not_equal),
}
OPERATORS: Mapping[str, Function] = {
    **COMPARISONS,
    "+": Function(2, np.add),
    "-": Function(2, np.subtract),
    "*": Function(2, np.multiply),
    "/": Function(2, np.divide),
}

LOWEST = 0
LEVELS = {**dict.fromkeys(COMPARISONS, LOWEST), "+": 1, "-": 1, "*": 2, "/": 2}
"""How tightly each operator binds."""

X = Variable()


def _within(term: Term, level: int) -> str:
    """`term` as an operand that has to bind as tightly as `level`."""
    loose = isinstance(term, Apply) and LEVELS.get(term.name, level) < level
    return f"({term})" if loose else str(term)


def apply(name: str, *arguments: Term | float) -> Apply:
    """A function or an operator of terms and numbers."""
    known = {**FUNCTIONS, **OPERATORS}
    assert known[name].arguments == len(arguments)
    terms = (Number(float(term)) if isinstance(term, int | float) else term for term in arguments)
    return Apply(name, tuple(terms))


def substituted(outer: Term, inner: Term) -> Term:
    """`outer` of what `inner` gives."""
    match outer:
        case Variable():
            return inner
        case Apply():
            arguments = (substituted(argument, inner) for argument in outer.arguments)
            return Apply(outer.name, tuple(arguments))
        case Number():
            return outer


def evaluate(term: Term, x: Array) -> Floats:
    """The function of each of `x`, in float64: NaN where it is none of the real numbers, infinity at its poles."""
    with np.errstate(all="ignore"):
        found = _evaluate(term, x.astype(np.float64))
    return np.broadcast_to(found, x.shape).astype(np.float64)


def _evaluate(term: Term, x: Floats) -> Array:
    match term:
        case Variable():
            return x
        case Number():
            return np.asarray(term.value)
        case Apply():
            function = OPERATORS.get(term.name) or FUNCTIONS[term.name]
            found = function.compute(*(_evaluate(argument, x) for argument in term.arguments))
            return np.asarray(found, np.float64)


@lru_cache(maxsize=1024)
def parse(text: str) -> Term:
    """The function that `text` says. Raises ValueError where it says none."""
    from lark.exceptions import UnexpectedInput  # what starts without expressions starts sooner

    if len(text) > MAX_LENGTH:
        raise ValueError(f"a function of {len(text)} characters is too long, at most {MAX_LENGTH}")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise ValueError(f"'{text[:60]}' is no function of x: {_place(error, text)}") from error
    return _term(tree, MAX_DEPTH)


def _place(error: Any, text: str) -> str:
    position = getattr(error, "pos_in_stream", None)
    at_end = getattr(getattr(error, "token", None), "type", "") == "$END"
    if position is None or at_end:
        return "it ends too early"
    return f"'{text[position:][:12]}' is not expected"


@lru_cache(maxsize=1)
def _parser() -> "Lark":
    from lark import Lark

    grammar = Path(__file__).with_name("expression.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr")


def _term(tree: "Tree[Token]", room: int) -> Term:
    """What a part of the text says; it may be nested `room` deep. Raises ValueError where it says nothing."""
    if room == 0:
        raise ValueError(f"a function is nested more than {MAX_DEPTH} deep")
    terms = [_term(child, room - 1) for child in tree.children if not isinstance(child, str)]
    words = [str(child) for child in tree.children if isinstance(child, str)]
    match tree.data:
        case "variable":
            return X
        case "number":
            return _number(float(words[0]))
        case "negated":
            (term,) = terms
            return _number(-term.value) if isinstance(term, Number) else apply("-", 0.0, term)
        case "call":
            return _call(words[0], terms)
        case _:
            return Apply(words[0], tuple(terms))


def _number(value: float) -> Number:
    if not np.isfinite(value):
        raise ValueError("a constant of a function is too large")
    return Number(value)


def _call(name: str, terms: Sequence[Term]) -> Apply:
    known = FUNCTIONS.get(name)
    if known is None:
        raise ValueError(f"unknown function '{name}', known: {', '.join(FUNCTIONS)}")
    if known.arguments != len(terms):
        raise ValueError(f"{name} takes {known.arguments} numbers, got {len(terms)}")
    return Apply(name, tuple(terms))
