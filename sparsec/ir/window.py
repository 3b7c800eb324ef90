# SPDX-License-Identifier: Apache-2.0
"""Geometry as attributes: where windows slide, what is added around a tensor or taken of it."""

from typing import ClassVar

from xdsl.irdl import irdl_attr_definition

from sparsec.ir.record import RecordAttr
from sparsec.quantization.window import Border, Pool, Slice, Window


@irdl_attr_definition
class WindowAttr(RecordAttr[Window]):
    """`#nn.window<strides = [2, 2], padding = [1, 1, 1, 1], dilations = [1, 1]>`."""

    name = "nn.window"
    RECORD: ClassVar = Window


@irdl_attr_definition
class PoolAttr(RecordAttr[Pool]):
    """`#nn.pool<strides = [2, 2], kernel = [2, 2]>`."""

    name = "nn.pool"
    RECORD: ClassVar = Pool


@irdl_attr_definition
class BorderAttr(RecordAttr[Border]):
    """`#nn.border<low = [0, 1, 1, 0], high = [0, 1, 1, 0]>`."""

    name = "nn.border"
    RECORD: ClassVar = Border


@irdl_attr_definition
class SliceAttr(RecordAttr[Slice]):
    """`#nn.slice_params<begin = [0, 0, 1], strides = [1, 2, -1]>`."""

    name = "nn.slice_params"
    RECORD: ClassVar = Slice
