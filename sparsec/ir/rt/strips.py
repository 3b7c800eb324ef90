# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` that do a layer strip by strip, so that the output may lie over rows of the dying input.

Each means the same as the operation that it takes the place of (`STRIPS`), has its operands and scratch memory, and
calls its kernel for `strip` rows of the output at a time. The rule: what may overlap follows from the strips alone,
whatever the kernel does within one.

`tests/runtime/test_strips.py` therefore runs them over kernels that write a whole strip before they read any of it. A linear
layer over several rows is a 1x1 convolution and has strips too; one row is needed to its end by each of its outputs. Pools
have none: CMSIS-NN's go pixel by pixel, and may overlap as they are.
"""

from abc import ABC
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, TypeAlias

from xdsl.dialects.builtin import I64, IntegerAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.cmsis.convolution import (
    ConvolutionOp,
    ConvolveOp,
    DepthwiseConvolutionOp,
    DepthwiseConvOp,
    FullConvolutionOp,
)
from sparsec.ir.kernel import CArgument, KernelOp, RuntimeOp
from sparsec.ir.rt.delta8 import ConvolveDelta8Op, Delta8ConvolutionOp
from sparsec.ir.rt.packed import ConvolvePackedOp, FullPackedConvolutionOp
from sparsec.ir.shapes import image_shape, shape_of
from sparsec.planning.overlap import Geometry, Overlap

Rowwise: TypeAlias = ConvolutionOp | FullPackedConvolutionOp | Delta8ConvolutionOp
"""An operation whose window moves over the rows of an image."""


def rowwise(op: KernelOp) -> Rowwise:
    """`op`, which is done strip by strip or could be. ValueError for any other."""
    if isinstance(op, Rowwise):
        return op
    raise ValueError(f"{op.name} cannot be done strip by strip")


def geometry_of(op: KernelOp) -> Geometry:
    """That of an operation of this module, or of one that it can take the place of."""
    op = rowwise(op)
    if isinstance(op, ConvolutionOp):
        _, height, width, _ = shape_of(op.weights.type)
    else:
        height, width = op.kernel_size
    images = image_shape(op.input.type), image_shape(op.output.type, "output")
    return Geometry(*images, op.window.data, (height, width))


class StripsOp(RuntimeOp, ABC):
    """A layer by strips of `strip` rows of the output; of `strip` pixels where it is pixelwise (see `Geometry`)."""

    strip = prop_def(IntegerAttr[I64])

    def verify_(self) -> None:
        super().verify_()
        most = geometry_of(self).rows
        if not 1 <= self.strip.value.data <= most:
            raise VerifyException(f"strip must be 1 to {most}, got {self.strip.value.data}")

    def c_arguments(self) -> Sequence[CArgument]:
        return (self.strip.value.data, *super().c_arguments())

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        op = rowwise(self)
        if output is not op.output or input is not op.input:
            return super().safe_overlap(output, input)
        return geometry_of(self).overlap(self.strip.value.data)


@irdl_op_definition
class ConvolveStripsOp(StripsOp, FullConvolutionOp):
    """`sparsec_convolve_strips_s8`."""

    name = "rt.convolve_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_strips_s8"

    assembly_format = f"`strip` $strip `of` {FullConvolutionOp.assembly_format}"


@irdl_op_definition
class DepthwiseConvStripsOp(StripsOp, DepthwiseConvolutionOp):
    """`sparsec_depthwise_conv_strips_s8`."""

    name = "rt.depthwise_conv_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_depthwise_conv_strips_s8"

    assembly_format = f"`strip` $strip `of` {DepthwiseConvolutionOp.assembly_format}"


@irdl_op_definition
class ConvolvePackedStripsOp(StripsOp, FullPackedConvolutionOp):
    """`sparsec_convolve_packed_strips_s8`. Its stream must not pair rows of the output, whose number is not the strip's."""

    name = "rt.convolve_packed_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_packed_strips_s8"

    assembly_format = f"`strip` $strip `of` {FullPackedConvolutionOp.assembly_format}"

    def verify_(self) -> None:
        super().verify_()
        if self.slab.pairs_rows:
            raise VerifyException("a stream that pairs rows cannot be used strip by strip")


@irdl_op_definition
class ConvolveDelta8StripsOp(StripsOp, Delta8ConvolutionOp):
    """`sparsec_convolve_delta8_strips_s8`."""

    name = "rt.convolve_delta8_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_delta8_strips_s8"

    assembly_format = f"`strip` $strip `of` {Delta8ConvolutionOp.assembly_format}"


STRIPS: Mapping[type[KernelOp], type[StripsOp]] = MappingProxyType(
    {
        ConvolveOp: ConvolveStripsOp,
        DepthwiseConvOp: DepthwiseConvStripsOp,
        ConvolvePackedOp: ConvolvePackedStripsOp,
        ConvolveDelta8Op: ConvolveDelta8StripsOp,
    }
)
"""What does the layer of an operation strip by strip."""


def in_strips(op: KernelOp, strip: int) -> StripsOp:
    """The operation that does the layer of `op`, whose class is one of `STRIPS`, on the same buffers."""
    return STRIPS[type(op)].create(
        operands=op.operands,
        properties={**op.properties, "strip": IntegerAttr(strip, 64)},
        attributes=op.attributes,
    )
