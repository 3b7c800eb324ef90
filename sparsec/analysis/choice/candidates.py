# SPDX-License-Identifier: Apache-2.0
"""All ways to store and run each layer with weights on a core, each with what it takes.

The rule: a candidate counts what its kernel lays out, byte for byte, and nothing is dropped without a reason.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np

from sparsec.analysis.memory.layer_memory import LayerMemory
from sparsec.formats import COMMON_FORMATS, SparseFormat
from sparsec.kernels.code import passed
from sparsec.kernels.cost import Cost
from sparsec.kernels.layer import Layer
from sparsec.kernels.library import NoWay, ways
from sparsec.kernels.way import Way
from sparsec.recipe.recipe import DENSE
from sparsec.targets.cpu import Cpu

Array: TypeAlias = np.ndarray[Any, Any]
LeftOut: TypeAlias = Callable[[Layer, Way], bool]
"""Whether a way to run a layer need not be looked at."""

Constants: TypeAlias = dict[bytes, int]
"""The bytes of arrays in flash, by what they hold: equal arrays are stored once."""


def label_of(encoding: SparseFormat | None) -> str:
    """A format as recipes write it; None is dense."""
    return DENSE if encoding is None else encoding.label


@dataclass(frozen=True)
class Candidate:
    """One way to run one layer, with the bytes of its scratch memory, decoded weights included. `cost` is None where
    nothing was measured on the core. `preferred`: it needs no choice, being the first that reads its format."""

    way: Way
    layer: Layer
    scratch: int
    cost: Cost | None
    preferred: bool = True

    @property
    def format(self) -> SparseFormat | None:
        """What the weights are stored as, None if dense."""
        return self.way.format

    @property
    def kernel(self) -> str:
        """The C function."""
        return self.way.kernel.function

    @property
    def decoder(self) -> str | None:
        """The C function that decodes the weights, if one does."""
        return None if self.way.decoder is None else self.way.decoder.function

    @property
    def calls(self) -> tuple[str, ...]:
        """The C functions that are called, in their order, and one that is passed to the next; conversions included, which
        neighbours may make unnecessary."""
        in_front, behind = self.way.conversions(self.layer)
        if self.decoder is None:
            return (*in_front, self.kernel, *behind)
        decoder = passed(self.decoder) if self.way.kernel.decodes else self.decoder
        return (decoder, *in_front, self.kernel, *behind)

    @cached_property
    def constants(self) -> Constants:
        """All arrays that the layer reads. Only who asks for bytes has them compared."""
        return constants_of(self.way.arrays(self.layer).values())

    @property
    def label(self) -> str:
        """The format as recipes write it."""
        return label_of(self.format)

    @property
    def bytes(self) -> int:
        """Flash of all constants of the layer."""
        return sum(self.constants.values())

    @property
    def room(self) -> int:
        """Bytes of memory besides activations in NHWC."""
        return self.scratch + self.way.laid_out(self.layer)

    def need(self, memory: LayerMemory) -> int:
        """Bytes of RAM while the layer runs between neighbours whose activations lie as it wants them."""
        return memory.bytes(self.layer, self.way.kernel, self.scratch)

    def need_alone(self, memory: LayerMemory) -> int:
        """The same between neighbours in NHWC, with conversions."""
        return memory.bytes(self.layer, self.way.kernel, self.room)


@dataclass(frozen=True)
class Refusal:
    """Why weights cannot be stored in a format; `has_kernel` tells whether others of such a layer could."""

    format: SparseFormat | None
    reason: str
    has_kernel: bool = True

    @property
    def label(self) -> str:
        """The format as recipes write it."""
        return label_of(self.format)


def constants_of(arrays: Iterable[Array]) -> Constants:
    """Arrays by their shape, type and elements."""
    found: Constants = {}
    for array in arrays:
        header = f"{array.dtype.str} {array.shape} ".encode()
        found[sha256(header + np.ascontiguousarray(array).tobytes()).digest()] = array.nbytes
    return found


def bytes_of(constants: Iterable[Constants]) -> int:
    """Flash of constants of which equal ones are stored once."""
    return sum({key: size for each in constants for key, size in each.items()}.values())


def candidates(
    layer: Layer,
    cpu: Cpu,
    formats: Iterable[SparseFormat] = COMMON_FORMATS,
    left_out: LeftOut | None = None,
) -> Iterator[Candidate | Refusal]:
    """Dense first, then `formats`, each a candidate or why it is none, but for those that are `left_out`.

    Weights that have a format already have no other candidate. Other kernels than the preferred one are in `others`.
    """
    tried = (None, *formats) if layer.format is None else (layer.format,)
    for format in tried:
        found = ways(layer, cpu, format)
        if isinstance(found, NoWay):
            yield Refusal(format, found.reason, found.for_any)
        elif format is None or left_out is None or not left_out(layer, found[0]):
            yield candidate(layer, found[0], cpu)


def others(
    layer: Layer,
    cpu: Cpu,
    left_out: LeftOut | None = None,
    format: SparseFormat | None = None,
) -> Iterator[Candidate]:
    """The other kernels than the preferred one for a layer with weights stored as `format`, but for those that are
    `left_out`, whose constants cannot be laid out, or whose cost is not known. Sparse weights have some where the preferred
    one reads activations that are not NHWC."""
    found = ways(layer, cpu, format) if layer.format in (None, format) else NoWay("", False)
    if isinstance(found, NoWay) or (layer.format is not None and format is None):
        return
    if format is not None and found[0].kernel.reads(layer) is None:
        return
    for way in found[1:]:
        if left_out is None or not left_out(layer, way):
            other = candidate(layer, way, cpu)
            if isinstance(other, Candidate) and other.cost is not None:
                yield replace(other, preferred=False)


def candidate(layer: Layer, way: Way, cpu: Cpu) -> Candidate | Refusal:
    """`layer` run by `way`."""
    try:
        way.arrays(layer)
        return Candidate(way, layer, way.scratch(layer, cpu), way.cost(layer, cpu))
    except ValueError as error:
        return Refusal(way.format, str(error))
