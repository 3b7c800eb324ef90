# SPDX-License-Identifier: Apache-2.0
"""The calls of `rt` that multiply two computed matrices, and those of attention."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, MemRefType, UnitAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.attention import verify_attention, verify_products
from sparsec.ir.kernel import (
    CArgument,
    CStruct,
    RuntimeOp,
    activation,
    byte_count,
    context,
    image_dims,
)
from sparsec.ir.params import AttentionAttr, MatmulParamsAttr
from sparsec.ir.shapes import expect_shape, shape_of, verify_matmul
from sparsec.planning.overlap import Overlap
from sparsec.quantization.attention import Attention, Place
from sparsec.quantization.matmul import MatmulParams


def matmul_params(p: MatmulParams) -> CStruct:
    """How sums of products become bytes."""
    return CStruct(
        "sparsec_matmul_params",
        {
            "lhs_offset": -p.lhs_zp,
            "rhs_offset": -p.rhs_zp,
            "output_offset": p.output_zp,
            "quant_params": CStruct(
                "cmsis_nn_per_tensor_quant_params", {"multiplier": p.multiplier, "shift": p.shift}
            ),
            "activation": activation(p.clamp),
        },
    )


def matrices(outer: int, head: int, row: int, column: int) -> CStruct:
    """Distances of two matrices, rows and elements."""
    fields = {"outer": outer, "head": head, "row": row, "column": column}
    return CStruct("sparsec_matrices", fields)


def matmul_sizes(outer: int, heads: int, rows: int, depth: int, columns: int) -> CStruct:
    """How many products of which matrices."""
    sizes = {"outer": outer, "heads": heads, "rows": rows, "depth": depth, "columns": columns}
    return CStruct("sparsec_matmul_sizes", sizes)


@irdl_op_definition
class BatchMatmulOp(RuntimeOp):
    """`sparsec_batch_matmul_s8`."""

    name = "rt.batch_matmul_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_batch_matmul_s8"

    lhs = operand_def(MemRefType[I8])
    rhs = operand_def(MemRefType[I8])
    output = operand_def(MemRefType[I8])
    scratch = opt_operand_def(MemRefType[I8])
    lhs_transposed = opt_prop_def(UnitAttr)
    rhs_transposed = opt_prop_def(UnitAttr)
    params = prop_def(MatmulParamsAttr)

    assembly_format = (
        "$lhs (`transposed` $lhs_transposed^)? `,` $rhs (`transposed` $rhs_transposed^)? $params "
        "`into` $output (`scratch` $scratch^ `:` type($scratch))? attr-dict "
        "`:` type($lhs) `,` type($rhs) `,` type($output)"
    )

    def __init__(
        self,
        lhs: SSAValue,
        rhs: SSAValue,
        output: SSAValue,
        scratch: SSAValue | None,
        transposed: tuple[bool, bool],
        params: MatmulParams,
    ):
        flags = [UnitAttr() if each else None for each in transposed]
        super().__init__(
            operands=[lhs, rhs, output, scratch],
            properties={
                "lhs_transposed": flags[0],
                "rhs_transposed": flags[1],
                "params": MatmulParamsAttr(params),
            },
        )

    @property
    def transposed(self) -> tuple[bool, bool]:
        """Whether the matrices on the left lie transposed, and those on the right."""
        return self.lhs_transposed is not None, self.rhs_transposed is not None

    @property
    def depth(self) -> int:
        """Products in a sum."""
        return shape_of(self.lhs.type)[-2 if self.transposed[0] else -1]

    def verify_(self) -> None:
        verify_matmul(self.lhs.type, self.rhs.type, self.transposed, self.output.type)

    def c_arguments(self) -> Sequence[CArgument]:
        *heads, rows, columns = shape_of(self.output.type)
        sides: list[CArgument] = []
        for value, transposed in zip((self.lhs, self.rhs), self.transposed, strict=True):
            *_, first, second = shape_of(value.type)
            row, column = (1, second) if transposed else (second, 1)
            sides += [matrices(0, first * second, row, column), value]
        return (
            context(self.scratch),
            matmul_params(self.params.data),
            matmul_sizes(1, prod(heads), rows, self.depth, columns),
            *sides,
            matrices(0, rows * columns, columns, 1),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,) if self.scratch is None else (self.output, self.scratch)


@irdl_op_definition
class MaskedSoftmaxOp(RuntimeOp):
    """`sparsec_masked_softmax_s8`."""

    name = "rt.masked_softmax_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_masked_softmax_s8"

    input = operand_def(MemRefType[I8])
    mask = operand_def(MemRefType[I8])
    exponentials = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])

    assembly_format = (
        "$input `mask` $mask `exponentials` $exponentials `into` $output attr-dict `:` "
        "type($input) `,` type($mask) `,` type($exponentials) `,` type($output)"
    )

    def __init__(self, input: SSAValue, mask: SSAValue, exponentials: SSAValue, output: SSAValue):
        super().__init__(operands=[input, mask, exponentials, output])

    def verify_(self) -> None:
        expect_shape(self.output.type, shape_of(self.input.type), "output")
        expect_shape(self.exponentials.type, (256,), "exponentials")
        shape, found = shape_of(self.input.type), shape_of(self.mask.type)
        fits = len(shape) == len(found) == 4 and found[3] == shape[3]
        if not fits or any(n not in (1, m) for n, m in zip(found, shape, strict=True)):
            raise VerifyException(f"a mask {self.mask.type} does not fit {self.input.type}")

    def c_arguments(self) -> Sequence[CArgument]:
        return (
            image_dims(self.input.type),
            rows_of_mask(self.mask),
            self.mask,
            self.exponentials,
            self.input,
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)

    def in_step(self) -> Sequence[SSAValue]:
        # Of a row the maximum and the sum are known before its first byte is written, each byte when it is read again.
        return (self.input,)


@irdl_op_definition
class AttentionOp(RuntimeOp):
    """`sparsec_attention_s8`."""

    name = "rt.attention_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_attention_s8"

    query = operand_def(MemRefType[I8])
    key = operand_def(MemRefType[I8])
    value = operand_def(MemRefType[I8])
    exponentials = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    scratch = operand_def(MemRefType[I8])
    mask = opt_operand_def(MemRefType[I8])
    over = prop_def(AttentionAttr)
    scores = prop_def(MatmulParamsAttr)
    values = prop_def(MatmulParamsAttr)

    assembly_format = (
        "$query `,` $key `,` $value (`mask` $mask^ `:` type($mask))? `over` $over `scores` $scores "
        "`exponentials` $exponentials `values` $values `into` $output `scratch` $scratch attr-dict "
        "`:` type($query) `,` type($key) `,` type($value) `,` type($exponentials) `,` "
        "type($output) `,` type($scratch)"
    )

    def __init__(
        self,
        inputs: tuple[SSAValue, SSAValue, SSAValue],
        exponentials: SSAValue,
        output: SSAValue,
        scratch: SSAValue,
        mask: SSAValue | None,
        over: Attention,
        scores: MatmulParams,
        values: MatmulParams,
    ):
        super().__init__(
            operands=[*inputs, exponentials, output, scratch, mask],
            properties={
                "over": AttentionAttr(over),
                "scores": MatmulParamsAttr(scores),
                "values": MatmulParamsAttr(values),
            },
        )

    def verify_(self) -> None:
        a, mask = self.over.data, None if self.mask is None else self.mask.type
        types = self.query.type, self.key.type, self.value.type, mask
        verify_attention(a, *types, self.output.type)
        verify_products(self.scores.data, self.values.data)
        expect_shape(self.exponentials.type, (256,), "exponentials")
        if any(place[0] for place in (a.query, a.key, a.value, a.result)):
            raise VerifyException("buffers begin where their first matrix does")

    def c_arguments(self) -> Sequence[CArgument]:
        a = self.over.data
        sizes = {
            name: getattr(a, name)
            for name in ("outer", "heads", "queries", "keys", "width", "value_width")
        }
        params = {
            "scores": matmul_params(self.scores.data),
            "values": matmul_params(self.values.data),
            "mask_factor": a.mask_factor,
            "causal": a.causal,
        }
        return (
            context(self.scratch),
            CStruct("sparsec_attention_params", params),
            CStruct("sparsec_attention_sizes", sizes),
            rows_at(a.query),
            self.query,
            rows_at(a.key),
            self.key,
            rows_at(a.value),
            self.value,
            rows_of_mask(self.mask),
            0 if self.mask is None else self.mask,
            self.exponentials,
            rows_at(a.result),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return self.output, self.scratch

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        a = self.over.data
        alike = a.query[1:] == a.result[1:] and a.width == a.value_width
        if output is not self.output or input is not self.query or not alike:
            return super().safe_overlap(output, input)
        # The queries of some rows of a head are read as a whole before their results are written: in place.
        size = byte_count(input.type)
        return Overlap(size, size, step=size)


def rows_of_mask(mask: SSAValue | None) -> CStruct:
    """The distances of masks of rows; an axis of one element is the same mask for all."""
    if mask is None:
        return matrices(0, 0, 0, 0)
    shape = shape_of(mask.type)
    distances = [0 if n == 1 else prod(shape[axis + 1 :]) for axis, n in enumerate(shape)]
    outer, head, row, _ = distances
    return matrices(outer, head, row, 1)


def rows_at(place: Place) -> CStruct:
    """The distances of matrices whose rows are neighbouring elements."""
    _, outer, head, row = place
    return matrices(outer, head, row, 1)
