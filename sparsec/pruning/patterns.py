# SPDX-License-Identifier: Apache-2.0
"""The patterns that zeros may have, and what a weight's neighbours have to do with it.

The one rule: a unit is taken away as a whole or stays, and what a unit is worth is the mean importance of its weights, so
that +a and -a beside each other are worth as much as a and a.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import gcd
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparsec.formats import Block, Delta8, Nm, SparseFormat

Array: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]
"""[rows, columns], true where a weight stays."""


@dataclass(frozen=True)
class Geometry:
    """The matrix of a layer: `columns` are `taps` times the input channels."""

    rows: int
    columns: int
    taps: int = 1

    @property
    def channels(self) -> int:
        """Input channels that a tap reads."""
        return self.columns // self.taps


class Pattern(ABC):
    """How zeros lie together."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The pattern as text that `parse_pattern` reads."""

    @abstractmethod
    def format(self, geometry: Geometry) -> SparseFormat | None:
        """A storage format that holds what the pattern leaves of a layer and nothing else of its zeros; None where what
        is left is a smaller dense layer."""

    @abstractmethod
    def check(self, geometry: Geometry) -> None:
        """Raises ValueError where no layer of this shape has the pattern."""


class Units(Pattern):
    """A pattern that cuts the matrix into units, of which any may go."""

    @abstractmethod
    def units(self, geometry: Geometry) -> NDArray[np.int64]:
        """[rows, columns]: the number of the unit that each weight is in, from 0 on without a gap."""

    def check(self, geometry: Geometry) -> None:
        if geometry.rows < 1 or geometry.columns < 1:
            raise ValueError(f"{self.label} is for matrices that have weights")


@dataclass(frozen=True)
class Unstructured(Units):
    """Each weight by itself."""

    @property
    def label(self) -> str:
        return "unstructured"

    def format(self, geometry: Geometry) -> SparseFormat:
        return Delta8()

    def units(self, geometry: Geometry) -> NDArray[np.int64]:
        return np.arange(geometry.rows * geometry.columns).reshape(geometry.rows, -1)


@dataclass(frozen=True)
class Blocks(Units):
    """Tiles of `rows` x `columns` of the matrix, from its first element on; the last ones may be cut off."""

    rows: int
    columns: int

    def __post_init__(self) -> None:
        Block(self.rows, self.columns)  # holds the limits of both

    @property
    def label(self) -> str:
        return f"block({self.rows}x{self.columns})"

    def check(self, geometry: Geometry) -> None:
        super().check(geometry)
        if self.rows > geometry.rows or self.columns > geometry.columns:
            raise ValueError(
                f"{self.label} is larger than the layer, which has {geometry.rows} rows of {geometry.columns} weights"
            )

    def format(self, geometry: Geometry) -> SparseFormat:
        return Block(self.rows, self.columns)

    def units(self, geometry: Geometry) -> NDArray[np.int64]:
        down = np.arange(geometry.rows) // self.rows
        across = np.arange(geometry.columns) // self.columns
        return down[:, np.newaxis] * (across[-1] + 1) + across


@dataclass(frozen=True)
class Tiles(Units):
    """Tiles of 64 output by 32 input channels of one tap of the kernel; where there are fewer, of as many as there are.

    The tile that Tsing Micro's chips skip (Cin32Cout64). Tiles never cross a tap, as blocks may.
    """

    @property
    def label(self) -> str:
        return "cin32cout64"

    def format(self, geometry: Geometry) -> SparseFormat:
        return Block(64, gcd(32, geometry.channels))

    def units(self, geometry: Geometry) -> NDArray[np.int64]:
        tap, channel = np.divmod(np.arange(geometry.columns), geometry.channels)
        across = tap * -(-geometry.channels // 32) + channel // 32
        return (np.arange(geometry.rows) // 64)[:, np.newaxis] * (across[-1] + 1) + across


@dataclass(frozen=True)
class Kernels(Units):
    """Tiles of `rows` output by `channels` input channels with all taps of their kernels; the last ones may be cut off.

    PaddleSlim's blocks, which are of the first two dimensions of the weights. For a kernel of one tap the same as `Blocks`.
    """

    rows: int
    channels: int

    def __post_init__(self) -> None:
        Block(self.rows, self.channels)  # holds the limits of both

    @property
    def label(self) -> str:
        return f"kernels({self.rows}x{self.channels})"

    def check(self, geometry: Geometry) -> None:
        super().check(geometry)
        if self.rows > geometry.rows or self.channels > geometry.channels:
            raise ValueError(
                f"{self.label} is larger than the layer, which has {geometry.rows} output and "
                f"{geometry.channels} input channels"
            )

    def format(self, geometry: Geometry) -> SparseFormat:
        return Block(self.rows, gcd(self.channels, geometry.channels))

    def units(self, geometry: Geometry) -> NDArray[np.int64]:
        across = np.arange(geometry.columns) % geometry.channels // self.channels
        return (np.arange(geometry.rows) // self.rows)[:, np.newaxis] * (across[-1] + 1) + across


@dataclass(frozen=True)
class Rows(Units):
    """Whole output channels, whose weights are zero then: the compiler removes them."""

    @property
    def label(self) -> str:
        return "channels"

    def format(self, geometry: Geometry) -> SparseFormat | None:
        return None

    def units(self, geometry: Geometry) -> NDArray[np.int64]:
        return np.arange(geometry.rows)[:, np.newaxis].repeat(geometry.columns, 1)


@dataclass(frozen=True)
class NOfM(Pattern):
    """At most `n` of each `m` consecutive columns, from a multiple of `m` on, are not zero."""

    n: int
    m: int

    def __post_init__(self) -> None:
        if self.n > self.m:
            raise ValueError(f"nm({self.n}:{self.m}) keeps more weights than there are")
        Nm(self.n, self.m)  # holds the limits of both

    @property
    def label(self) -> str:
        return f"nm({self.n}:{self.m})"

    @property
    def ratio(self) -> float:
        """Of zeros, in whole groups."""
        return 1 - self.n / self.m

    def format(self, geometry: Geometry) -> SparseFormat:
        return Nm(self.n, self.m)

    def check(self, geometry: Geometry) -> None:
        if geometry.columns < self.m:
            raise ValueError(
                f"{self.label} is larger than the layer, whose rows have {geometry.columns} weights"
            )

    def mask(self, importance: Array) -> Mask:
        """The `n` most important of each group of [rows, columns] stay; of equal ones the first."""
        rows, columns = importance.shape
        padded = np.full((rows, columns + -columns % self.m), -np.inf)
        padded[:, :columns] = importance
        order = np.argsort(-padded.reshape(rows, -1, self.m), axis=2, kind="stable")
        kept = np.zeros(order.shape, np.bool_)
        np.put_along_axis(kept, order[:, :, : self.n], True, axis=2)
        return kept.reshape(rows, -1)[:, :columns]


_WORDS = {
    "unstructured": Unstructured(),
    "cin32cout64": Tiles(),
    "channels": Rows(),
}
PATTERNS = "unstructured, block(RxC), kernels(RxC), nm(N:M), cin32cout64 or channels"
"""What `parse_pattern` reads, for messages."""


def parse_pattern(text: str) -> Pattern:
    """The pattern that `text` names. Raises ValueError where it names none."""
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    if found := re.fullmatch(r"(block|kernels)\((\d{1,9})[x,](\d{1,9})\)", word):
        kind = Blocks if found[1] == "block" else Kernels
        return kind(int(found[2]), int(found[3]))
    if found := re.fullmatch(r"(?:nm\()?(\d{1,9}):(\d{1,9})\)?", word):
        return NOfM(int(found[1]), int(found[2]))
    raise ValueError(f"there is no pattern {word[:40]!r}, known: {PATTERNS}")
