# SPDX-License-Identifier: Apache-2.0
"""`alias-buffers`: what would be copied to or from a part of another buffer is that part.

    %b = memref.alloc() : memref<1x4xi8>
    rt.requantize_s8 %x <..> into %b
    %y = memref.alloc() : memref<1x8xi8>
    rt.concatenate_s8 %b axis 1 at 4 into %y
becomes
    %y = memref.alloc() : memref<1x8xi8>
    %b = memref.reinterpret_cast %y to offset: [4], sizes: [1, 4], strides: [4, 1]
    rt.requantize_s8 %x <..> into %b

and a slice, or a transpose that only moves axes of one element, a view of its input. Left alone is what does not lie in
one piece or at a multiple of four bytes, and a buffer of the caller. A buffer lives as long as all its parts: so it is
done one by one, and only where the bytes that are live at once do not grow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.memory.lifetimes import Lifetimes
from sparsec.ir import rt
from sparsec.ir.kernel import KernelOp, byte_count, element_dtype
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import memory_of, part_of, place_in_memory
from sparsec.rewriting.planned_views import inputs_and_results

ALIGNMENT = 4
"""Bytes at multiples of which kernels want activations to begin."""


@dataclass(frozen=True)
class AliasBuffersPass(ModulePass):
    """Compute concatenations where they are wanted, read slices where they are."""

    name = "alias-buffers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs
            if not types.data or not all(isinstance(type, MemRefType) for type in types):
                continue
            try:
                alias_buffers(function)
            except ValueError as error:
                raise PassFailedException(str(error)) from error


@dataclass(frozen=True)
class Copy:
    """A call after which the allocation `whole` and the bytes of `memory` from `offset` on are the same."""

    op: KernelOp
    whole: memref.AllocOp
    memory: SSAValue
    offset: int


def alias_buffers(function: func.FuncOp) -> None:
    """Remove copies between allocations and parts of buffers where those can be these."""
    tried: set[SSAValue] = set()
    for op in kernels_of(function):
        copy = removable(function, op)
        if copy is None:
            continue
        if copy.memory not in tried:
            # Together: the parts of a concatenation take no more room than the whole.
            tried.add(copy.memory)
            found = [removable(function, other) for other in kernels_of(function)]
            group: dict[memref.AllocOp, Copy] = {}
            for other in found:
                if other is not None and other.memory is copy.memory:
                    group.setdefault(other.whole, other)
            remove(function, list(group.values()))
        if copy.whole.parent is not None:
            remove(function, [copy])


def kernels_of(function: func.FuncOp) -> list[KernelOp]:
    """The calls, in order."""
    return [op for op in function.body.block.ops if isinstance(op, KernelOp)]


def removable(function: func.FuncOp, op: KernelOp) -> Copy | None:
    """What `op` copies, if nobody would notice that it was one memory all along."""
    copy = copied(op)
    if copy is None:
        return None
    whole, memory = copy.whole.memref, copy.memory
    part = (copy.offset, copy.offset + byte_count(whole.type))
    constant = isinstance(memory.owner, memref.GetGlobalOp)
    if memory is whole or constant or copy.offset % ALIGNMENT:
        return None
    calls = kernels_of(function)
    others, later = [call for call in calls if call is not op], calls[calls.index(op) + 1 :]
    if isinstance(op, rt.ConcatenateOp):
        # The part is written when the allocation was; from then on it is nobody else's.
        seen = any(writes(o, memory, part) for o in others) or any(writes(o, whole) for o in later)
    else:
        # Both keep what they hold.
        seen = any(writes(o, memory, part) for o in later) or any(writes(o, whole) for o in others)
    return None if seen else copy


def remove(function: func.FuncOp, copies: Sequence[Copy]) -> None:
    """Do so, unless more bytes would be live."""
    parts: dict[SSAValue, SSAValue] = {copy.whole.memref: copy.memory for copy in copies}
    lifetimes = Lifetimes(function, *inputs_and_results(function))
    if lifetimes.peak_bytes(parts, {copy.op for copy in copies}) > lifetimes.peak_bytes():
        return
    for copy in copies:
        show_part(copy.whole, copy.memory, copy.offset)
        Rewriter.erase_op(copy.op)


def copied(op: KernelOp) -> Copy | None:
    """What `op` copies; None if that does not lie in one piece, or is no allocation of its own."""
    if isinstance(op, rt.ConcatenateOp):
        blocks, _, _, offset = op.blocks()
        whole, buffer = op.input, op.output
        together = blocks == 1
    elif isinstance(op, rt.SliceOp):
        offset, loops = op.loops()
        whole, buffer = op.output, op.input
        together = not loops or (len(loops) == 1 and loops[0][1] == 1)
    elif isinstance(op, rt.TransposeOp):
        whole, buffer, offset = op.output, op.input, 0
        order = [a for a in op.permutation.get_values() if shape_of(op.input.type)[a] > 1]
        together = order == sorted(order)
    else:
        return None
    memory = memory_of(whole)
    if not together or not isinstance(memory.owner, memref.AllocOp):
        return None
    if byte_count(memory.type) != byte_count(whole.type) or memory.owner.alignment is not None:
        return None
    found, begin = place_in_memory(buffer)
    return Copy(op, memory.owner, found, begin + offset)


def writes(op: KernelOp, memory: SSAValue, part: tuple[int, int] | None = None) -> bool:
    """Whether `op` writes to `memory`, or to the bytes from `part[0]` to `part[1]` of it."""
    for value in op.written():
        found, start = place_in_memory(value)
        if found is not memory:
            continue
        first, size = op.span_written(value)
        start, end = start + first, start + first + size
        if part is None or (start < part[1] and part[0] < end):
            return True
    return False


def show_part(whole: memref.AllocOp, memory: SSAValue, offset: int) -> None:
    """Replace the buffer `whole` by the bytes of `memory` from `offset` on."""
    block = whole.parent_block()
    assert block is not None
    if isinstance(memory.owner, memref.AllocOp) and whole.is_before_in_block(memory.owner):
        allocation = memory.owner
        allocation.detach()
        block.insert_op_before(allocation, whole)
    size = element_dtype(memory.type).itemsize
    view = part_of(memory, offset // size, shape_of(whole.memref.type))
    view.result.name_hint = whole.memref.name_hint
    Rewriter.insert_op(view, InsertPoint.before(whole))
    whole.memref.replace_all_uses_with(view.result)
    Rewriter.erase_op(whole)
