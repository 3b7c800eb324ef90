# SPDX-License-Identifier: Apache-2.0
"""When the buffers of a bufferized function are live: for whoever plans them, lets them overlap, or shows a plan.

Calls are counted from 1. Inputs are live from the start to their last use, results from their first write to the end. A
view of another shape is its buffer. The certificate (`planning/certificate.py`) asks nobody here.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from types import MappingProxyType

from xdsl.dialects import func, memref
from xdsl.ir import SSAValue

from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.views import memory_of, place_in_memory
from sparsec.planning.arena import Buffer
from sparsec.planning.overlap import Overlap

ACTIVATION_ALIGNMENT = 4
"""Kernels read activations word by word, which is slower across the words of the memory."""


@dataclass
class Life:
    """The calls that read and that write a buffer, and besides them the times at which it is live as an input, 0, or as a
    result, behind the last call."""

    reads: list[int]
    writes: list[int]
    outside: tuple[int, ...] = ()

    @property
    def times(self) -> list[int]:
        """All at which it is needed; it waits in between."""
        return [*self.outside, *self.reads, *self.writes]


class Lifetimes:
    """Those of all buffers: allocations, views of a planned memory, and these `inputs` and `results`, in the order in which
    the calls come to them."""

    def __init__(
        self,
        function: func.FuncOp,
        inputs: Iterable[SSAValue] = (),
        results: Iterable[SSAValue] = (),
    ) -> None:
        self.calls: Sequence[KernelOp] = [
            op for op in function.body.block.ops if isinstance(op, KernelOp)
        ]
        self.times: Mapping[KernelOp, int] = {op: time for time, op in enumerate(self.calls, 1)}
        end = (len(self.calls) + 1,)
        given = {value: Life([], [], (0,)) for value in inputs}
        returned = {value: Life([], [], end) for value in results}
        self.lives: dict[SSAValue, Life] = dict(given)
        for time, op in enumerate(self.calls, 1):
            written = {memory_of(value) for value in op.written()}
            for value in dict.fromkeys(map(memory_of, op.operands)):
                if value not in self.lives:
                    if value in returned:
                        self.lives[value] = returned[value]
                    elif isinstance(value.owner, memref.AllocOp | memref.ViewOp):
                        self.lives[value] = Life([], [])
                    else:  # a constant, or memory of the caller's
                        continue
                life = self.lives[value]
                (life.writes if value in written else life.reads).append(time)
        for value, life in returned.items():
            self.lives.setdefault(value, life)  # one that no call writes

    @cached_property
    def buffers(self) -> dict[SSAValue, Buffer]:
        """As planners want them, also those of no bytes."""
        return {
            value: Buffer(
                byte_count(value.type), min(life.times), max(life.times), _alignment(value)
            )
            for value, life in self.lives.items()
        }

    @cached_property
    def overlaps(self) -> dict[tuple[SSAValue, SSAValue], Overlap]:
        """How an output may lie over an input that dies in the call which first writes the output: by (output, input)."""
        buffers = {value: buffer for value, buffer in self.buffers.items() if buffer.size}
        found: dict[tuple[SSAValue, SSAValue], Overlap] = {}
        for time, op in enumerate(self.calls, 1):
            written = set(op.written())
            whole = [v for v in op.operands if shows_all(v) and memory_of(v) in buffers]
            born = [v for v in whole if v in written and buffers[memory_of(v)].first == time]
            dying = [v for v in whole if v not in written and buffers[memory_of(v)].last == time]
            used = Counter(memory_of(value) for value in dict.fromkeys(op.operands))
            for output in born:
                for input in dying:
                    pair = memory_of(output), memory_of(input)
                    # Memory that is seen in two ways could be claimed in two ways.
                    if all(used[memory] == 1 for memory in pair):
                        found[pair] = op.safe_overlap(output, input)
        return found

    def peak_bytes(
        self,
        part_of: Mapping[SSAValue, SSAValue] = MappingProxyType({}),
        without: Collection[KernelOp] = (),
    ) -> int:
        """The most bytes that are live at once; no output lies over an input.

        `part_of` maps buffers to others that would contain them, `without` are calls that would go.
        """
        gone = {self.times[op] for op in without}
        needed: dict[SSAValue, list[int]] = {}
        for value, life in self.lives.items():
            times = [time for time in life.times if time not in gone]
            if times:
                needed.setdefault(part_of.get(value, value), []).extend(times)
        changes = [0] * (len(self.calls) + 3)
        for memory, times in needed.items():
            changes[min(times)] += byte_count(memory.type)
            changes[max(times) + 1] -= byte_count(memory.type)
        return max(accumulate(changes))


def shows_all(buffer: SSAValue) -> bool:
    """Whether `buffer` is all of its memory."""
    memory, start = place_in_memory(buffer)
    return start == 0 and byte_count(buffer.type) == byte_count(memory.type)


def _alignment(buffer: SSAValue) -> int:
    owner = buffer.owner
    if isinstance(owner, memref.AllocOp) and owner.alignment is not None:
        return owner.alignment.value.data
    return ACTIVATION_ALIGNMENT
