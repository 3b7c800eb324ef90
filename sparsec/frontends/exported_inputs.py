# SPDX-License-Identifier: Apache-2.0
"""The inputs of an exported program, and what stands for the batch in its shapes.

The one rule: a size that is not a number is only ever compared as text; it is the batch or refused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import torch

from sparsec.frontends.batch import as_taken, own_axis
from sparsec.frontends.builder import Kind, Layout
from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tensors import Array
from sparsec.frontends.weights import (
    FLOATS,
    Json,
    array_of_tensor,
    dtype_name,
    load_weights_only,
)

Sizes: TypeAlias = tuple[int | str, ...]

TYPES: Mapping[int, torch.dtype] = {
    **dict.fromkeys(FLOATS, torch.float32),
    **{1: torch.uint8, 4: torch.int32, 5: torch.int64},
}
"""What torch is given for an input, by the dtype of the schema."""

INTEGERS = {1, 2, 3, 4, 5}
"""The dtypes of integers in the schema."""

MOST: Mapping[Kind, int] = {"uint8": 255, "int32": 1}
"""The largest number that random inputs have: any table has two rows."""

SAMPLES = 2
"""How many samples torch runs a program on whose batch is open: a batch that is mixed up shows with two."""


def numbers(values: Sequence[Json]) -> Sizes:
    """Sizes or strides; an expression as its text."""
    return tuple(
        int(value["as_int"]) if "as_int" in value else str(value["as_expr"]["expr_str"])
        for value in values
    )


def depends_on_values(size: int | str) -> bool:
    """Whether the program does not tell a size, as it is how many of a mask are set."""
    return isinstance(size, str) and re.match(r"Symbol\('u\d+'", size) is not None


@dataclass(frozen=True)
class Batch:
    """What stands for the batch in the shapes of a program: symbols, or a fixed size.

    None of both for a program that is read as a whole.
    """

    symbols: frozenset[str] = frozenset()
    size: int | None = None

    @property
    def fixed(self) -> int:
        """How many samples the program was exported for, 1 if that is open."""
        return self.size or 1

    def has(self, sizes: Sizes) -> bool:
        """Whether a tensor of `sizes` has the batch."""
        return not self.symbols.isdisjoint(sizes) or self.size in sizes[:1]

    def axis(self, sizes: Sizes) -> int | None:
        """Where a tensor has the batch; None if it has none."""
        for axis, size in enumerate(sizes):
            if size in self.symbols or (axis == 0 and size == self.size):
                return axis
        return own_axis(cast(tuple[int, ...], sizes))

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The shape of an input of `sizes` with a batch of one."""
        at = self.axis(sizes)
        return tuple(1 if a == at else cast(int, size) for a, size in enumerate(sizes))

    def now(self, sizes: Sizes) -> tuple[int, ...]:
        """A shape that a tensor of `sizes` may have with a batch of one."""
        shape = tuple(1 if isinstance(size, str) else size for size in sizes)
        return (1, *shape[1:]) if self.size is not None and shape[:1] == (self.size,) else shape

    def agrees(self, sizes: Sizes, shape: tuple[int, ...], of_batch: bool) -> bool:
        """Whether a tensor of `sizes` in the program may have `shape` with a batch of one.

        `of_batch` is whether it is computed from a tensor that has the batch.
        """
        if len(sizes) != len(shape):
            return False
        others = [
            (size, n)
            for size, n in zip(sizes, shape, strict=True)
            if size != n and not depends_on_values(size)
        ]
        if self.symbols:
            known = all(
                self._is_open(size) and (size not in self.symbols or n == 1) for size, n in others
            )
            return known and bool(others) == of_batch
        if self.fixed > 1:
            return len(others) == 1 and others[0][0] == self.fixed * others[0][1]
        return not others

    def _is_open(self, size: int | str) -> bool:
        """Whether a size depends on that of the batch."""
        return isinstance(size, str) and any(symbol in size for symbol in self.symbols)


class Inputs:
    """The tensors that a program takes, as its schema describes them; raises FrontendError for others."""

    def __init__(self, graph: Json, names: Sequence[str]):
        if not names:
            raise FrontendError("the model has no tensor as input")
        self.sizes: Mapping[str, Sizes] = {
            name: _sizes(name, graph["tensor_values"][name]) for name in names
        }
        dtypes = {name: graph["tensor_values"][name]["dtype"] for name in names}
        self.float_types: set[int] = set(dtypes.values()) & FLOATS
        self.kinds: Mapping[str, Kind] = {name: kind_of(code) for name, code in dtypes.items()}
        self._types = {name: TYPES[code] for name, code in dtypes.items()}
        self._symbols = self._open_batch()

    @property
    def are_whole(self) -> bool:
        """Whether the first axes cannot be a fixed batch."""
        firsts = {sizes[0] for sizes in self.sizes.values()}
        vectors = any(len(sizes) == 1 and sizes != (1,) for sizes in self.sizes.values())
        return not self._symbols and (vectors or len(firsts) > 1)

    def batch(self, whole: bool) -> Batch:
        """What stands for the batch, if it is not read as a `whole`."""
        if self._symbols:
            return Batch(self._symbols)
        return Batch(size=None if whole else cast(int, next(iter(self.sizes.values()))[0]))

    def _open_batch(self) -> frozenset[str]:
        """The symbols of the batch, on the first axis on which an input has any."""
        symbols: set[str] = set()
        for axis in range(max(map(len, self.sizes.values()))):
            if not symbols:
                at = [sizes[axis] for sizes in self.sizes.values() if axis < len(sizes)]
                symbols = {size for size in at if isinstance(size, str)}
        for name, sizes in self.sizes.items():
            seen: list[str] = []
            for axis, size in enumerate(sizes):
                if isinstance(size, str) and (size not in symbols or seen):
                    raise FrontendError(fixed_size(name, axis))
                seen += [size] if isinstance(size, str) else []
        return frozenset(symbols)

    @property
    def no_batch(self) -> str | None:
        """What to say if the axis taken for the batch is none; None where it is the first, or none is open."""
        for name, sizes in self.sizes.items():
            for axis, size in enumerate(sizes):
                if axis > 0 and isinstance(size, str):
                    return fixed_size(name, axis)
        return None

    @property
    def is_open(self) -> bool:
        """Whether the batch may be of any size."""
        return bool(self._symbols)

    def examples(self, data: bytes) -> list[torch.Tensor] | None:
        """The example inputs in a record of the archive, floats as float32, or None if they do not fit the inputs."""
        if not data:
            return None
        leaves = list(_leaves(load_weights_only(data, "the file's example inputs")))
        if len(leaves) != len(self.sizes):
            return None
        for leaf, (name, sizes) in zip(leaves, self.sizes.items(), strict=True):
            is_float = self.kinds[name] == "float32" and leaf.is_floating_point()
            if not (is_float or leaf.dtype == self._types[name]) or leaf.ndim != len(sizes):
                return None
            if any(n != m for n, m in zip(leaf.shape, sizes, strict=True) if isinstance(m, int)):
                return None
        return [leaf.to(dtype) for leaf, dtype in zip(leaves, self._types.values(), strict=True)]

    def to_run(self, examples: Sequence[torch.Tensor] | None) -> list[torch.Tensor]:
        """Inputs that torch is to run the program on: the first examples, or random ones."""
        random = torch.Generator().manual_seed(0)
        values: list[torch.Tensor] = []
        for index, (name, sizes) in enumerate(self.sizes.items()):
            if examples is None:
                shape = [SAMPLES if isinstance(size, str) else size for size in sizes]
                if self.kinds[name] == "float32":
                    values.append(torch.randn(shape, generator=random))
                else:
                    most = MOST[self.kinds[name]]
                    integers = torch.randint(0, most + 1, shape, generator=random)
                    values.append(integers.to(self._types[name]))
                continue
            value = examples[index]
            for axis, size in enumerate(sizes):
                if isinstance(size, str):
                    value = value.narrow(axis, 0, min(SAMPLES, value.shape[axis]))
            values.append(value)
        return values

    def first(self, values: Sequence[torch.Tensor], batch: Batch) -> list[torch.Tensor]:
        """Of inputs that torch runs the program on, the first sample."""
        axes = [batch.axis(sizes) for sizes in self.sizes.values()]
        return [
            value if axis is None else value.narrow(axis, 0, 1)
            for value, axis in zip(values, axes, strict=True)
        ]

    def as_taken(
        self, values: Sequence[torch.Tensor], batch: Batch, layout: Layout
    ) -> list[Array] | None:
        """Inputs as the entry takes them, [N, ..] in its layout; None if their batches differ."""
        arrays = [
            as_kind(array_of_tensor(value, f"example of input '{name}'"), self.kinds[name])
            for value, name in zip(values, self.sizes, strict=True)
        ]
        return as_taken(arrays, [batch.axis(sizes) for sizes in self.sizes.values()], layout)


def fixed_size(name: str, axis: int) -> str:
    """What to do about an open axis that is no batch."""
    return (
        f"dimension {axis} of input '{name}' is dynamic, and only the batch may be: "
        "export the model with a fixed size there"
    )


def kind_of(code: int) -> Kind:
    """What an input of a dtype of the schema takes."""
    return "float32" if code in FLOATS else "uint8" if code == 1 else "int32"


def as_kind(array: Array, kind: Kind) -> Array:
    """An array of torch as an input takes it. Raises FrontendError for an index beyond int32."""
    taken = array.astype(kind)
    if kind == "int32" and not np.array_equal(taken, array):
        raise FrontendError("an example input has an index that int32 does not hold")
    return taken


def _sizes(name: str, meta: Json) -> Sizes:
    if meta["dtype"] not in TYPES:
        raise FrontendError(
            f"input '{name}' is {dtype_name(meta['dtype'])}, where float32 is needed: "
            "export the model after model.float(), with a float32 input"
        )
    sizes = numbers(meta["sizes"])
    if not sizes:
        raise FrontendError(f"input '{name}' is a scalar: it needs a batch dimension")
    return sizes


def _leaves(value: object) -> Iterator[torch.Tensor]:
    """The tensors in nested containers, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in cast(dict[object, object], value).values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in cast(Sequence[object], value):
            yield from _leaves(item)
