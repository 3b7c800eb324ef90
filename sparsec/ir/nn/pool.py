# SPDX-License-Identifier: Apache-2.0
"""Layers that reduce windows of an image."""

from abc import ABC

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.nn.types import F32Tensor, KeepsQuantization, MovesData
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.shapes import (
    image_shape,
    verify_window,
)
from sparsec.ir.window import PoolAttr
from sparsec.quantization.window import Pool


class Pool2dOp(IRDLOperation, ABC):
    """A layer that reduces each window of an image to one pixel, then clamps if `bounds` is set."""

    input = operand_def(F32Tensor)
    pool = prop_def(PoolAttr)
    bounds = opt_prop_def(BoundsAttr)
    result = result_def(F32Tensor)

    assembly_format = (
        "$input `pool` $pool (`clamp` $bounds^)? attr-dict `:` type($input) `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        pool: Pool,
        result_type: Attribute,
        bounds: BoundsAttr | None = None,
    ):
        super().__init__(
            operands=[input],
            properties={"pool": PoolAttr(pool), "bounds": bounds},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        pool = self.pool.data
        channels = image_shape(self.input.type)[2]
        verify_window(pool, self.input.type, pool.kernel, channels, self.result.type)


@irdl_op_definition
class MaxPool2dOp(Pool2dOp):
    """`%y = nn.max_pool2d %x pool <strides = [2, 2], kernel = [2, 2]> : .. -> ..`"""

    name = "nn.max_pool2d"

    traits = traits_def(Pure(), MovesData())


@irdl_op_definition
class AvgPool2dOp(Pool2dOp):
    """Average of the pixels inside the image: padding is not counted."""

    name = "nn.avg_pool2d"

    traits = traits_def(Pure(), KeepsQuantization())
