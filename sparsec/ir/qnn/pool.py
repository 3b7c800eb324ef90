# SPDX-License-Identifier: Apache-2.0
"""Pools."""

from abc import ABC

from xdsl.dialects.builtin import I8, TensorType
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import image_shape, verify_window
from sparsec.ir.window import PoolAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Pool


class Pool2dOp(IRDLOperation, ABC):
    """A layer that reduces each window of an image to one pixel; the scale stays the same."""

    input = operand_def(TensorType[I8])
    pool = prop_def(PoolAttr)
    requant = prop_def(RequantAttr)
    result = result_def(TensorType[I8])

    assembly_format = "$input `pool` $pool $requant attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, pool: Pool, requant: Requant, result_type: Attribute):
        super().__init__(
            operands=[input],
            properties={"pool": PoolAttr(pool), "requant": RequantAttr(requant)},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        pool, requant = self.pool.data, self.requant.data
        if requant.input_zp != requant.output_zp:
            raise VerifyException("a pooling layer cannot change the zero point")
        channels = image_shape(self.input.type)[2]
        verify_window(pool, self.input.type, pool.kernel, channels, self.result.type)


@irdl_op_definition
class MaxPool2dOp(Pool2dOp):
    """`%y = qnn.max_pool2d %x pool <strides = [2, 2], kernel = [2, 2]> <> : .. -> ..`"""

    name = "qnn.max_pool2d"


@irdl_op_definition
class AvgPool2dOp(Pool2dOp):
    """Average of the pixels inside the image, rounded half away from zero."""

    name = "qnn.avg_pool2d"
