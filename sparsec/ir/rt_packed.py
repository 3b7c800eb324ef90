"""The operation of `rt` for sparse convolution of pairs of pixels: all constants of the layer are one array."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, DenseArrayBase, MemRefType, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.formats.packed_rows import Slab, slab_for
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
class ConvolvePackedOp(RuntimeOp):
    """`sparsec_convolve_packed_s8`: convolution by weights laid out by `formats/packed_rows.py`.

    `rows` also holds the biases, with -input_zp * (sum of the weights) in them, the multipliers and the shifts;
    `kernel` is the height and width that it no longer tells.
    """

    name = "rt.convolve_packed_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_convolve_packed_s8"

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
    def slab(self) -> Slab:
        """How the kernel uses its scratch memory, which the places in `rows` refer to."""
        channels = image_shape(self.input.type)[2]
        height, width, _ = image_shape(self.output.type)
        return slab_for(self.window.data, (height, width), self.kernel_size, channels)

    def verify_(self) -> None:
        channels = image_shape(self.output.type, "output")[2]
        if len(self.kernel) != 2:
            raise VerifyException("kernel must be a height and a width")
        verify_window(
            self.window.data, self.input.type, self.kernel_size, channels, self.output.type
        )
        if len(shape_of(self.rows.type)) != 1:
            raise VerifyException("rows must have one axis")
        expect_shape(self.scratch.type, (self.slab.bytes,), "scratch")

    def c_arguments(self) -> Sequence[CArgument]:
        window, requant = self.window.data, self.requant.data
        in_channels, out_channels = (image_shape(v.type)[2] for v in (self.input, self.output))
        params = CStruct(
            "cmsis_nn_conv_params",
            {
                "input_offset": -requant.input_zp,
                "output_offset": requant.output_zp,
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
            dims(out_channels, *self.kernel_size, in_channels),
            self.rows,
            image_dims(self.output.type),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output, self.scratch)
