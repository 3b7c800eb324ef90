# SPDX-License-Identifier: Apache-2.0
"""`sparse`: how a constant is stored. The encoding is on the type; the value stays dense.

A tensor of rank above 2 is stored as the matrix of its first axis by all others, depthwise weights as that of their last:
one row for each output channel.
"""

from math import prod
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp, NoneAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Data, Dialect, SSAValue
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from sparsec.formats import FORMATS, SparseFormat
from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.record import parse_fields, print_fields
from sparsec.ir.shapes import shape_of


@irdl_attr_definition
class EncodingAttr(Data[SparseFormat]):
    """`#sparse.encoding<nm, n = 2, m = 4>`: a storage format and its numbers."""

    name = "sparse.encoding"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> SparseFormat:
        with parser.in_angle_brackets():
            position = parser.pos
            keyword = parser.parse_identifier("sparse format")
            while parser.parse_optional_punctuation("-") is not None:
                keyword += "-" + parser.parse_identifier("rest of the sparse format")
            record = FORMATS.get(keyword)
            if record is None:
                parser.raise_error(
                    f"unknown sparse format '{keyword}', known: {', '.join(FORMATS)}",
                    at_position=position,
                    end_position=parser.pos,
                )
            return parse_fields(parser, record, leading_comma=True)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(self.data.name)
            print_fields(printer, self.data, leading_comma=True)


def format_of(type: Attribute) -> SparseFormat | None:
    """The storage format of a tensor type, None when it is dense."""
    assert isinstance(type, TensorType)
    return type.encoding.data if isinstance(type.encoding, EncodingAttr) else None


def matrix_shape(type: Attribute, channel_axis: int = 0) -> tuple[int, int]:
    """(rows, columns) of the matrix as which a tensor is stored; the channel axis of depthwise weights is -1."""
    shape = shape_of(type)
    rows = shape[channel_axis]
    return rows, prod(shape) // rows if rows else prod(shape[1:])


def verify_encoding(type: Attribute, channel_axis: int = 0) -> None:
    """VerifyException unless the encoding of `type`, if any, can store its shape.

    xDSL does not look at encodings: every operation that takes encoded tensors calls this, or what calls it.
    """
    assert isinstance(type, TensorType)
    encoding = type.encoding
    if isinstance(encoding, NoneAttr):
        return
    if not isinstance(encoding, EncodingAttr):
        raise VerifyException(f"{encoding} is not a sparse encoding")
    try:
        encoding.data.check(matrix_shape(cast(Attribute, type), channel_axis))
    except ValueError as error:
        raise VerifyException(str(error)) from error


def verify_constant(op: DenseConstantOp) -> None:
    """VerifyException unless the encoding of a constant, if it has one, can store its value.

    Which axis makes the rows is said by its users (`CHANNEL_AXIS`).
    """
    axes = {getattr(use.operation, "CHANNEL_AXIS", 0) for use in op.result.uses} or {0}
    for axis in sorted(axes):
        verify_encoding(op.result.type, axis)
        if (encoding := format_of(op.result.type)) is None:
            return
        shape = matrix_shape(op.result.type, axis)
        rows = np.moveaxis(op.array, axis, 0).reshape(shape)
        try:
            encoding.check_values(np.ascontiguousarray(rows))
        except ValueError as error:
            name = op.name_in_model or "a constant"
            raise VerifyException(
                f"{name} cannot be stored as {encoding.label}: {error}"
            ) from error


def verify_stored(value: SSAValue, channel_axis: int = 0) -> None:
    """VerifyException unless `value` is dense or a constant whose encoding can store its shape."""
    verify_encoding(value.type, channel_axis)
    if format_of(value.type) is not None and not isinstance(value.owner, DenseConstantOp):
        raise VerifyException(f"{value.type} is computed: only constants can be stored sparse")


def verify_arguments(module: ModuleOp) -> None:
    """VerifyException, with its place, if a function takes a sparse tensor: only constants can be stored so.

    xDSL knows functions and not our encodings, so that whoever reads a module calls this.
    """
    for op in module.walk():
        if not isinstance(op, FuncOp):
            continue
        for argument in op.function_type.inputs:
            if not isinstance(argument, TensorType):
                continue
            type = cast(Attribute, argument)
            try:
                verify_encoding(type)
                if format_of(type) is not None:
                    raise VerifyException("only constants can be stored sparse")
            except VerifyException as error:
                op.emit_error(f"argument of type {type}: {error}", error)


Sparse = Dialect("sparse", [], [EncodingAttr])
