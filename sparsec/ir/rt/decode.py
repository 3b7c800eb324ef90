# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` that decode compact weights once, in front of the `delta8` kernel of their layer.

What a format stores is an operand of the same name, and what it says of itself the property `encoding`. All decoders are C
functions of one type, to which another operation passes them (`ir/rt/decoded.py`).
"""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I16, IntegerAttr, MemRefType, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.formats import Bitmap, Block, BlockRle, Csr, Dcsr, Delta4, Nm, SparseFormat
from sparsec.ir.constant import ui8, ui16, ui32
from sparsec.ir.kernel import (
    CArgument,
    CArray,
    CStruct,
    RuntimeOp,
    element_count,
    element_dtype,
)
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import EncodingAttr


def syntax(*arrays: str) -> str:
    """The assembly format of the decoder of `arrays`."""
    operands = " `,` ".join(f"${array}" for array in arrays)
    types = " `,` ".join(f"type(${array})" for array in arrays)
    return (
        f"{operands} `as` $encoding `columns` $columns `into` $delta8_entries `,` $delta8_counts "
        f"attr-dict `:` {types} `,` type($delta8_entries) `,` type($delta8_counts)"
    )


def encoded(encoding: SparseFormat, shape: tuple[int, int], arrays: Sequence[SSAValue]) -> CStruct:
    """The runtime's struct of weights [rows, columns] stored as `encoding`; `arrays` are its components."""
    match encoding:
        case Nm(n, m):
            numbers: tuple[int, ...] = (n, m)
        case Block(rows, columns):
            numbers = (rows, columns)
        case BlockRle(size):
            numbers = (size, element_count(arrays[0].type))
        case _:
            numbers = ()
    rows, columns = shape
    return CStruct(
        "sparsec_encoded",
        {"rows": rows, "columns": columns, "numbers": CArray(numbers), "arrays": CArray(arrays)},
    )


def verify_arrays(
    encoding: SparseFormat, shape: tuple[int, int], arrays: Sequence[SSAValue]
) -> None:
    """VerifyException unless `arrays` may be the components of weights [rows, columns] stored as `encoding`."""
    types = encoding.element_types(shape)
    if len(arrays) != len(types):
        raise VerifyException(f"{encoding.label} has {len(types)} arrays, got {len(arrays)}")
    for (name, expected), array in zip(types.items(), arrays, strict=True):
        if element_dtype(array.type) != expected or len(shape_of(array.type)) != 1:
            raise VerifyException(f"{name} must be a list of {expected.__name__}")


class DecodeOp(RuntimeOp, ABC):
    """Weights of `columns` columns, stored as `encoding`, to the arrays of `delta8`.

    The arrays of a subclass come before these operands.
    """

    FORMAT: ClassVar[type[SparseFormat]]

    delta8_entries = operand_def(MemRefType.constr(ui8))
    delta8_counts = operand_def(MemRefType.constr(ui16))
    encoding = prop_def(EncodingAttr)
    columns = prop_def(IntegerAttr.constr(i64))

    def __init__(
        self,
        encoding: SparseFormat,
        columns: int,
        arrays: Mapping[str, SSAValue],
        delta8_entries: SSAValue,
        delta8_counts: SSAValue,
    ):
        """`arrays`: the components of the format, in their order."""
        super().__init__(
            operands=[*arrays.values(), delta8_entries, delta8_counts],
            properties={
                "encoding": EncodingAttr(encoding),
                "columns": IntegerAttr(columns, 64),
            },
        )

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(rows, columns) of the weights."""
        return element_count(self.delta8_counts.type), self.columns.value.data

    @property
    def arrays(self) -> dict[str, SSAValue]:
        """The components of the format, in the order of the C arguments."""
        names = self.encoding.data.element_types(self.matrix_shape)
        return dict(zip(names, self.operands, strict=False))

    def verify_(self) -> None:
        encoding = self.encoding.data
        if not self.takes(encoding):
            raise VerifyException(f"this operation does not decode {encoding.label}")
        try:
            encoding.check(self.matrix_shape)
        except ValueError as error:
            raise VerifyException(str(error)) from error
        verify_arrays(encoding, self.matrix_shape, list(self.arrays.values()))
        if element_count(self.delta8_entries.type) % 2:
            raise VerifyException("delta8_entries must hold pairs of a step and a value")

    @classmethod
    def takes(cls, encoding: SparseFormat) -> bool:
        """Whether this is the decoder of `encoding`."""
        return isinstance(encoding, cls.FORMAT)

    def c_arguments(self) -> Sequence[CArgument]:
        rows, _ = self.matrix_shape
        weights = encoded(self.encoding.data, self.matrix_shape, list(self.arrays.values()))
        return (weights, 0, rows, self.delta8_entries, self.delta8_counts)

    def written(self) -> Sequence[SSAValue]:
        return (self.delta8_entries, self.delta8_counts)


@irdl_op_definition
class DecodeDelta4Op(DecodeOp):
    """`sparsec_decode_delta4_s8`."""

    name = "rt.decode_delta4_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_decode_delta4_s8"
    FORMAT: ClassVar[type[SparseFormat]] = Delta4

    values = operand_def(MemRefType[I8])
    steps = operand_def(MemRefType.constr(ui8))
    counts = operand_def(MemRefType.constr(ui16))

    assembly_format = syntax("values", "steps", "counts")


@irdl_op_definition
class DecodeBitmapOp(DecodeOp):
    """`sparsec_decode_bitmap_s8`."""

    name = "rt.decode_bitmap_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_decode_bitmap_s8"
    FORMAT: ClassVar[type[SparseFormat]] = Bitmap

    values = operand_def(MemRefType[I8])
    bits = operand_def(MemRefType.constr(ui8))

    assembly_format = syntax("values", "bits")


@irdl_op_definition
class DecodeCsrOp(DecodeOp):
    """`sparsec_decode_csr_s8`."""

    name = "rt.decode_csr_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_decode_csr_s8"
    FORMAT: ClassVar[type[SparseFormat]] = Csr

    values = operand_def(MemRefType[I8])
    coordinates = operand_def(MemRefType)
    positions = operand_def(MemRefType)

    assembly_format = syntax("values", "coordinates", "positions")


@irdl_op_definition
class DecodeNmOp(DecodeOp):
    """`sparsec_decode_nm_s8`."""

    name = "rt.decode_nm_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_decode_nm_s8"
    FORMAT: ClassVar[type[SparseFormat]] = Nm

    values = operand_def(MemRefType[I8])
    offsets = operand_def(MemRefType.constr(ui8))

    assembly_format = syntax("values", "offsets")


@irdl_op_definition
class DecodeRowBlockOp(DecodeOp):
    """`sparsec_decode_row_block_s8`: blocks of one row."""

    name = "rt.decode_row_block_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_decode_row_block_s8"
    FORMAT: ClassVar[type[SparseFormat]] = Block

    entries = operand_def(MemRefType.constr(ui8))
    counts = operand_def(MemRefType.constr(ui16))

    assembly_format = syntax("entries", "counts")

    @classmethod
    def takes(cls, encoding: SparseFormat) -> bool:
        return isinstance(encoding, Block) and encoding.rows == 1


@irdl_op_definition
class DecodeBlockOp(DecodeOp):
    """`sparsec_decode_block_s8`: blocks of several rows."""

    name = "rt.decode_block_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_decode_block_s8"
    FORMAT: ClassVar[type[SparseFormat]] = Block

    values = operand_def(MemRefType[I8])
    indices = operand_def(MemRefType)
    counts = operand_def(MemRefType.constr(ui16))

    assembly_format = syntax("values", "indices", "counts")

    @classmethod
    def takes(cls, encoding: SparseFormat) -> bool:
        return isinstance(encoding, Block) and encoding.rows > 1 and encoding.bits == 8


@irdl_op_definition
class DecodeDcsrOp(DecodeOp):
    """`sparsec_decode_dcsr_s8`."""

    name = "rt.decode_dcsr_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_decode_dcsr_s8"
    FORMAT: ClassVar[type[SparseFormat]] = Dcsr

    values = operand_def(MemRefType[I8])
    row_offsets = operand_def(MemRefType[I16])
    delta_indices = operand_def(MemRefType.constr(ui8))
    group_minimums = operand_def(MemRefType[I8])
    bitmaps = operand_def(MemRefType.constr(ui8))
    bitmasks = operand_def(MemRefType.constr(ui16))
    nnze = operand_def(MemRefType.constr(ui32))

    assembly_format = syntax(
        "values",
        "row_offsets",
        "delta_indices",
        "group_minimums",
        "bitmaps",
        "bitmasks",
        "nnze",
    )


@irdl_op_definition
class DecodeBlockRleOp(DecodeOp):
    """`sparsec_decode_block_rle_s8`."""

    name = "rt.decode_block_rle_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_decode_block_rle_s8"
    FORMAT: ClassVar[type[SparseFormat]] = BlockRle

    stream = operand_def(MemRefType[I8])

    assembly_format = syntax("stream")


DECODERS: tuple[type[DecodeOp], ...] = (
    DecodeDelta4Op,
    DecodeBitmapOp,
    DecodeCsrOp,
    DecodeNmOp,
    DecodeRowBlockOp,
    DecodeBlockOp,
    DecodeDcsrOp,
    DecodeBlockRleOp,
)


def decoder_of(encoding: SparseFormat) -> type[DecodeOp] | None:
    """The operation that decodes `encoding`, None if there is none."""
    return next((decoder for decoder in DECODERS if decoder.takes(encoding)), None)
