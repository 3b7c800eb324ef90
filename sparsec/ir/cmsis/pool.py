# SPDX-License-Identifier: Apache-2.0
"""Pooling by CMSIS-NN: operations of `cmsis`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, MemRefType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, prop_def

from sparsec.ir.kernel import (
    CArgument,
    CmsisOp,
    CStruct,
    activation,
    context,
    dims,
    image_dims,
    tile,
)
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import image_shape, verify_window
from sparsec.ir.window import PoolAttr
from sparsec.planning.one_way import Spans, channel_by_channel, one_way, window_spans
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Pool


class PoolOp(CmsisOp, ABC):
    """A pooling function of CMSIS-NN, which computes one pixel of the output after the other."""

    input = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    scratch = opt_operand_def(MemRefType[I8])
    pool = prop_def(PoolAttr)
    requant = prop_def(RequantAttr)

    assembly_format = (
        "$input `pool` $pool $requant `into` $output (`scratch` $scratch^ `:` type($scratch))? "
        "attr-dict `:` type($input) `,` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        output: SSAValue,
        scratch: SSAValue | None,
        pool: Pool,
        requant: Requant,
    ):
        super().__init__(
            operands=[input, output, scratch],
            properties={"pool": PoolAttr(pool), "requant": RequantAttr(requant)},
        )

    def verify_(self) -> None:
        pool = self.pool.data
        channels = image_shape(self.input.type)[2]
        verify_window(pool, self.input.type, pool.kernel, channels, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        pool = self.pool.data
        return (
            context(self.scratch),
            CStruct(
                "cmsis_nn_pool_params",
                {
                    "stride": tile(pool.strides),
                    "padding": tile((pool.padding[0], pool.padding[1])),
                    "activation": activation(self.requant.data.clamp),
                },
            ),
            image_dims(self.input.type),
            self.input,
            dims(1, pool.kernel[0], pool.kernel[1], 1),
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,) if self.scratch is None else (self.output, self.scratch)

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        if output is not self.output or input is not self.input:
            return super().safe_overlap(output, input)
        image, result = image_shape(input.type), image_shape(output.type)
        return self.pixels(*window_spans(self.pool.data, image[:2], result[:2], image[2]))

    @staticmethod
    @abstractmethod
    def pixels(reads: Spans, writes: Spans) -> Overlap:
        """The overlap of pixels that are computed one after the other."""


@irdl_op_definition
class MaxPoolOp(PoolOp):
    """`arm_max_pool_s8`."""

    name = "cmsis.max_pool_s8"
    C_FUNCTION: ClassVar[str] = "arm_max_pool_s8"

    @staticmethod
    def pixels(reads: Spans, writes: Spans) -> Overlap:
        # A pixel is gathered in the output.
        return one_way(reads, writes)


@irdl_op_definition
class AvgPoolOp(PoolOp):
    """`arm_avgpool_s8`."""

    name = "cmsis.avgpool_s8"
    C_FUNCTION: ClassVar[str] = "arm_avgpool_s8"

    @staticmethod
    def pixels(reads: Spans, writes: Spans) -> Overlap:
        return channel_by_channel(reads, writes)
