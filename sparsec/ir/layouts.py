# SPDX-License-Identifier: Apache-2.0
"""Layouts of activations as attributes of memref types: `memref<1x5x5x64xi8, #rt.channel_major<..>>`.

The rule: a buffer with a layout is a `memref.reinterpret_cast` of a flat one, which has all its bytes, so that whoever plans
memory counts them. Its shape is that of the NHWC image all the same. A type without a layout is NHWC.
"""

from typing import ClassVar

from xdsl.dialects.builtin import MemRefLayoutAttr, MemRefType, i8
from xdsl.dialects.memref import ReinterpretCastOp
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import irdl_attr_definition
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.record import RecordAttr
from sparsec.ir.shapes import image_shape
from sparsec.layouts.activations import ChannelMajor, Layout


@irdl_attr_definition
class ChannelMajorAttr(RecordAttr[ChannelMajor], MemRefLayoutAttr):
    """`#rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>`."""

    name = "rt.channel_major"
    RECORD: ClassVar = ChannelMajor

    def get_affine_map(self) -> AffineMap:
        raise ValueError("where an element is depends on the shape: ask the layout")


def layout_of(type: Attribute) -> Layout:
    """How the elements of a buffer lie, None for NHWC and whatever is no image."""
    if isinstance(type, MemRefType) and isinstance(type.layout, ChannelMajorAttr):
        return type.layout.data
    return None


def required_layout(value: SSAValue, what: str) -> ChannelMajor:
    """The layout of an image. VerifyException where there is none."""
    image_shape(value.type, what)
    if (found := layout_of(value.type)) is None:
        raise VerifyException(f"{what} must be channel-major, got {value.type}")
    return found


def laid_out(memory: SSAValue, shape: tuple[int, ...], layout: ChannelMajor) -> ReinterpretCastOp:
    """The op that shows flat `memory` as an image of `shape` that lies as `layout` says."""
    type = MemRefType(i8, shape, ChannelMajorAttr(layout))
    strides = [layout.bytes(shape), layout.pitch(shape), 1, layout.plane(shape)]
    return ReinterpretCastOp(memory, [], [], [], [0], list(shape), strides, type)
