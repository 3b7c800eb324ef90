"""The operation of `rt` for the sparse depthwise convolution: the weights of an output channel are its non-zero taps."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, DenseArrayBase, MemRefType, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.formats.depthwise_rows import Plane, plane_for
from sparsec.ir.kernel import (
    CArgument,
    CStruct,
    RuntimeOp,
    activation,
    context,
    dims,
    image_dims,
    tile,
)
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import expect_shape, image_shape, shape_of, verify_window
from sparsec.ir.window import WindowAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


@irdl_op_definition
class DepthwiseConvolveDelta8Op(RuntimeOp):
    """`sparsec_depthwise_convolve_delta8_s8`: depthwise convolution by weights laid out by `formats/depthwise_rows.py`.

    `rows` also holds the biases, with -input_zp * (sum of the weights) in them, the multipliers and the shifts;
    `kernel` is the height and width that it no longer tells.
    """

    name = "rt.depthwise_convolve_delta8"
    C_FUNCTION: ClassVar[str] = "sparsec_depthwise_convolve_delta8_s8"

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
    def plane(self) -> Plane:
        """How the kernel uses its scratch memory, which the places in `rows` refer to."""
        height, width, _ = image_shape(self.output.type)
        return plane_for(self.window.data, (height, width), self.kernel_size)

    def verify_(self) -> None:
        inputs = image_shape(self.input.type)[2]
        outputs = image_shape(self.output.type, "output")[2]
        if outputs % inputs:
            raise VerifyException(f"output must have a multiple of {inputs} channels")
        if len(self.kernel) != 2:
            raise VerifyException("kernel must be a height and a width")
        verify_window(
            self.window.data, self.input.type, self.kernel_size, outputs, self.output.type
        )
        if len(shape_of(self.rows.type)) != 1:
            raise VerifyException("rows must have one axis")
        expect_shape(self.scratch.type, (self.plane.bytes,), "scratch")

    def c_arguments(self) -> Sequence[CArgument]:
        window, requant = self.window.data, self.requant.data
        inputs, outputs = (image_shape(value.type)[2] for value in (self.input, self.output))
        params = CStruct(
            "cmsis_nn_dw_conv_params",
            {
                "input_offset": -requant.input_zp,
                "output_offset": requant.output_zp,
                "ch_mult": outputs // inputs,
                "stride": tile(window.strides),
                "padding": tile((window.padding[0], window.padding[1])),
                "dilation": tile(window.dilations),
                "activation": activation(requant.clamp),
            },
        )
        return (
            context(self.scratch),
            params,
            image_dims(self.input.type),
            self.input,
            dims(1, *self.kernel_size, outputs),
            self.rows,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output, self.scratch)
