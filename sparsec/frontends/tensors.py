# SPDX-License-Identifier: Apache-2.0
"""The tensors of a model while it is imported: values computed on the device, and constants.

Both speak torch's axes, with a batch of 1. How an activation lies in memory is its `order`, so a
permutation costs nothing until an operation asks for another order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import SSAValue

from sparsec.quantization.scheme import Quantization

Array: TypeAlias = np.ndarray[Any, Any]
Order: TypeAlias = tuple[int, ...]

CHANNELS_LAST: dict[int, Order] = {3: (0, 2, 1), 4: (0, 2, 3, 1)}
"""The order in which layers over images (rank 4) and over signals (rank 3) read and write."""


def as_in_torch(rank: int) -> Order:
    """The order of torch's own axes."""
    return tuple(range(rank))


@dataclass(frozen=True, eq=False)
class Activation:
    """A value that the model computes; its axis i in memory is torch's axis `order[i]`."""

    ssa: SSAValue
    shape: tuple[int, ...]
    order: Order
    is_argument: bool = False
    """Not yet put in channels-last order, so that a model that permutes its input first pays nothing."""


@dataclass(frozen=True, eq=False)
class Parameter:
    """A constant of the model: float32, or int8 with the scheme that gives it its meaning.

    `name` is the parameter's path in the model; the axis of `quantization` is one of torch's.
    """

    name: str
    array: Array
    quantization: Quantization | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape as torch sees it."""
        return self.array.shape

    def permuted(self, axes: Sequence[int]) -> "Parameter":
        """The constant with its axes in the order `axes`."""
        scheme = self.quantization
        if scheme is not None and scheme.axis is not None:
            scheme = Quantization(scheme.scales, scheme.zero_point, list(axes).index(scheme.axis))
        return Parameter(self.name, np.transpose(self.array, axes), scheme)

    def values(self) -> Array:
        """The real values, float32 (or the integers of an integer constant without a scheme)."""
        scheme = self.quantization
        if scheme is None:
            return self.array
        shape = [1] * self.array.ndim
        if scheme.axis is not None:
            shape[scheme.axis] = -1
        scales = np.array(scheme.scales).reshape(shape)
        return ((self.array.astype(np.float64) - scheme.zero_point) * scales).astype(np.float32)


Tensor: TypeAlias = Activation | Parameter
