# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` for sparse convolutions of pairs of pixels: all constants of the layer are one array."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, DenseArrayBase, MemRefType, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.kernel import (
    CArgument,
    RuntimeOp,
    byte_count,
    context,
    convolution_params,
    dims,
    image_dims,
)
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import expect_shape, image_shape, shape_of, verify_window
from sparsec.ir.window import WindowAttr
from sparsec.layouts.depthwise_rows import Plane, plane_for
from sparsec.layouts.packed_rows import Slab, slab_for
from sparsec.planning.overlap import Overlap
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


class PackedConvolutionOp(RuntimeOp, ABC):
    """A convolution whose `rows` hold all constants: weights without their zeros, biases with -input_zp * (sum of the
    weights) in them, multipliers and shifts. `kernel` is the height and width that `rows` does not tell.
    """

    input = operand_def(MemRefType[I8])
    rows = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    scratch = operand_def(MemRefType[I8])
    requant = prop_def(RequantAttr)
    window = prop_def(WindowAttr)
    kernel = prop_def(DenseArrayBase.constr(i64))

    assembly_format = (
        "$input `,` $rows $requant `kernel` $kernel `window` $window `into` $output "
        "`scratch` $scratch attr-dict `:` type($input) `,` type($rows) `,` type($output) `,` "
        "type($scratch)"
    )

    def __init__(
        self,
        input: SSAValue,
        rows: SSAValue,
        output: SSAValue,
        scratch: SSAValue,
        requant: Requant,
        window: Window,
        kernel: tuple[int, int],
    ):
        super().__init__(
            operands=[input, rows, output, scratch],
            properties={
                "requant": RequantAttr(requant),
                "window": WindowAttr(window),
                "kernel": DenseArrayBase.from_list(i64, kernel),
            },
        )

    @property
    def kernel_size(self) -> tuple[int, int]:
        """`kernel` as (height, width)."""
        height, width = self.kernel.get_values()
        return height, width

    @property
    def channels(self) -> tuple[int, int]:
        """Those of the input and of the output."""
        return image_shape(self.input.type)[2], image_shape(self.output.type, "output")[2]

    @property
    @abstractmethod
    def scratch_bytes(self) -> int:
        """What the kernel unfolds its inputs into, which the places in `rows` refer to."""

    @property
    def channel_multiplier(self) -> int | None:
        """That of a depthwise convolution."""
        return None

    def verify_(self) -> None:
        if len(self.kernel) != 2:
            raise VerifyException("kernel must be a height and a width")
        verify_window(
            self.window.data,
            self.input.type,
            self.kernel_size,
            self.channels[1],
            self.output.type,
        )
        if len(shape_of(self.rows.type)) != 1:
            raise VerifyException("rows must have one axis")
        expect_shape(self.scratch.type, (self.scratch_bytes,), "scratch")

    def c_arguments(self) -> Sequence[CArgument]:
        inputs, outputs = self.channels
        multiplier = self.channel_multiplier
        filters = (outputs, inputs) if multiplier is None else (1, outputs)
        return (
            context(self.scratch),
            convolution_params(self.requant.data, self.window.data, multiplier),
            image_dims(self.input.type),
            self.input,
            dims(filters[0], *self.kernel_size, filters[1]),
            self.rows,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output, self.scratch)


class FullPackedConvolutionOp(PackedConvolutionOp, ABC):
    """A convolution by weights laid out by `layouts/packed_rows.py`."""

    @property
    def slab(self) -> Slab:
        """How the kernel uses its scratch memory."""
        height, width, _ = image_shape(self.output.type)
        return slab_for(self.window.data, (height, width), self.kernel_size, self.channels[0])

    @property
    def scratch_bytes(self) -> int:
        return self.slab.bytes


@irdl_op_definition
class ConvolvePackedOp(FullPackedConvolutionOp):
    """`sparsec_convolve_packed_s8`."""

    name = "rt.convolve_packed_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_packed_s8"


@irdl_op_definition
class DepthwiseConvolveDelta8Op(PackedConvolutionOp):
    """`sparsec_depthwise_convolve_delta8_s8`: depthwise convolution by weights laid out by `layouts/depthwise_rows.py`."""

    name = "rt.depthwise_convolve_delta8_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_depthwise_convolve_delta8_s8"

    @property
    def plane(self) -> Plane:
        """How the kernel uses its scratch memory."""
        height, width, _ = image_shape(self.output.type)
        return plane_for(self.window.data, (height, width), self.kernel_size)

    @property
    def scratch_bytes(self) -> int:
        return self.plane.bytes

    @property
    def channel_multiplier(self) -> int | None:
        inputs, outputs = self.channels
        return outputs // inputs

    def verify_(self) -> None:
        inputs, outputs = self.channels
        if outputs % inputs:
            raise VerifyException(f"output must have a multiple of {inputs} channels")
        super().verify_()

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        inputs, outputs = self.channels
        if output is not self.output or input is not self.input or inputs != outputs:
            return super().safe_overlap(output, input)
        # A channel of the whole image is unfolded before it is written: over the same channel of another pixel, or over
        # an earlier channel.
        return Overlap(byte_count(output.type) - outputs, byte_count(input.type), step=inputs)
