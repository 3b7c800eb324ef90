"""Buffers seen in another shape: `memref.reinterpret_cast` without dynamic sizes."""

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import MemRefType
from xdsl.dialects.memref import ReinterpretCastOp
from xdsl.ir import SSAValue


def reshaped(buffer: SSAValue, shape: Sequence[int]) -> ReinterpretCastOp:
    """The op that shows the memory of `buffer` in `shape`, of as many elements."""
    assert isinstance(buffer.type, MemRefType)
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    type = MemRefType(buffer.type.element_type, shape)
    return ReinterpretCastOp(buffer, [], [], [], [0], list(shape), strides, type)


def memory_of(buffer: SSAValue) -> SSAValue:
    """The buffer whose memory `buffer` shows, through any number of reshapes."""
    while isinstance(buffer.owner, ReinterpretCastOp):
        buffer = buffer.owner.source
    return buffer
