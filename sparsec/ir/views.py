# SPDX-License-Identifier: Apache-2.0
"""Buffers: their types, and the same memory seen in another shape, or a part of it.

A `memref.reinterpret_cast` counts its offset, in elements, from where its source begins, and shows contiguous memory.

Which memory a buffer is, and where in it, is asked here: the copies of one buffer go together (`alias-buffers`), and stay
where more bytes would be live at once.
"""

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import MemRefType
from xdsl.dialects.memref import ReinterpretCastOp
from xdsl.ir import Attribute, SSAValue

from sparsec.ir.constant import numpy_type
from sparsec.ir.shapes import element_type, shape_of


def buffer_type(type: Attribute, shape: Sequence[int] | None = None) -> MemRefType[Attribute]:
    """The type of a buffer with the elements of the tensor or buffer `type`, and its shape unless
    another is given."""
    return MemRefType(element_type(type), shape_of(type) if shape is None else shape)


def reshaped(buffer: SSAValue, shape: Sequence[int]) -> ReinterpretCastOp:
    """The op that shows the memory of `buffer` in `shape`, of as many elements."""
    return part_of(buffer, 0, shape)


def part_of(buffer: SSAValue, offset: int, shape: Sequence[int]) -> ReinterpretCastOp:
    """The op that shows the elements of `buffer` from `offset` on in `shape`."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    type = buffer_type(buffer.type, shape)
    return ReinterpretCastOp(buffer, [], [], [], [offset], list(shape), strides, type)


def view_offset(view: ReinterpretCastOp) -> int:
    """Where `view` begins in its source, in elements. Raises ValueError unless that is a constant."""
    if view.offsets:
        raise ValueError("the offset of a view must be a constant")
    return view.static_offsets.get_values()[0]


def memory_of(buffer: SSAValue) -> SSAValue:
    """The buffer whose memory `buffer` shows, or a part of it, through any number of views."""
    while isinstance(buffer.owner, ReinterpretCastOp):
        buffer = buffer.owner.source
    return buffer


def place_in_memory(buffer: SSAValue) -> tuple[SSAValue, int]:
    """`memory_of(buffer)`, and the byte of it at which `buffer` begins."""
    offset = 0
    while isinstance(buffer.owner, ReinterpretCastOp):
        offset += view_offset(buffer.owner) * numpy_type(element_type(buffer.type)).itemsize
        buffer = buffer.owner.source
    return buffer, offset
