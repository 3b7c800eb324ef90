# SPDX-License-Identifier: Apache-2.0
"""Parsing IR text: as xDSL does, but what type a constant may have is worked out once, not for each constant."""

import re
from functools import cache
from math import prod
from typing import TypeAlias

from xdsl.dialects.builtin import (
    AnyFloat,
    ComplexType,
    IndexType,
    IntegerType,
    ModuleOp,
    RankedStructure,
)
from xdsl.irdl import AttrConstraint, base
from xdsl.parser import Parser

from sparsec.ir.wellformed import MAX_ELEMENTS

DenseType: TypeAlias = RankedStructure[IntegerType | IndexType | AnyFloat | ComplexType]


_ABSURD_INTEGER = re.compile(r"(?:(?<=\dx)|(?<![@%#\w.\"]))[su]?i\d{4,}\b")
_STRINGS = re.compile(r'"(?:[^"\\\n\v\f]|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*"|//[^\n]*|"')
"""Strings and comments; a quotation mark alone opens a string that has no end."""


@cache
def dense_type() -> AttrConstraint[DenseType]:
    """What `dense<..> : type` may be."""
    return base(DenseType)


class QuickParser(Parser):
    """A parser for modules with many constants. ParseError, besides, for integers of a thousand bits and more, whose
    range alone takes minutes to work out, and for strings without an end, of which xDSL's lexer tries every part."""

    def parse_module(self, allow_implicit_module: bool = True) -> ModuleOp:
        text = self.lexer.input.content
        absurd = _ABSURD_INTEGER.search(text)
        if absurd is not None:
            self.raise_error(f"'{absurd[0][:20]}' is no type of integers", absurd.start())
        for match in _STRINGS.finditer(text):
            if match[0] == '"':
                self.raise_error("this string has no end", match.start())
        return super().parse_module(allow_implicit_module)

    def _parse_dense_literal_type(self) -> DenseType:
        begin = self._current_token.span.start
        type = self.parse_type()
        if not dense_type().verifies(type) or not type.has_static_shape():
            self.raise_error(
                "a constant must be a memref, vector or tensor of numbers, of a static shape", begin
            )
        if prod(type.get_shape()) > MAX_ELEMENTS:
            self.raise_error(f"a constant of more than {MAX_ELEMENTS:,} elements", begin)
        return type
