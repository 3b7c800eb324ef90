# SPDX-License-Identifier: Apache-2.0
"""Configurations of other tools as frozen dataclasses: a field is a key, with its type, its default and its choices.

The one rule: what is read is known. A key that the table does not have, a wrong type and a missing key are a ValueError of
one line.
"""

import dataclasses
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import yaml

Table = TypeVar("Table")

_SHOWN = 40
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 3
_SHORT.maxlist = _SHORT.maxdict = _SHORT.maxset = _SHOWN
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 3 * _SHOWN  # it leaves out the middle


class Kind(NamedTuple):
    """What a value is, in words, and a function to it from what YAML gives; it raises ValueError or TypeError."""

    words: str
    read: Callable[[Any], Any]


def _number(value: Any) -> float:
    """YAML takes 1e-4 for text: it has no dot."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _of_type(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return read


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError
    return mapping_of(cast(object, value), "it")


def list_of(kind: Kind, count: int | None = None) -> Kind:
    """A list of `count` or any number of values."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TypeError
        values = cast(Sequence[Any], value)
        if count is not None and len(values) != count:
            raise ValueError
        return tuple(kind.read(each) for each in values)

    many = "" if count is None else f"{count} "
    return Kind(f"a list of {many}values that are each {kind.words}", read)


NUMBER = Kind("a number", _number)
INTEGER = Kind("a whole number", _of_type(int))
FLAG = Kind("true or false", _of_type(bool))
TEXT = Kind("text", _of_type(str))
TEXTS = list_of(TEXT)
MAPPING = Kind("keys with values", _mapping)


def either(first: Kind, second: Kind) -> Kind:
    """One or the other."""

    def read(value: Any) -> Any:
        try:
            return first.read(value)
        except (TypeError, ValueError):
            return second.read(value)

    return Kind(f"{first.words} or {second.words}", read)


def key(kind: Kind, default: Any = dataclasses.MISSING, choices: Sequence[Any] = ()) -> Any:
    """A field of a table; without a default the key is required. None is what YAML has for `null` and `None`."""
    return dataclasses.field(default=default, metadata={"kind": kind, "choices": tuple(choices)})


def unused(kind: Kind) -> Any:
    """A field of a table that is read, and has no effect here."""
    return dataclasses.field(default=None, metadata={"kind": kind, "choices": (), "unused": True})


def unused_of(table: type[Any], given: object, where: str) -> list[str]:
    """The keys under `where` that have no effect here."""
    without = {each.name for each in dataclasses.fields(table) if each.metadata.get("unused")}
    return [f"{where}.{name}" for name in mapping_of(given, where) if name in without]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The known word that is meant, or all of them."""
    close = get_close_matches(word, known, 1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"


def read_table(table: type[Table], given: object, where: str) -> Table:
    """The table that `given`, what YAML has under the name `where`, says. Raises ValueError where it says none."""
    entries = mapping_of(given, where)
    fields = {each.name: each for each in dataclasses.fields(cast(Any, table))}
    for name in entries:
        if name not in fields:
            raise ValueError(f"{where} has no key '{name}': {did_you_mean(name, list(fields))}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in entries:
            if field.default is dataclasses.MISSING:
                raise ValueError(f"{where}.{name} is missing")
            continue
        values[name] = _value(entries[name], field, f"{where}.{name}")
    return table(**values)


def mapping_of(given: object, where: str) -> dict[str, Any]:
    """What YAML has under `where`, which must be keys with values; nothing at all is none. Raises ValueError."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(f"{where} is keys with values, not {shown(given)}")
    return {str(name): value for name, value in cast(Mapping[Any, Any], given).items()}


def _value(given: Any, field: "dataclasses.Field[Any]", where: str) -> Any:
    kind, choices = (
        cast(Kind, field.metadata["kind"]),
        cast(tuple[Any, ...], field.metadata["choices"]),
    )
    if given is None or given == "None":
        if field.default is None:
            return None
        raise ValueError(f"{where} is {kind.words}, not nothing")
    try:
        value = kind.read(given)
    except (TypeError, ValueError):
        raise ValueError(f"{where} is {kind.words}, not {shown(given)}") from None
    if choices and value not in choices:
        known = ", ".join(map(str, choices))
        raise ValueError(f"{where} is one of {known}, not {shown(given)}")
    return value


def shown(value: object) -> str:
    """As a message has it: the beginning, however much anchors make of it."""
    try:
        text = _SHORT.repr(value)
    except ValueError:
        text = "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class _Loader(yaml.SafeLoader):
    """Plain values, and no key twice, of which the last would win unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The keys and values of `node`; what it merges in (`<<`) may have the same ones."""
        seen: set[str] = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode) and name.tag != "tag:yaml.org,2002:merge":
                if name.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None,
                        None,
                        f"the key {shown(name.value)} stands there twice",
                        name.start_mark,
                    )
                seen.add(name.value)
        return super().construct_mapping(node, deep)


def yaml_values(path: Path) -> object:
    """What a YAML file of plain values holds. Raises ValueError, a few words that say why, where it is none; OSError."""
    try:
        return cast(object, yaml.load(path.read_text(encoding="utf-8"), _Loader))
    except UnicodeDecodeError:
        raise ValueError("no text in UTF-8") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise ValueError(f"no YAML of plain values: {line}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys of a YAML file, of plain values alone. Raises ValueError where it is none; OSError."""
    try:
        content = yaml_values(path)
    except ValueError as error:
        raise ValueError(f"{path} is {error}") from None
    return mapping_of(content, str(path))
