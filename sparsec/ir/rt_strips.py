"""The operations of `rt` that do a layer strip by strip, so that the output may lie over rows of the dying input.

Each means the same as the operation that it takes the place of (`STRIPS`), has its operands and scratch memory, and
calls its kernel for `strip` rows of the output at a time. The rule: what may overlap follows from the strips alone,
whatever the kernel does within one.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from xdsl.dialects.builtin import I64, IntegerAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir import cmsis
from sparsec.ir.kernel import CArgument, KernelOp, RuntimeOp
from sparsec.ir.rt_packed import ConvolvePackedOp, FullPackedConvolutionOp
from sparsec.ir.shapes import image_shape, shape_of
from sparsec.planning.overlap import Overlap, Strip, overlap_of, row_strips
from sparsec.quantization.window import Window


class StripsOp(RuntimeOp, ABC):
    """A layer by strips of `strip` rows of the output; of `strip` pixels where each comes from the input pixel in its
    place. It follows runtime/src/sparsec_strips.h.
    """

    strip = prop_def(IntegerAttr[I64])

    @property
    @abstractmethod
    def geometry(self) -> tuple[SSAValue, SSAValue, Window, tuple[int, int]]:
        """Input and output image, the window and the (height, width) of its kernel."""

    @property
    def is_pixelwise(self) -> bool:
        """Whether each output pixel comes from the one input pixel in its place."""
        _, _, window, kernel = self.geometry
        return kernel == (1, 1) and window.strides == (1, 1) and not any(window.padding)

    @property
    def reach(self) -> int:
        """Rows from the first to the last of a window."""
        _, _, window, kernel = self.geometry
        return (kernel[0] - 1) * window.dilations[0] + 1

    def strips(self) -> list[Strip]:
        """The bytes that each strip reads and writes."""
        input, output, window, _ = self.geometry
        images = self._rows(input), self._rows(output)
        strip = self.strip.value.data
        return row_strips(*images, window.strides[0], window.padding[0], self.reach, strip)

    def _rows(self, image: SSAValue) -> tuple[int, int]:
        """The number of rows that strips are of, and the bytes of one."""
        height, width, channels = image_shape(image.type)
        return (height * width, channels) if self.is_pixelwise else (height, width * channels)

    def verify_(self) -> None:
        super().verify_()
        most, _ = self._rows(self.geometry[1])
        if not 1 <= self.strip.value.data <= most:
            raise VerifyException(f"strip must be 1 to {most}, got {self.strip.value.data}")

    def c_arguments(self) -> Sequence[CArgument]:
        return (self.strip.value.data, *super().c_arguments())

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        own_input, own_output, _, _ = self.geometry
        if output is not own_output or input is not own_input:
            return super().safe_overlap(output, input)
        return overlap_of(self.strips())


class ConvolutionStripsOp(StripsOp, cmsis.ConvolutionOp, ABC):
    """A convolution with dense weights."""

    assembly_format = f"`strip` $strip `of` {cmsis.ConvolutionOp.assembly_format}"

    @property
    def geometry(self) -> tuple[SSAValue, SSAValue, Window, tuple[int, int]]:
        _, height, width, _ = shape_of(self.weights.type)
        return self.input, self.output, self.window.data, (height, width)


@irdl_op_definition
class ConvolveStripsOp(ConvolutionStripsOp, cmsis.FullConvolutionOp):
    """`sparsec_convolve_strips_s8`."""

    name = "rt.convolve_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_strips_s8"


@irdl_op_definition
class DepthwiseConvStripsOp(ConvolutionStripsOp, cmsis.DepthwiseConvolutionOp):
    """`sparsec_depthwise_conv_strips_s8`."""

    name = "rt.depthwise_conv_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_depthwise_conv_strips_s8"


class PoolStripsOp(StripsOp, cmsis.PoolOp, ABC):
    """A pooling function."""

    assembly_format = f"`strip` $strip `of` {cmsis.PoolOp.assembly_format}"

    @property
    def geometry(self) -> tuple[SSAValue, SSAValue, Window, tuple[int, int]]:
        return self.input, self.output, self.pool.data, self.pool.data.kernel


@irdl_op_definition
class MaxPoolStripsOp(PoolStripsOp):
    """`sparsec_max_pool_strips_s8`."""

    name = "rt.max_pool_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_max_pool_strips_s8"


@irdl_op_definition
class AvgPoolStripsOp(PoolStripsOp):
    """`sparsec_avg_pool_strips_s8`."""

    name = "rt.avg_pool_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_avg_pool_strips_s8"


@irdl_op_definition
class ConvolvePackedStripsOp(StripsOp, FullPackedConvolutionOp):
    """`sparsec_convolve_packed_strips_s8`. Its stream must not pair rows of the output, whose number is not the strip's."""

    name = "rt.convolve_packed_strips_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_packed_strips_s8"

    assembly_format = f"`strip` $strip `of` {FullPackedConvolutionOp.assembly_format}"

    @property
    def geometry(self) -> tuple[SSAValue, SSAValue, Window, tuple[int, int]]:
        return self.input, self.output, self.window.data, self.kernel_size

    def verify_(self) -> None:
        super().verify_()
        if self.slab.pairs_rows:
            raise VerifyException("a stream that pairs rows cannot be used strip by strip")


STRIPS: Mapping[type[KernelOp], type[StripsOp]] = MappingProxyType(
    {
        cmsis.ConvolveOp: ConvolveStripsOp,
        cmsis.DepthwiseConvOp: DepthwiseConvStripsOp,
        cmsis.MaxPoolOp: MaxPoolStripsOp,
        cmsis.AvgPoolOp: AvgPoolStripsOp,
        ConvolvePackedOp: ConvolvePackedStripsOp,
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
