# SPDX-License-Identifier: Apache-2.0
"""What TorchScript does on numbers, strings and lists while shapes are worked out."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast


def _item(values: list[object], index: int) -> object:
    return values[index]


def _part(values: list[object], start: int | None, end: int | None, step: int) -> object:
    return values[slice(start, end, step)]


def _first(value: object, *_: object) -> object:
    return value


def _append(values: list[object], value: object) -> object:
    values.append(value)
    return values


def _nothing(*_: object) -> object:
    return None


def _format(text: str, *values: object) -> object:
    return text.replace("{}", "%s") % values


SCALARS: Mapping[str, Callable[..., object]] = cast(
    Mapping[str, Callable[..., object]],
    {
        "aten::__getitem__": _item,
        "aten::slice": _part,
        "aten::append": _append,
        "aten::len": len,
        "aten::list": list,
        "aten::format": _format,
        "aten::__is__": operator.is_,
        "aten::__isnot__": operator.is_not,
        "aten::__not__": operator.not_,
        "aten::__and__": lambda a, b: a and b,  # pyright: ignore[reportUnknownLambdaType]
        "aten::__or__": lambda a, b: a or b,  # pyright: ignore[reportUnknownLambdaType]
        "aten::__contains__": operator.contains,
        "aten::eq": operator.eq,
        "aten::ne": operator.ne,
        "aten::lt": operator.lt,
        "aten::le": operator.le,
        "aten::gt": operator.gt,
        "aten::ge": operator.ge,
        "aten::add": lambda a, b, *_: a + b,  # pyright: ignore[reportUnknownLambdaType]
        "aten::sub": lambda a, b, *_: a - b,  # pyright: ignore[reportUnknownLambdaType]
        "aten::mul": operator.mul,
        "aten::div": operator.truediv,
        "aten::floordiv": operator.floordiv,
        "aten::floor_divide": operator.floordiv,
        "aten::remainder": operator.mod,
        "aten::neg": operator.neg,
        "aten::Int": int,
        "aten::Float": float,
        "aten::Bool": bool,
        "aten::IntImplicit": int,
        "aten::FloatImplicit": float,
        "aten::ScalarImplicit": _first,
        "aten::warn": _nothing,
        "prim::NumToTensor": _first,
        "prim::unchecked_cast": _first,
        "prim::unchecked_unwrap_optional": _first,
        "aten::_unwrap_optional": _first,
        "prim::Uninitialized": lambda: None,
    },
)
"""Operations none of whose arguments is a tensor, by kind."""

OF_LISTS = {"aten::__getitem__", "aten::slice", "aten::append", "aten::len", "aten::list"}
"""Those that do not care what the items of a list are; its items may be tensors."""


def apply(kind: str, arguments: list[Any]) -> object:
    """What `kind` gives. Raises ValueError where Python raises anything."""
    try:
        return SCALARS[kind](*arguments)
    except (TypeError, ArithmeticError, LookupError) as error:
        raise ValueError(str(error)) from error
