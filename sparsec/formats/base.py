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


@dataclass(frozen=True)
class SparseFormat(ABC):
    """A way to store an int8 matrix; the fields of a subclass are the parameters of its format."""

    name: ClassVar[str]

    @abstractmethod
    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError when a matrix of this shape [rows, columns] cannot be stored."""

    @abstractmethod
    def pack(self, dense: NDArray[np.int8]) -> Components:
        """The arrays that store `dense`, int8 [rows, columns], in C order.

        Raises ValueError when the format cannot hold this matrix.
        """

    @abstractmethod
    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        """The int8 matrix of `shape` [rows, columns] that `components` store; the inverse of `pack`.

        Raises ValueError when the components do not describe a matrix of that shape.
        """

    def stored_bytes(self, dense: NDArray[np.int8]) -> int:
        """The bytes of flash that `dense`, int8 [rows, columns], takes in this format.

        Raises ValueError when the format cannot hold this matrix.
        """
        return sum(array.nbytes for array in self.pack(dense).values())


def check_matrix(shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `shape` is that of a matrix with at least one row and one column."""
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            f"a sparse format stores a matrix [rows, columns], not a tensor of shape {list(shape)}"
        )
