# SPDX-License-Identifier: Apache-2.0
"""The buffers of a bufferized function at each of its calls, and what would be if some calls were done otherwise.

The rule: nothing is rewritten to find out.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from xdsl.dialects import func
from xdsl.ir import BlockArgument, SSAValue

from sparsec.analysis.memory.lifetimes import Lifetimes
from sparsec.ir.kernel import KernelOp
from sparsec.planning.arena import Buffer
from sparsec.planning.overlap import Overlap
from sparsec.planning.overlapping import least_bytes, quick_bytes

Overlaps: TypeAlias = Mapping[tuple[SSAValue, SSAValue], Overlap]
"""What may overlap, by (output, input)."""


@dataclass(frozen=True)
class Change:
    """What is different: pairs that may overlap in another way, buffers that are `gone`, scratch memory that is new, and
    until which call others live at least."""

    overlaps: Overlaps = field(default_factory=dict[tuple[SSAValue, SSAValue], Overlap])
    gone: Collection[SSAValue] = ()
    scratch: tuple[Buffer, ...] = ()
    lasts: Mapping[SSAValue, int] = field(default_factory=dict[SSAValue, int])


class LiveMemory:
    """The buffers of a function, those of `inputs` and `results` among them. Its first call is at time 1."""

    def __init__(
        self,
        function: func.FuncOp,
        inputs: Sequence[BlockArgument],
        results: Sequence[BlockArgument],
    ):
        lifetimes = Lifetimes(function, inputs, results)
        self.buffers = {v: buffer for v, buffer in lifetimes.buffers.items() if buffer.size}
        self.overlaps = lifetimes.overlaps
        self.times = lifetimes.times
        self._live: dict[int, dict[SSAValue, Buffer]] = defaultdict(dict)
        for value, buffer in self.buffers.items():
            for time in range(buffer.first, buffer.last + 1):
                self._live[time][value] = buffer
        self._overlaps: dict[int, dict[tuple[SSAValue, SSAValue], Overlap]] = defaultdict(dict)
        for pair, overlap in self.overlaps.items():
            self._overlaps[self.buffers[pair[0]].first][pair] = overlap

    def live_at(self, *ops: KernelOp) -> dict[SSAValue, Buffer]:
        """What is live while `ops` run, which follow one another."""
        times = [self.times[op] for op in ops]
        every = range(min(times), max(times) + 1)
        return {value: buffer for time in every for value, buffer in self._live[time].items()}

    def least(
        self,
        live: Mapping[SSAValue, Buffer],
        op: KernelOp,
        overlaps: Overlaps = MappingProxyType({}),
        scratch: int = 0,
    ) -> int:
        """Bytes that `live` take together at least while `op` runs, with `overlaps` and `scratch` bytes more."""
        sizes = [Buffer(buffer.size, 0, 0, buffer.alignment) for buffer in live.values()]
        more = [Buffer(scratch, 0, 0)] if scratch else []
        known = {**self._overlaps[self.times[op]], **overlaps}
        return least_bytes([*sizes, *more], _numbered(known, live))

    def planned_bytes(self, changes: Iterable[Change]) -> int:
        """The arena of a plan with these changes, made in little time."""
        buffers, overlaps, new = dict(self.buffers), dict(self.overlaps), list[Buffer]()
        for change in changes:
            overlaps |= change.overlaps
            new += change.scratch
            for value in change.gone:
                buffers.pop(value, None)
            for value, last in change.lasts.items():
                buffers[value] = replace(buffers[value], last=max(buffers[value].last, last))
        return quick_bytes([*buffers.values(), *new], _numbered(overlaps, buffers))


def _numbered(
    overlaps: Overlaps, buffers: Mapping[SSAValue, Buffer]
) -> dict[tuple[int, int], Overlap]:
    """The overlaps of these buffers by their numbers."""
    numbers = {value: number for number, value in enumerate(buffers)}
    return {
        (numbers[output], numbers[input]): overlap
        for (output, input), overlap in overlaps.items()
        if output in numbers and input in numbers
    }
