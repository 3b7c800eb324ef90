# SPDX-License-Identifier: Apache-2.0
"""Attributes that hold one frozen dataclass of numbers, written `<field = value, ..>`.

A field is an `int`, a `float` or a tuple of them (`[1, 2]`). Fields that have their default
value are not printed. The dataclass checks itself: its ValueError becomes a parse error.
"""

import dataclasses
from functools import cache
from types import EllipsisType, UnionType
from typing import Any, ClassVar, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from xdsl.ir import Data
from xdsl.parser import AttrParser
from xdsl.printer import Printer

RecordT = TypeVar("RecordT")


def _parse_value(parser: AttrParser) -> int | float | tuple[int | float, ...]:
    def number() -> int | float:
        return parser.parse_number(allow_boolean=False)

    values = parser.parse_optional_comma_separated_list(parser.Delimiter.SQUARE, number)
    return number() if values is None else tuple(values)


@cache
def _types(record: type[Any]) -> dict[str, Any]:
    return get_type_hints(record)


def _fits(value: Any, type: Any) -> bool:
    """Whether a number or a list may stand for a field of `type`: dataclasses look at ranges, and would take 1.5 pixels."""
    if get_origin(type) in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(type))
    if get_origin(type) is tuple:
        kinds = [each for each in get_args(type) if not isinstance(each, EllipsisType)]
        return isinstance(value, tuple) and all(
            any(_fits(each, kind) for kind in kinds) for each in cast(tuple[Any, ...], value)
        )
    return isinstance(value, (int, float) if type is float else type)


def parse_fields(parser: AttrParser, record: type[RecordT], leading_comma: bool) -> RecordT:
    """Parse `field = value` pairs up to the closing bracket into `record`."""
    names = {field.name for field in dataclasses.fields(record)}  # pyright: ignore[reportArgumentType]
    fields: dict[str, Any] = {}
    position = parser.pos
    first = True
    while True:
        if first and not leading_comma:
            name = parser.parse_optional_identifier()
            if name is None:
                break
        elif parser.parse_optional_punctuation(",") is None:
            break
        else:
            name = parser.parse_identifier("field name")
        first = False
        if name not in names:
            parser.raise_error(f"unknown field '{name}', expected one of {sorted(names)}")
        if name in fields:
            parser.raise_error(f"field '{name}' is given twice")
        parser.parse_punctuation("=")
        fields[name] = _parse_value(parser)
    for field in dataclasses.fields(record):  # pyright: ignore[reportArgumentType]
        # No record makes its defaults by a factory.
        if field.name not in fields and field.default is dataclasses.MISSING:
            parser.raise_error(f"field '{field.name}' is missing")
    try:
        read = record(**fields)
        for name, value in fields.items():
            if not _fits(value, _types(record)[name]):
                raise ValueError(f"field '{name}' cannot be {_value_text(value)}")
        return read
    except (TypeError, ValueError) as error:
        parser.raise_error(str(error), at_position=position, end_position=parser.pos)


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        values = cast(tuple[int | float, ...], value)
        return f"[{', '.join(map(_value_text, values))}]"
    text = repr(value)
    if "." not in text:  # 1e-05, which MLIR's syntax does not have
        text = text.replace("e", ".0e")
    return text


def print_fields(printer: Printer, record: Any, leading_comma: bool) -> None:
    """Print the fields of `record` that differ from their defaults."""
    separator = ", " if leading_comma else ""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if value == field.default:
            continue
        printer.print_string(f"{separator}{field.name} = {_value_text(value)}")
        separator = ", "


class RecordAttr(Data[RecordT]):
    """Base of the attributes whose payload is the dataclass `RECORD`."""

    RECORD: ClassVar[type[Any]]

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> RecordT:
        with parser.in_angle_brackets():
            return parse_fields(parser, cls.RECORD, leading_comma=False)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_fields(printer, self.data, leading_comma=False)
