# SPDX-License-Identifier: Apache-2.0
"""A memory plan as plain data: which buffer lies where, and from which call to which.

The rule: tables, pictures, reports and errors read this and no IR. Calls are numbered from 0 in their order.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from xdsl.dialects import memref
from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Attribute

from sparsec.analysis.memory.lifetimes import Life, Lifetimes
from sparsec.analysis.memory.live_bytes import sum_text
from sparsec.analysis.memory.memory_plan import PlannedFunction, arena_offset, io_names
from sparsec.ir.attributes import INPUT, OUTPUT
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.layer import layer_of
from sparsec.ir.rt.decode import DecodeOp

Kind = Literal["input", "output", "activation", "weights", "scratch"]
"""What a buffer is to the network: `weights` are decoded ones."""

Status = Literal["optimal", "feasible"]
"""Whether no plan is smaller, or none is known."""


@dataclass(frozen=True)
class PlannedBuffer:
    """`size` bytes of `memory` from `offset` on, in use from call `first` to call `last`, both included.

    `reads` and `writes` are the calls that do so; in between the buffer waits. An activation has the name of the layer
    that writes it.
    """

    name: str
    memory: str
    offset: int
    size: int
    first: int
    last: int
    kind: Kind
    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """The byte behind the last one."""
        return self.offset + self.size

    def live(self, call: int) -> bool:
        """Whether the buffer is in use during `call`."""
        return self.first <= call <= self.last

    def role(self, call: int) -> str:
        """What the buffer is to `call`: its input, output or scratch memory, else its name."""
        if self.kind == "scratch":
            return self.kind
        if call in self.writes:
            return "output"
        return "input" if call in self.reads else self.name


@dataclass(frozen=True)
class Peak:
    """The call during which most bytes of a memory are in use, and by which buffers, the largest first."""

    memory: str
    call: int
    layer: str
    bytes: int
    buffers: tuple[PlannedBuffer, ...]

    @property
    def shared(self) -> int:
        """Bytes that count for several buffers, as an output may lie over its input."""
        return sum(buffer.size for buffer in self.buffers) - self.bytes

    @property
    def sum(self) -> str:
        """`36,864 B = input 18,432 + output 18,432`."""
        return f"{self.bytes:,} B = {sum_text(self.parts, self.shared)}"

    @property
    def parts(self) -> list[tuple[str, int]]:
        """What each buffer is to the call, and its bytes."""
        return [(buffer.role(self.call), buffer.size) for buffer in self.buffers]


@dataclass(frozen=True)
class PlanView:
    """A plan: the layers of the calls, the buffers, the bytes of each memory, and how good it is.

    `bound` are bytes that no plan goes below. Where there are several memories, `bounds` says it of each for what lies
    there, and `bound` is their sum. What is the caller's is no part of the plan.
    """

    calls: tuple[str, ...]
    buffers: tuple[PlannedBuffer, ...]
    memories: Mapping[str, int]
    bound: int
    status: Status
    bounds: Mapping[str, int] = field(default_factory=dict[str, int])

    def bound_of(self, memory: str) -> int:
        """The bytes below which no plan of what lies in `memory` goes."""
        return self.bounds.get(memory, self.bound)

    def status_of(self, memory: str) -> Status:
        """Whether `memory` could be smaller."""
        return "optimal" if self.memories[memory] == self.bound_of(memory) else "feasible"

    def live(self, memory: str, call: int) -> tuple[PlannedBuffer, ...]:
        """The buffers of `memory` that are in use during `call`, the largest first."""
        found = [each for each in self.buffers if each.memory == memory and each.live(call)]
        return tuple(sorted(found, key=lambda each: -each.size))

    def live_bytes(self, memory: str, call: int) -> int:
        """How many bytes of `memory` are in use during `call`; what buffers share counts once."""
        total = reached = 0
        for each in sorted(self.live(memory, call), key=lambda each: each.offset):
            total += max(0, each.end - max(reached, each.offset))
            reached = max(reached, each.end)
        return total

    def peak(self, memory: str) -> Peak | None:
        """The first of the calls with most bytes in use, None where none uses `memory`."""
        live = [self.live_bytes(memory, call) for call in range(len(self.calls))]
        if not any(live):
            return None
        call = live.index(max(live))
        return Peak(memory, call, self.calls[call], live[call], self.live(memory, call))

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """The peak of each memory that is used, the largest first."""
        found = [peak for memory in self.memories if (peak := self.peak(memory)) is not None]
        return tuple(sorted(found, key=lambda peak: -peak.bytes))


def peak_facts(peak: Peak) -> dict[str, Any]:
    """A peak as reports have it."""
    return {
        "memory": peak.memory,
        "layer": peak.layer,
        "bytes": peak.bytes,
        "shared_bytes": peak.shared,
        "buffers": [
            {
                "name": buffer.name,
                "kind": buffer.kind,
                "role": buffer.role(peak.call),
                "bytes": buffer.size,
            }
            for buffer in peak.buffers
        ],
    }


def plan_view(planned: PlannedFunction, bound: int) -> PlanView:
    """The plan of a function, which no plan beats by less than `bound` bytes."""
    names = {number: each.name for number, each in enumerate(planned.memories) if not each.caller}
    views = {op.result: op for op in planned.views if planned.memory_of(op) in names}
    lifetimes = Lifetimes(
        planned.function,
        [value for value, op in views.items() if INPUT in op.attributes],
        [value for value, op in views.items() if OUTPUT in op.attributes],
    )
    kernels = lifetimes.calls
    end = max(len(kernels) - 1, 0)
    buffers: list[PlannedBuffer] = []
    for value, view in views.items():
        life = lifetimes.lives.get(value, Life([], [], (1,)))
        calls = sorted({*life.reads, *life.writes}) or [1]
        kind, name = _kind_and_name(view, kernels[calls[0] - 1] if kernels else None, planned)
        buffers.append(
            PlannedBuffer(
                name,
                names[planned.memory_of(view)],
                arena_offset(view),
                byte_count(value.type),
                max(min(life.times) - 1, 0),
                min(max(*life.times, 1) - 1, end),
                kind,
                tuple(time - 1 for time in life.reads),
                tuple(time - 1 for time in life.writes),
            )
        )
    return PlanView(
        tuple(_name_of(op) for op in kernels),
        _with_unique_names(buffers),
        {memory.name: memory.bytes for memory in planned.own_memories},
        bound,
        "optimal" if planned.arena_bytes == bound else "feasible",
        {each.name: each.bound for each in planned.own_memories if each.bound is not None},
    )


def _kind_and_name(
    view: memref.ViewOp, writer: KernelOp | None, planned: PlannedFunction
) -> tuple[Kind, str]:
    """What the buffer of `view` is, and what to call it; `writer` is the first call that uses it."""
    if INPUT in view.attributes:
        return "input", io_names("input", len(planned.inputs))[_number(view.attributes[INPUT])]
    if OUTPUT in view.attributes:
        return "output", io_names("output", len(planned.outputs))[_number(view.attributes[OUTPUT])]
    layer = "buffer" if writer is None else _name_of(writer)
    if view.result is getattr(writer, "scratch", None):
        return "scratch", f"{layer} scratch"
    if isinstance(writer, DecodeOp):
        return "weights", f"{layer} weights"
    return "activation", layer


def _name_of(op: KernelOp) -> str:
    """The layer of a call. Names come from files of strangers, and terminals and pictures obey control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in layer_of(op))


def _number(attribute: Attribute) -> int:
    assert isinstance(attribute, IntegerAttr)
    return attribute.value.data


def _with_unique_names(buffers: list[PlannedBuffer]) -> tuple[PlannedBuffer, ...]:
    """Several buffers of one layer get numbers: `conv`, `conv#2`."""
    seen: Counter[str] = Counter()
    found: list[PlannedBuffer] = []
    for each in buffers:
        seen[each.name] += 1
        number = seen[each.name]
        found.append(each if number == 1 else replace(each, name=f"{each.name}#{number}"))
    return tuple(found)
