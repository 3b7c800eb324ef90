# SPDX-License-Identifier: Apache-2.0
"""A model of TensorFlow Lite as plain data: what `reader` gives and the operators work on.

The one rule: a number here is as it stands in the file; only its place and size are checked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import numpy as np

from sparsec.frontends.errors import UnsupportedError
from sparsec.quantization.scheme import Quantization

Array: TypeAlias = np.ndarray[Any, Any]

ABSENT = -1
"""The index that stands for an optional input which is not given."""

_LONGEST_NAME = 120


@dataclass(frozen=True)
class Tensor:
    """A tensor; `data` is its constant value, of `shape`, and None for what is computed.

    `dtype` is the schema's name of it, `scales` float32 and `zero_points` int64 arrays, both empty
    for a tensor that is not quantized. A variable keeps its value from one inference to the next.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    data: Array | None
    scales: Array
    zero_points: Array
    quantized_dimension: int
    is_variable: bool = False

    @property
    def title(self) -> str:
        """What the tensor is called in messages."""
        return f"'{short_name(self.name)}'" if self.name else f"tensor {self.index}"

    @property
    def elements(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def quantization(self) -> Quantization:
        """The one scale and zero point. Raises UnsupportedError for what is not an int8 activation."""
        if self.dtype != "INT8":
            raise UnsupportedError(
                f"{self.title} is {self.dtype.lower()}, and only int8 is supported: "
                "convert the model with full integer quantization"
            )
        if self.scales.size != 1 or self.zero_points.size != 1:
            raise UnsupportedError(
                f"{self.title} has {self.scales.size} scales and {self.zero_points.size} "
                "zero points where an activation needs one of each"
            )
        try:
            return Quantization((float(self.scales[0]),), int(self.zero_points[0]))
        except ValueError as error:
            raise UnsupportedError(f"{self.title}: {error}") from None


@dataclass(frozen=True)
class Operator:
    """An operator; inputs and outputs are indices of tensors, ABSENT for an input left out.

    `options` has the numbers of its options table, by the schema's names in Python's accessors.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, float] = field(default_factory=dict[str, float])

    def number(self, option: str) -> int:
        """An option that is a whole number. Raises UnsupportedError if there are no options."""
        return int(self.real(option))

    def real(self, option: str) -> float:
        """An option as it stands. Raises UnsupportedError if there are no options."""
        if option not in self.options:
            raise UnsupportedError(f"its options are missing: {option} is not known")
        return self.options[option]


@dataclass(frozen=True)
class Model:
    """The one subgraph of a file; operators stand in the order they run."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def short_name(name: str) -> str:
    """`name` in one readable line: of a fused tensor's names only the first, no control characters."""
    first = name.split(";")[0] or name
    return re.sub(r"[^\x20-\x7e]", "?", first)[:_LONGEST_NAME]
