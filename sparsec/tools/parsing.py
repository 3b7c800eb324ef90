# SPDX-License-Identifier: Apache-2.0
"""Parsing IR text: as xDSL does, but what type a constant may have is worked out once, not for each constant."""

from functools import cache
from typing import TypeAlias

from xdsl.dialects.builtin import AnyFloat, ComplexType, IndexType, IntegerType, RankedStructure
from xdsl.irdl import AttrConstraint, base
from xdsl.parser import Parser

DenseType: TypeAlias = RankedStructure[IntegerType | IndexType | AnyFloat | ComplexType]


@cache
def dense_type() -> AttrConstraint[DenseType]:
    """What `dense<..> : type` may be."""
    return base(DenseType)


class QuickParser(Parser):
    """A parser for modules with many constants."""

    def _parse_dense_literal_type(self) -> DenseType:
        begin = self._current_token.span.start
        type = self.parse_type()
        if not dense_type().verifies(type) or not type.has_static_shape():
            self.raise_error(
                "a constant must be a memref, vector or tensor of numbers, of a static shape", begin
            )
        return type
