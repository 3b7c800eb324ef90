# SPDX-License-Identifier: Apache-2.0
"""Canaries in a network's memory: before each call all bytes that are dead are painted, behind it all that the call had
no right to change are compared.

The rule: who is live when follows from the final IR alone, by its calls and their operands, and shares no code with the
planner or the certificate.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from sparsec.analysis.memory.memory_plan import PlannedFunction, arena_offset
from sparsec.ir.attributes import INPUT, OUTPUT
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.views import memory_of, place_in_memory

HARNESS_GUARD = 64
"""Bytes that the harness keeps free on both sides of an arena."""

_FOLDER = Path(__file__).parent
_FILES = ("canaries.c", "canaries.h", "canary_plan_types.h")

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Buffer:
    """`size` bytes from `offset` on of a memory, which are needed from behind call `first` up to call `last`.

    The caller fills a buffer before call 0, so `first` is -1, or reads it behind the last call: `last` is their number.
    """

    memory: int
    offset: int
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Write:
    """Bytes of a buffer that a call may change, from `begin` to before `end`."""

    buffer: int
    begin: int
    end: int


@dataclass(frozen=True)
class Call:
    """A kernel call: outputs and scratch memory are its writes, its buffers are numbers."""

    name: str
    writes: tuple[Write, ...]


@dataclass(frozen=True)
class Plan:
    """What lies where and when. `memories` are (what the generated C calls it, bytes)."""

    memories: tuple[tuple[str, int], ...]
    buffers: tuple[Buffer, ...]
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Span:
    """Bytes of a memory, from `begin` to before `end`; those of a guard are negative or behind its last."""

    memory: int
    begin: int
    end: int


def plan_of(planned: PlannedFunction) -> Plan:
    """The plan that a function states by its views and the operands of its calls."""
    kernels = list(planned.kernels)
    views = list(planned.views)
    numbers: dict[SSAValue, int] = {view.result: number for number, view in enumerate(views)}
    first = [-1 if INPUT in view.attributes else len(kernels) for view in views]
    # Nothing may be painted over an input that is the caller's.
    kept = [
        OUTPUT in v.attributes or bool(planned.memories[planned.memory_of(v)].caller) for v in views
    ]
    last = [len(kernels) if each else -1 for each in kept]
    calls: list[Call] = []
    for time, op in enumerate(kernels):
        writes: list[Write] = []
        for value in op.written():
            memory, begin = place_in_memory(value)
            number = numbers[memory]
            first[number] = min(first[number], time)
            writes.append(Write(number, begin, begin + byte_count(value.type)))
        for memory in map(memory_of, op.operands):
            if memory in numbers:
                last[numbers[memory]] = max(last[numbers[memory]], time)
        calls.append(Call(_name(op), tuple(writes)))
    buffers = [
        Buffer(planned.memory_of(view), arena_offset(view), byte_count(view.result.type), *life)
        for view, *life in zip(views, first, last, strict=True)
    ]
    memories = tuple((f"(int8_t *){each.name}", each.bytes) for each in planned.memories)
    return Plan(memories, tuple(buffers), tuple(calls))


def dead_bytes(plan: Plan, time: int) -> list[Span]:
    """What call number `time` and those behind it do not need, unless it is written before."""
    masks = [np.ones(bytes, np.bool_) for _, bytes in plan.memories]
    for buffer in plan.buffers:
        if buffer.first < time <= buffer.last:
            _inside(masks, buffer, 0, buffer.size)[:] = False
    return _spans(masks, 0)


def kept_bytes(plan: Plan, time: int, guard: int = 0) -> list[Span]:
    """What call number `time` must not change, `guard` bytes on both sides of each memory included.

    That is all but its writes, and of these what lies in a buffer of others that is needed later.
    """
    masks = [np.ones(bytes, np.bool_) for _, bytes in plan.memories]
    writes = plan.calls[time].writes
    for write in writes:
        _inside(masks, plan.buffers[write.buffer], write.begin, write.end)[:] = False
    own = {write.buffer for write in writes}
    for number, buffer in enumerate(plan.buffers):
        if buffer.first < time < buffer.last and number not in own:
            _inside(masks, buffer, 0, buffer.size)[:] = True
    guarded = [np.pad(mask, guard, constant_values=True) for mask in masks]
    return _spans(guarded, guard)


def with_canaries(
    files: Mapping[str, str], name: str, plan: Plan, guard: int = HARNESS_GUARD
) -> dict[str, str]:
    """The project `name` of `files` so that it watches its memory.

    Its entry returns 1 and prints the call and the byte when a call changes what it must not.
    """
    return {
        **files,
        f"{name}.c": f'#include "canaries.h"\n{files[f"{name}.c"]}',
        "canary_plan.h": plan_header(plan),
        "canary_plan.c": plan_source(plan, guard),
        **{file: (_FOLDER / file).read_text() for file in _FILES},
    }


def plan_header(plan: Plan) -> str:
    """The header that tells a watched network its memories."""
    return f"#define CANARY_MEMORIES {', '.join(name for name, _ in plan.memories)}\n"


def plan_source(plan: Plan, guard: int) -> str:
    """The C file that tells canaries.c of `plan`; it is all that differs between networks."""
    calls = (
        f"    {{{json.dumps(call.name)}, {_c_spans(dead_bytes(plan, time))}, "
        f"{_c_spans(kept_bytes(plan, time, guard))}}},\n"
        for time, call in enumerate(plan.calls)
    )
    copies = (
        f"static int8_t copy{number}[{bytes + 2 * guard}];\n"
        for number, (_, bytes) in enumerate(plan.memories)
    )
    memories = (
        f"    {{{bytes}, copy{number}}},\n" for number, (_, bytes) in enumerate(plan.memories)
    )
    return "".join(
        [
            '#include "canary_plan_types.h"\n',
            *copies,
            f"const int32_t canary_guard = {guard};\n",
            f"const int32_t canary_memory_count = {len(plan.memories)};\n",
            *("const canary_memory canary_memories[] = {\n", *memories, "};\n"),
            *("const canary_call canary_calls[] = {\n", *calls, "};\n"),
        ]
    )


def _c_spans(spans: Iterable[Span]) -> str:
    rows = [f"{{{span.memory}, {span.begin}, {span.end}}}" for span in spans]
    return f"(const canary_span[]){{{', '.join([*rows, '{0, 0, 0}'])}}}"


def _inside(masks: Sequence[Mask], buffer: Buffer, begin: int, end: int) -> Mask:
    """The part of a mask that some bytes of a buffer are; a wrong plan may have them outside of the memory."""
    mask = masks[buffer.memory]
    start, stop = np.clip([buffer.offset + begin, buffer.offset + end], 0, len(mask))
    return mask[start:stop]


def _spans(masks: Iterable[Mask], guard: int) -> list[Span]:
    """Where each mask is true; byte 0 of a memory lies behind its guard."""
    found: list[Span] = []
    for memory, mask in enumerate(masks):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
        for begin, end in edges.reshape(-1, 2).tolist():
            found.append(Span(memory, begin - guard, end - guard))
    return found


def _name(op: KernelOp) -> str:
    layer = op.attributes.get("layer")
    return f"{layer.data}: {op.name}" if isinstance(layer, StringAttr) else op.name
