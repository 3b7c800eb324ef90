"""Buffers: their types, and the same memory seen in another shape."""

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import MemRefType, TensorType
from xdsl.dialects.memref import ReinterpretCastOp
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.hints import isa

from sparsec.ir.shapes import shape_of


def buffer_type(type: Attribute, shape: Sequence[int] | None = None) -> MemRefType[Attribute]:
    """The type of a buffer with the elements of the tensor or buffer `type`, and its shape unless
    another is given."""
    assert isa(type, TensorType[Attribute]) or isa(type, MemRefType[Attribute])
    return MemRefType(type.element_type, shape_of(type) if shape is None else shape)


def reshaped(buffer: SSAValue, shape: Sequence[int]) -> ReinterpretCastOp:
    """The op that shows the memory of `buffer` in `shape`, of as many elements."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    type = buffer_type(buffer.type, shape)
    return ReinterpretCastOp(buffer, [], [], [], [0], list(shape), strides, type)


def memory_of(buffer: SSAValue) -> SSAValue:
    """The buffer whose memory `buffer` shows, through any number of reshapes."""
    while isinstance(buffer.owner, ReinterpretCastOp):
        buffer = buffer.owner.source
    return buffer
