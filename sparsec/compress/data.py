# SPDX-License-Identifier: Apache-2.0
"""What a network is trained on."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Batch: TypeAlias = tuple[Tensor, Tensor]


def _parts(tensor: Tensor, size: int) -> tuple[Tensor, ...]:
    return cast(tuple[Tensor, ...], tensor.split(size))


def checksum_of(tensors: Iterable[Tensor]) -> str:
    """Of their bytes."""
    found = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        whole = tensor.detach().cpu().contiguous().reshape(-1)
        found.update(whole.view(torch.uint8).numpy().data)
    return found.hexdigest()


def name_of(thing: object) -> str:
    """What a function or an object is called in a checkpoint, without its place in memory."""
    if is_dataclass(thing) and not isinstance(thing, type):
        return repr(thing)
    kind = type(thing)
    return str(getattr(thing, "__qualname__", f"{kind.__module__}.{kind.__qualname__}"))


class Batches(Protocol):
    """Inputs [N, ..] and classes int64 [N], batch by batch."""

    def __len__(self) -> int:
        """How many batches there are."""
        ...

    def epoch(self, seed: int) -> Iterator[Batch]:
        """All of them once, in the order that the seed says."""
        ...


@dataclass(frozen=True, eq=False)
class Samples:
    """A data set in memory: inputs [N, ..] and classes int64 [N], in batches of `batch`."""

    inputs: Tensor
    labels: Tensor
    batch: int = 128

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.labels) or self.labels.ndim != 1 or not len(self.labels):
            raise ValueError(
                f"there must be one label for each input: {len(self.inputs)} inputs, labels of shape "
                f"{list(self.labels.shape)}"
            )
        if self.batch < 1:
            raise ValueError(f"a batch has one sample or more, not {self.batch}")

    @property
    def checksum(self) -> str:
        """Of inputs, labels and the size of batches."""
        return f"{checksum_of((self.inputs, self.labels))} {self.batch}"

    @staticmethod
    def of_arrays(inputs: NDArray[Any], labels: NDArray[Any], batch: int = 128) -> "Samples":
        """Inputs and whole numbers of numpy; the inputs become float32."""
        return Samples.as_they_are(inputs.astype(np.float32), labels, batch)

    @staticmethod
    def as_they_are(inputs: NDArray[Any], labels: NDArray[Any], batch: int = 128) -> "Samples":
        """The same, with inputs of the type that they have."""
        tensors = torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64))
        return Samples(*tensors, batch)

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch)

    def epoch(self, seed: int) -> Iterator[Batch]:
        """Shuffled."""
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(seed))
        for chosen in _parts(order, self.batch):
            yield self.inputs[chosen], self.labels[chosen]

    def in_order(self) -> Iterator[Batch]:
        """As they stand."""
        parts = (_parts(each, self.batch) for each in (self.inputs, self.labels))
        yield from zip(*parts, strict=True)


@dataclass(frozen=True, eq=False)
class Loader:
    """A data loader of torch, or anything that gives batches each time it is walked through; it shuffles itself, from
    torch's generator."""

    batches: Iterable[Batch]

    def __len__(self) -> int:
        count = getattr(self.batches, "__len__", None)
        if count is None:
            raise ValueError("a loader must know how many batches it has")
        return int(count())

    def epoch(self, seed: int) -> Iterator[Batch]:
        """As the loader has them."""
        yield from self.batches


@torch.no_grad()
def classes_of(model: nn.Module, inputs: NDArray[Any]) -> int | None:
    """How many classes a model tells apart: its output is [N, classes]; None where it is something else."""
    output = model(torch.from_numpy(inputs[:2]))
    return int(output.shape[1]) if isinstance(output, Tensor) and output.ndim == 2 else None
