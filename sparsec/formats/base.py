# SPDX-License-Identifier: Apache-2.0
"""What a storage format of sparse weights has to say about itself.

A format sees every weight tensor as a matrix [rows, columns]: one row per output channel and, for a
convolution, the columns in (ky, kx, input channel) order.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Components = dict[str, NDArray[Any]]
"""The arrays a kernel reads, by name, in the order of its C arguments."""

_LONG_ROW = 32767
"""Columns up to which every format but `nm` holds every matrix: what counts a row has 16 bits."""


@dataclass(frozen=True)
class SparseFormat(ABC):
    """A way to store an int8 matrix; the fields of a subclass are the parameters of its format.

    A matrix has one packing only, and `unpack` takes nothing else: components that were changed
    store another matrix or are refused.
    """

    name: ClassVar[str]

    @property
    def label(self) -> str:
        """The format and its parameters in a few characters, such as `block(4x1)`."""
        return self.name

    @property
    def group(self) -> int:
        """How many columns, from a multiple of it on, belong together."""
        return 1

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError when a matrix of this shape [rows, columns] cannot be stored."""
        check_matrix(shape)

    @abstractmethod
    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        """What the components of a matrix of `shape` are called and made of; all have rank 1."""

    def pack(self, dense: NDArray[np.int8]) -> Components:
        """The arrays that store `dense`, int8 [rows, columns], in C order.

        Raises ValueError when the format cannot hold this matrix.
        """
        return self._encode(self._checked(dense))

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        """The int8 matrix of `shape` [rows, columns] that `components` store; the inverse of `pack`.

        Raises ValueError when `components` are not what `pack` gives for a matrix of that shape.
        """
        dense = self.read(components, shape)
        for name, expected in self._encode(dense).items():
            if not np.array_equal(components[name], expected):
                raise ValueError(f"{name} is not how {self.label} stores any matrix")
        return dense

    def read(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        """As `unpack`, of components that another program may have packed in a way of its own.

        Raises ValueError when `components` lead out of a matrix of `shape`.
        """
        self.check(shape)
        types = self.element_types(shape)
        if set(components) != set(types):
            raise ValueError(
                f"{self.label} has the components {', '.join(types)}, not {', '.join(components)}"
            )
        for name, element_type in types.items():
            found = components[name]
            if found.ndim != 1 or found.dtype != element_type:
                raise ValueError(
                    f"{name} of {self.label} is a list of {np.dtype(element_type)}, "
                    f"not {found.dtype} of shape {list(found.shape)}"
                )
        return self._decode(components, shape)

    def stored_bytes(self, dense: NDArray[np.int8]) -> int:
        """The bytes of flash that `dense`, int8 [rows, columns], takes in this format.

        Raises ValueError when the format cannot hold this matrix.
        """
        return sum(array.nbytes for array in self.pack(dense).values())

    def check_values(self, dense: NDArray[np.int8]) -> None:
        """Raises ValueError when the format cannot hold this matrix, whose shape it takes.

        Only in rows this long do the numbers of a format end; `nm` looks at every matrix.
        """
        if dense.shape[1] > _LONG_ROW:
            self.stored_bytes(dense)

    @abstractmethod
    def _encode(self, dense: NDArray[np.int8]) -> Components:
        """`pack` of a C-contiguous matrix whose shape was checked."""

    @abstractmethod
    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        """`unpack` of components with the right names and types.

        ValueError where they lead out of the matrix; what else is wrong shows when the result is
        packed again.
        """

    def _checked(self, dense: NDArray[np.int8]) -> NDArray[np.int8]:
        """`dense`, C-contiguous. ValueError when its shape or type is not to be stored."""
        self.check(dense.shape)
        if dense.dtype != np.int8:
            raise ValueError(f"{self.name} stores int8 values, not {dense.dtype}")
        return np.ascontiguousarray(dense)


def check_matrix(shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `shape` is that of a matrix with at least one row and one column."""
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            f"a sparse format stores a matrix [rows, columns], not a tensor of shape {list(shape)}"
        )


def check_columns(columns: int, limit: int, what: str) -> None:
    """Raise ValueError when `columns` are more than the `limit` that indices can name."""
    if columns > limit:
        raise ValueError(f"{what} reach {limit} columns, this matrix has {columns}")


def check_number(value: object, low: int, high: int, what: str) -> None:
    """Raise ValueError unless the parameter `value` is a whole number in low..high."""
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{what} is a whole number in {low}..{high}, not {value}")


def check_length(array: NDArray[Any], length: int, what: str) -> None:
    """Raise ValueError unless the component `array` has `length` elements."""
    if len(array) != length:
        raise ValueError(f"{what} has {len(array)} elements, this matrix takes {length}")
