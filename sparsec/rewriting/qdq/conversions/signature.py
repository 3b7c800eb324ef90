# SPDX-License-Identifier: Apache-2.0
"""What a conversion is, and the types it writes."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import Operation, SSAValue

from sparsec.ir.shapes import shape_of
from sparsec.rewriting.qdq.folding import Folding

Conversions: TypeAlias = Mapping[type[Operation], Callable[[Folding, Any], None]]
"""A function for each operation of `nn`: it emits the int8 form, and says how that is quantized."""


def int8_type(value: SSAValue) -> TensorType[Any]:
    """The int8 type of the shape of a float value."""
    return TensorType(i8, shape_of(value.type))
