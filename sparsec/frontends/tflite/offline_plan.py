# SPDX-License-Identifier: Apache-2.0
"""A memory plan for TensorFlow Lite Micro, which takes it from the file's metadata instead of its own planner.

The one rule: the plan is of the file's own operators in their order, as TensorFlow Lite Micro runs them; no two tensors
that are live together share a byte, because its kernels do not expect it.

Only tensors have offsets. What kernels ask for besides, as scratch memory, TensorFlow Lite Micro places around the plan when
it loads the model, on top of it where no gap is wide enough. Source: tflite-micro, docs/memory_management.md,
micro_allocation_info.cc and greedy_memory_planner.cc.

So `--emit=tflm-plan` takes no pass and plans without overlaps; `metadata.py` writes the plan into the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite.metadata import has_metadata, with_metadata
from sparsec.frontends.tflite.model import ABSENT, Model, Tensor
from sparsec.frontends.tflite.reader import read_model
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.exact import neighbours, sections
from sparsec.planning.heuristic import arena_bytes, place_in_order
from sparsec.planning.offsets import Assignment, assign_offsets

NAME = "OfflineMemoryAllocation"
"""The metadata that TensorFlow Lite Micro looks for."""

ALIGNMENT = 16
"""Of tensors in its arena, and what their sizes are rounded up to, in bytes."""

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
class OfflinePlan:
    """Offsets in bytes for the `tensors` of a file that live in the arena, of all `tensor_count`.

    `buffers` and the assignment's offsets stand in the order of `tensors`. `greedy_bytes` is the arena that TensorFlow Lite
    Micro would plan itself.
    """

    tensor_count: int
    tensors: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    assignment: Assignment
    greedy_bytes: int

    @property
    def is_smaller(self) -> bool:
        """Whether it takes less than TensorFlow Lite Micro's own."""
        return self.assignment.arena_bytes < self.greedy_bytes

    @property
    def metadata(self) -> bytes:
        """The plan as TensorFlow Lite Micro reads it."""
        offsets = np.full(self.tensor_count, _AT_RUN_TIME, "<i4")
        offsets[list(self.tensors)] = self.assignment.offsets
        header = np.array([_FORMAT_VERSION, _SUBGRAPHS, self.tensor_count], "<i4")
        return header.tobytes() + offsets.tobytes()


def plan_offline(content: bytes, budget: Budget | None = None) -> OfflinePlan:
    """The smallest plan found within `budget` for the file `content`, never larger than TensorFlow Lite Micro's own.

    Raises FrontendError.
    """
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
    assignment = assign_offsets(buffers, budget=budget)
    if greedy < assignment.arena_bytes:  # time was up too early
        assignment = replace(assignment, offsets=tuple(own), arena_bytes=greedy)
    return OfflinePlan(len(model.tensors), tuple(lives), buffers, assignment, greedy)


def with_plan(content: bytes, plan: OfflinePlan) -> bytes:
    """A copy of the file with `plan`, which takes the place of a plan that it had. Raises FrontendError.

    The file as it is where TensorFlow Lite Micro's own planner takes no more: that one knows the scratch memory of its
    kernels, which would come on top of a plan of ours.
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


def is_in_arena(tensor: Tensor) -> bool:
    """Whether a tensor that is used can be given an offset: it is computed anew by each inference."""
    return tensor.data is None and not tensor.is_variable and tensor.dtype in _BYTES


def size_in_arena(tensor: Tensor) -> int:
    """The bytes that TensorFlow Lite Micro keeps for a tensor."""
    return -(-tensor.elements * _BYTES[tensor.dtype] // ALIGNMENT) * ALIGNMENT


def greedy_offsets(buffers: Sequence[Buffer]) -> list[int]:
    """What TensorFlow Lite Micro's own planner does: by size, of equal ones the last first."""
    order = sorted(range(len(buffers)), key=lambda i: (-buffers[i].size, -i))
    return place_in_order(buffers, {}, neighbours(*sections(buffers)), order)
