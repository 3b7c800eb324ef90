# SPDX-License-Identifier: Apache-2.0
"""The operation of `rt` that decodes compact weights a few rows at a time, and multiplies by them at once.

Nothing of them is in memory but the rows that are multiplied: the scratch memory holds their counts and `delta8` entries.
"""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, IntegerAttr, MemRefType, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, var_operand_def
from xdsl.utils.exceptions import VerifyException

from sparsec.formats import Dcsr, SparseFormat
from sparsec.ir.kernel import CArgument, CFunction, context, dims, element_count, per_channel
from sparsec.ir.params import RequantAttr
from sparsec.ir.rt.decode import decoder_of, encoded, verify_arrays
from sparsec.ir.rt.delta8 import FoldedBiasOp
from sparsec.ir.sparse import EncodingAttr
from sparsec.quantization.params import Requant


@irdl_op_definition
class FullyConnectedDecodedOp(FoldedBiasOp):
    """`sparsec_fully_connected_decoded_s8`: one row of inputs by weights stored as `encoding`, decoded `rows` at a time."""

    name = "rt.fully_connected_decoded_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_decoded_s8"

    arrays = var_operand_def(MemRefType)
    scratch = operand_def(MemRefType[I8])
    encoding = prop_def(EncodingAttr)
    rows = prop_def(IntegerAttr.constr(i64))

    assembly_format = (
        "$input `weights` `(` $arrays `)` `as` $encoding `rows` $rows `,` $bias `requant` `(` $multiplier `,` "
        "$shift `)` $requant `into` $output `scratch` $scratch attr-dict `:` type($input) `,` "
        "`(` type($arrays) `)` `,` type($bias) `,` type($multiplier) `,` type($shift) `,` type($output) `,` "
        "type($scratch)"
    )

    def __init__(
        self,
        input: SSAValue,
        encoding: SparseFormat,
        arrays: Sequence[SSAValue],
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        output: SSAValue,
        scratch: SSAValue,
        requant: Requant,
        rows: int,
    ):
        """`arrays`: the components of the format, in their order."""
        super().__init__(
            operands=[list(arrays), scratch, input, bias, multiplier, shift, output],
            properties={
                "requant": RequantAttr(requant),
                "encoding": EncodingAttr(encoding),
                "rows": IntegerAttr(rows, 64),
            },
        )

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(rows, columns) of the weights."""
        return element_count(self.output.type), element_count(self.input.type)

    @property
    def components(self) -> dict[str, SSAValue]:
        """What is stored, by the names of the format, in the order of its arrays."""
        return dict(
            zip(self.encoding.data.element_types(self.matrix_shape), self.arrays, strict=True)
        )

    def verify_(self) -> None:
        encoding, shape = self.encoding.data, self.matrix_shape
        if decoder_of(encoding) is None:
            raise VerifyException(f"nothing decodes {encoding.label}")
        self.verify_channels(shape[0])
        try:
            encoding.check(shape)
        except ValueError as error:
            raise VerifyException(str(error)) from error
        verify_arrays(encoding, shape, self.arrays)
        if not 1 <= self.rows.value.data <= shape[0]:
            raise VerifyException(f"rows must be from 1 to {shape[0]}")

    def callbacks(self) -> Sequence[str]:
        decoder = decoder_of(self.encoding.data)
        assert decoder is not None
        return (decoder.C_FUNCTION,)

    def c_arguments(self) -> Sequence[CArgument]:
        (decoder,) = self.callbacks()
        return (
            context(self.scratch),
            self.fully_connected_params(),
            per_channel(self.multiplier, self.shift),
            self.input,
            encoded(self.encoding.data, self.matrix_shape, self.arrays),
            CFunction(decoder),
            self.rows.value.data,
            self.bias,
            dims(1, 1, 1, element_count(self.output.type)),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output, self.scratch)


@irdl_op_definition
class FullyConnectedDcsrOp(FoldedBiasOp):
    """`sparsec_fully_connected_dcsr_s8`: one row of inputs by weights stored as dCSR, which Helium reads as they are."""

    name = "rt.fully_connected_dcsr_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_dcsr_s8"
    FORMAT: ClassVar[SparseFormat] = Dcsr()

    arrays = var_operand_def(MemRefType)

    assembly_format = (
        "$input `weights` `(` $arrays `)` `,` $bias `requant` `(` $multiplier `,` $shift `)` "
        "$requant `into` $output attr-dict `:` type($input) `,` `(` type($arrays) `)` `,` "
        "type($bias) `,` type($multiplier) `,` type($shift) `,` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        arrays: Sequence[SSAValue],
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        output: SSAValue,
        requant: Requant,
    ):
        """`arrays`: the components of the format, in their order."""
        super().__init__(
            operands=[list(arrays), input, bias, multiplier, shift, output],
            properties={"requant": RequantAttr(requant)},
        )

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(rows, columns) of the weights."""
        return element_count(self.output.type), element_count(self.input.type)

    @property
    def components(self) -> dict[str, SSAValue]:
        """What is stored, by the names of the format, in the order of its arrays."""
        return dict(zip(self.FORMAT.element_types(self.matrix_shape), self.arrays, strict=True))

    def verify_(self) -> None:
        self.verify_channels(self.matrix_shape[0])
        verify_arrays(self.FORMAT, self.matrix_shape, self.arrays)

    def c_arguments(self) -> Sequence[CArgument]:
        return (
            self.fully_connected_params(),
            per_channel(self.multiplier, self.shift),
            self.input,
            encoded(self.FORMAT, self.matrix_shape, self.arrays),
            self.bias,
            dims(1, 1, 1, element_count(self.output.type)),
            self.output,
        )
