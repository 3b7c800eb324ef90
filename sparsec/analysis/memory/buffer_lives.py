# SPDX-License-Identifier: Apache-2.0
"""When the buffers of a bufferized function are live, and how many bytes that is at most.

Inputs are live from the start to their last use, results from their first write to the end. A view is its buffer.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import BlockArgument, Operation, SSAValue

from sparsec.ir.attributes import RESULT
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.views import memory_of, place_in_memory
from sparsec.planning.arena import Buffer
from sparsec.planning.overlap import Overlap

ACTIVATION_ALIGNMENT = 4
"""Kernels read activations word by word, which is slower across the words of the memory."""


def peak_bytes(
    function: func.FuncOp,
    part_of: Mapping[SSAValue, SSAValue] | None = None,
    without: Collection[Operation] = (),
) -> int:
    """The most bytes that are live at once; no output lies over an input.

    `part_of` maps buffers to others that would contain them, `without` are calls that would go.
    """
    inside: Mapping[SSAValue, SSAValue] = {} if part_of is None else part_of
    arguments = list(function.body.block.args)
    attributes = [a.data for a in function.arg_attrs or ()] or [{} for _ in arguments]
    results = {
        argument
        for argument, of in zip(arguments, attributes, strict=True)
        if isinstance(of.get(RESULT), UnitAttr)
    }
    lives: dict[SSAValue, tuple[int, int]] = {
        argument: (0, 0) for argument in arguments if argument not in results
    }
    calls = [op for op in function.body.block.ops if isinstance(op, KernelOp) and op not in without]
    for time, op in enumerate(calls, 1):
        for value in map(memory_of, op.operands):
            memory = inside.get(value, value)
            if memory in lives or memory in results or isinstance(memory.owner, memref.AllocOp):
                lives[memory] = (lives.get(memory, (time, time))[0], time)
    changes = [0] * (len(calls) + 3)
    for memory, (first, last) in lives.items():
        changes[first] += byte_count(memory.type)
        changes[(len(calls) + 1 if memory in results else last) + 1] -= byte_count(memory.type)
    return max(accumulate(changes))


def live_buffers(
    function: func.FuncOp, inputs: Sequence[BlockArgument], results: Sequence[BlockArgument]
) -> dict[SSAValue, Buffer]:
    """Size and lifetime of every allocation, and of these arguments. Time 0 is before the first call, which is at time 1."""
    block = function.body.block
    buffers: dict[SSAValue, Buffer] = {}
    for argument in inputs:
        buffers[argument] = Buffer(byte_count(argument.type), 0, 0, ACTIVATION_ALIGNMENT)
    time = 0
    for op in block.ops:
        if not isinstance(op, KernelOp):
            continue
        time += 1
        for value in map(memory_of, op.operands):
            if value in buffers:
                buffers[value] = replace(buffers[value], last=time)
            elif isinstance(value.owner, memref.AllocOp):
                alignment = value.owner.alignment
                bytes = ACTIVATION_ALIGNMENT if alignment is None else alignment.value.data
                buffers[value] = Buffer(byte_count(value.type), time, time, bytes)
            elif value in results:
                buffers[value] = Buffer(byte_count(value.type), time, time, ACTIVATION_ALIGNMENT)
    for argument in results:
        buffers[argument] = replace(buffers[argument], last=time + 1)
    return buffers


def overlaps_of(
    function: func.FuncOp, buffers: Mapping[SSAValue, Buffer]
) -> dict[tuple[SSAValue, SSAValue], Overlap]:
    """How an output may lie over an input that dies in the call which first writes the output: by (output, input)."""
    found: dict[tuple[SSAValue, SSAValue], Overlap] = {}
    kernels = [op for op in function.body.block.ops if isinstance(op, KernelOp)]
    for time, op in enumerate(kernels, 1):
        written = set(op.written())
        whole = [value for value in op.operands if shows_all(value) and memory_of(value) in buffers]
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


def shows_all(buffer: SSAValue) -> bool:
    """Whether `buffer` is all of its memory."""
    memory, start = place_in_memory(buffer)
    return start == 0 and byte_count(buffer.type) == byte_count(memory.type)
