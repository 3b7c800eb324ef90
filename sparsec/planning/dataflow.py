# SPDX-License-Identifier: Apache-2.0
"""Operations and the tensors that they read and write: what an order of execution is about.

The rule: what an operation costs depends on which operations ran before it, not on their order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Operation:
    """Numbers of the tensors it reads and writes, bytes of scratch memory while it runs, and for tensors that it reads
    how many bytes its outputs may share with them if nobody reads them again.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    scratch: int = 0
    shares: Mapping[int, int] = field(default_factory=dict[int, int])


@dataclass(frozen=True)
class Dataflow:
    """A network: operations in an order that works, tensors by number, their sizes in bytes.

    Inputs are live from the start to their last use, outputs to the end, others from the operation that writes them to
    their last use. Raises ValueError for what cannot be executed in the order given.
    """

    sizes: tuple[int, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        known = set(self.inputs)
        for number, op in enumerate(self.operations):
            for tensor in op.reads:
                if tensor not in known:
                    raise ValueError(f"operation {number} reads tensor {tensor} before it is there")
            for tensor in op.writes:
                if tensor in known:
                    raise ValueError(f"operation {number} writes tensor {tensor} a second time")
                known.add(tensor)
            written = sum(self.sizes[tensor] for tensor in op.writes)
            for tensor, shared in op.shares.items():
                if tensor not in op.reads or not 0 <= shared <= min(written, self.sizes[tensor]):
                    raise ValueError(
                        f"operation {number} cannot share {shared} bytes with tensor {tensor}"
                    )
        for tensor in self.outputs:
            if tensor not in known:
                raise ValueError(f"nobody writes output {tensor}")

    @cached_property
    def readers(self) -> list[int]:
        """For each tensor the set of operations that read it, as bits."""
        found = [0] * len(self.sizes)
        for number, op in enumerate(self.operations):
            for tensor in op.reads:
                found[tensor] |= 1 << number
        return found

    @cached_property
    def writer(self) -> dict[int, int]:
        """The operation that writes each tensor; inputs have none."""
        return {t: number for number, op in enumerate(self.operations) for t in op.writes}

    @cached_property
    def needs(self) -> list[int]:
        """For each operation the set of those whose results it reads, as bits."""
        return [
            sum({1 << self.writer[t] for t in op.reads if t in self.writer})
            for op in self.operations
        ]

    @cached_property
    def before(self) -> list[int]:
        """For each operation the set of those that run before it in every order, as bits."""
        found: list[int] = []
        for needs in self.needs:
            found.append(needs)
            for number in bits(needs):
                found[-1] |= found[number]
        return found

    @cached_property
    def input_bytes(self) -> int:
        """All inputs together, as they lie there before the first operation runs."""
        return sum(self.sizes[tensor] for tensor in self.inputs)

    @cached_property
    def lower_bound(self) -> int:
        """Bytes that no order goes below: at each operation what is live in all of them."""
        count = len(self.operations)
        everything = (1 << count) - 1
        after = [0] * count
        for number, before in enumerate(self.before):
            for earlier in bits(before):
                after[earlier] |= 1 << number
        live = [0] * count
        for tensor in (*self.inputs, *self.writer):
            writer = self.writer.get(tensor)
            there = everything if writer is None else after[writer]
            wanted = everything if tensor in self.outputs else self.readers[tensor]
            for reader in bits(self.readers[tensor]):
                wanted |= self.before[reader]
            for number in bits(there & wanted):
                live[number] += self.sizes[tensor]
        for number, op in enumerate(self.operations):
            written = sum(self.sizes[tensor] for tensor in op.writes)
            live[number] += written + op.scratch - max(op.shares.values(), default=0)
        return max([self.input_bytes, *live])

    def live(self, order: Sequence[int]) -> list[int]:
        """Bytes that are live while each operation of `order` runs.

        Raises ValueError if `order` does not hold all operations or one comes before what it needs.
        """
        if sorted(order) != list(range(len(self.operations))):
            raise ValueError("an order holds every operation once")
        readers = [set(bits(each)) for each in self.readers]
        there = {t for t in self.inputs if readers[t] or t in self.outputs}
        found: list[int] = []
        done = 0
        for number in order:
            op = self.operations[number]
            if self.needs[number] & ~done:
                raise ValueError(f"operation {number} comes before one that it needs")
            done |= 1 << number
            for tensor in op.reads:
                readers[tensor].discard(number)
            dying = {t for t in op.reads if not readers[t] and t not in self.outputs}
            shared = max((op.shares.get(t, 0) for t in dying), default=0)
            there.update(op.writes)
            found.append(sum(self.sizes[t] for t in there) + op.scratch - shared)
            there -= dying
            there -= {t for t in op.writes if not readers[t] and t not in self.outputs}
        return found

    def peak(self, order: Sequence[int]) -> int:
        """The most bytes that are live at once."""
        return max([self.input_bytes, *self.live(order)])

    def part(self, first: int, end: int) -> "Dataflow":
        """Operations `first` to `end` - 1, which take the place of 0 and so on; tensors keep their numbers."""
        inside = range(first, end)
        later = -1 << end
        there = [t for t in (*self.inputs, *self.writer) if self.writer.get(t, -1) < end]

        def outlives(tensor: int) -> bool:
            return tensor in self.outputs or bool(self.readers[tensor] & later)

        return Dataflow(
            self.sizes,
            self.operations[first:end],
            tuple(
                t
                for t in there
                if self.writer.get(t, -1) not in inside
                and (outlives(t) or any(self.readers[t] >> i & 1 for i in inside))
            ),
            tuple(t for t in there if outlives(t)),
        )


def bits(mask: int) -> list[int]:
    """The numbers in a set that is written as bits."""
    found: list[int] = []
    while mask:
        lowest = mask & -mask
        found.append(lowest.bit_length() - 1)
        mask ^= lowest
    return found
