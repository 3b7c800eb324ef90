# SPDX-License-Identifier: Apache-2.0
"""A memory plan for TensorFlow Lite Micro, which takes it from the file's metadata instead of its own planner.

The one rule: the plan is of the file's own operators in their order, as TensorFlow Lite Micro runs them; no two tensors
that are live together share a byte, because its kernels do not expect it.

Only tensors have offsets. What kernels ask for besides, as scratch memory, TensorFlow Lite Micro places around the plan when
it loads the model, on top of it where no gap is wide enough; its own planner places both together. So a plan of fewer bytes
may make a larger arena, and one is taken only where no scratch memory within `scratch_bounds.py` can do that. Source:
tflite-micro, docs/memory_management.md, micro_allocation_info.cc and greedy_memory_planner.cc.

So `--emit=tflm-plan` takes no pass and plans without overlaps; `metadata.py` writes the plan into the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite.metadata import has_metadata, with_metadata
from sparsec.frontends.tflite.model import ABSENT, Model, Tensor
from sparsec.frontends.tflite.reader import read_model
from sparsec.frontends.tflite.scratch_bounds import ALIGNMENT, scratch_bound
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.exact import neighbours, sections
from sparsec.planning.heuristic import arena_bytes, place_in_order
from sparsec.planning.offsets import Assignment, assign_offsets

NAME = "OfflineMemoryAllocation"
"""The metadata that TensorFlow Lite Micro looks for."""

_FORMAT_VERSION, _SUBGRAPHS = 1, 1
_AT_RUN_TIME = -1

_MOST_TENSORS = 1 << 12
_MOST_BYTES = (1 << 31) - 1

_BYTES = {
    **dict.fromkeys(("INT4", "INT8", "UINT8", "BOOL"), 1),
    **dict.fromkeys(("INT16", "UINT16", "FLOAT16", "BFLOAT16"), 2),
    **dict.fromkeys(("INT32", "UINT32", "FLOAT32"), 4),
    **dict.fromkeys(("INT64", "UINT64", "FLOAT64"), 8),
}
"""Of an element, as TensorFlow Lite Micro counts; other types are left to it."""


@dataclass(frozen=True)
class Bound:
    """The most `bytes` of scratch memory that an operator asks for, None where that is not known."""

    bytes: int | None
    operator: str

    @property
    def asks(self) -> str:
        """That in words."""
        what = "an unknown amount of" if self.bytes is None else f"up to {self.bytes} B of"
        return f"{self.operator} asks for {what} scratch memory"


@dataclass(frozen=True)
class OfflinePlan:
    """Offsets in bytes for the `tensors` of a file that live in the arena, of all `tensor_count`.

    `buffers` and the assignment's offsets stand in the order of `tensors`. `greedy_bytes` is the arena that TensorFlow Lite
    Micro would plan itself, scratch memory apart. The assignment is that one where a plan of `refused_bytes` may make a
    larger arena, `because` of what.
    """

    tensor_count: int
    tensors: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    assignment: Assignment
    greedy_bytes: int
    refused_bytes: int = 0
    because: str = ""

    @property
    def is_smaller(self) -> bool:
        """Whether it takes less than TensorFlow Lite Micro's own."""
        return self.assignment.arena_bytes < self.greedy_bytes

    @property
    def is_proven(self) -> bool:
        """Whether no plan of the tensors takes fewer bytes than the smallest one found."""
        found = self.refused_bytes or self.assignment.arena_bytes
        return found == self.assignment.lower_bound

    @property
    def metadata(self) -> bytes:
        """The plan as TensorFlow Lite Micro reads it; that it is to plan itself, if ours takes no less."""
        offsets = np.full(self.tensor_count, _AT_RUN_TIME, "<i4")
        if self.is_smaller:
            offsets[list(self.tensors)] = self.assignment.offsets
        header = np.array([_FORMAT_VERSION, _SUBGRAPHS, self.tensor_count], "<i4")
        return header.tobytes() + offsets.tobytes()


def plan_offline(content: bytes, budget: Budget | None = None) -> OfflinePlan:
    """The smallest plan found within `budget` for the file `content` whose arena is never larger than TensorFlow Lite
    Micro's own, whatever scratch memory its kernels ask for.

    Raises FrontendError.
    """
    budget = Budget() if budget is None else budget
    model = read_model(content)
    lives = lifetimes(model)
    buffers = tuple(lives.values())
    if not buffers:
        raise FrontendError("the model computes no tensor: there is nothing to plan")
    if len(buffers) > _MOST_TENSORS or sum(buffer.size for buffer in buffers) > _MOST_BYTES:
        raise FrontendError(
            f"the model computes more than {_MOST_TENSORS} tensors or {_MOST_BYTES >> 20} MiB: "
            "this is no model for a microcontroller"
        )
    own = greedy_offsets(buffers)
    greedy = arena_bytes(buffers, own)
    plan = OfflinePlan(
        len(model.tensors), tuple(lives), buffers, assign_offsets(buffers, budget=budget), greedy
    )
    because = ""
    if plan.is_smaller:
        plan, because = beside_scratch(plan, scratch_bounds(model), budget)
        because = because or left_out(model)
    found = plan.assignment
    if not because and found.arena_bytes <= greedy:  # otherwise time was up too early
        return plan
    refused = found.arena_bytes if because else 0
    theirs = replace(found, offsets=tuple(own), arena_bytes=greedy)
    return replace(plan, assignment=theirs, refused_bytes=refused, because=because)


def beside_scratch(
    plan: OfflinePlan, bounds: Mapping[int, Bound], budget: Budget
) -> tuple[OfflinePlan, str]:
    """A plan of as many bytes with room for scratch memory, or `plan` and why its arena may be larger than theirs.

    Theirs is at least the bound of the plan and, at each step, what is live then and the scratch memory. Ours is no larger
    than either where, at each step, scratch memory fits a gap or what is live lies without one.
    """
    bounds = {time: bound for time, bound in bounds.items() if bound.bytes != 0}
    if not bounds:
        return plan, ""
    first = next(iter(bounds.values()))
    found = plan.assignment
    if found.status != "optimal":
        return plan, f"it is not proven to be the smallest, and {first.asks}"
    reason = _risk(plan.buffers, found.offsets, found.arena_bytes, bounds)
    if not reason:
        return plan, ""
    # Once more, with the room that there is at each step as one more buffer.
    arena = found.arena_bytes
    room = [(time, _room(plan.buffers, arena, time, bound)) for time, bound in bounds.items()]
    scratch = [Buffer(size, time, time, ALIGNMENT) for time, size in room if size]
    both = assign_offsets((*plan.buffers, *scratch), capacity=arena, budget=budget)
    offsets = both.offsets[: len(plan.buffers)]
    if both.arena_bytes > arena or _risk(plan.buffers, offsets, arena, bounds):
        return plan, reason
    return replace(plan, assignment=replace(found, offsets=offsets)), ""


def _room(buffers: Sequence[Buffer], arena: int, time: int, bound: Bound) -> int:
    live = sum(b.size for b in buffers if b.first <= time <= b.last)
    return arena - live if bound.bytes is None else min(bound.bytes, arena - live)


def _risk(
    buffers: Sequence[Buffer], offsets: Sequence[int], arena: int, bounds: Mapping[int, Bound]
) -> str:
    """Why the arena may grow further than it had to, for the first step at which it may; nothing if for none."""
    for time, bound in bounds.items():
        live = sorted(
            (offset, offset + buffer.size)
            for buffer, offset in zip(buffers, offsets, strict=True)
            if buffer.first <= time <= buffer.last
        )
        starts, ends = [start for start, _ in live], [end for _, end in live]
        gaps = [start - end for start, end in zip([*starts, arena], [0, *ends], strict=True)]
        if any(gaps[:-1]) and (bound.bytes is None or bound.bytes > max(gaps)):
            return bound.asks
    return ""


def with_plan(content: bytes, plan: OfflinePlan) -> bytes:
    """A copy of the file with `plan`, which takes the place of a plan that it had. Raises FrontendError.

    The file as it is where TensorFlow Lite Micro's own planner is to plan; one that has another plan is told so.
    """
    if not plan.is_smaller and not has_metadata(content, NAME):
        return content
    return with_metadata(content, NAME, plan.metadata)


def lifetimes(model: Model) -> Mapping[int, Buffer]:
    """When each tensor of the arena is live, by its index: inputs from 0 on, operator i runs at i + 1.

    Outputs of the network live to the end.
    """
    end = len(model.operators)
    times: dict[int, list[int]] = {}
    for index in model.inputs:
        times.setdefault(index, []).append(0)
    for operator in model.operators:
        for index in (*operator.inputs, *operator.outputs):
            times.setdefault(index, []).append(operator.index + 1)
    for index in model.outputs:
        times.setdefault(index, []).append(end)
    times.pop(ABSENT, None)
    return {
        index: Buffer(size_in_arena(model.tensors[index]), min(used), max(used), ALIGNMENT)
        for index, used in sorted(times.items())
        if is_in_arena(model.tensors[index])
    }


def left_out(model: Model) -> str:
    """That a tensor is not planned and may be placed anywhere; nothing if there is none."""
    used = {i for op in model.operators for i in (*op.inputs, *op.outputs) if i != ABSENT}
    for tensor in (model.tensors[i] for i in sorted(used)):
        if tensor.data is None and not tensor.is_variable and not is_in_arena(tensor):
            return f"{tensor.title} is {tensor.dtype}, whose size is not known"
    return ""


def scratch_bounds(model: Model) -> dict[int, Bound]:
    """What each operator asks for at most, by the time at which it runs."""
    return {
        op.index + 1: Bound(scratch_bound(model, op), f"operator {op.index} ({op.name})")
        for op in model.operators
    }


def is_in_arena(tensor: Tensor) -> bool:
    """Whether a tensor that is used can be given an offset: it is computed anew by each inference."""
    return tensor.data is None and not tensor.is_variable and tensor.dtype in _BYTES


def size_in_arena(tensor: Tensor) -> int:
    """The bytes that TensorFlow Lite Micro keeps for a tensor."""
    return -(-tensor.elements * _BYTES[tensor.dtype] // ALIGNMENT) * ALIGNMENT


def greedy_offsets(buffers: Sequence[Buffer]) -> list[int]:
    """What TensorFlow Lite Micro's own planner does: by size, of equal ones the last first."""
    order = sorted(range(len(buffers)), key=lambda i: (-buffers[i].size, -i))
    offsets = place_in_order(buffers, {}, neighbours(*sections(buffers)), order)
    assert offsets is not None  # without a bound every order has a place
    return offsets
