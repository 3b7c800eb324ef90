# SPDX-License-Identifier: Apache-2.0
"""The operations of `rt` for sparse fully connected layers: one row of inputs, weights laid out for the kernel.

Bias, multiplier and shift of an output lie together in `rows`; the layouts are those of
`layouts/linear.py` and `layouts/linear_vectors.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, MemRefType, UnitAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from sparsec.formats import Block, Delta8
from sparsec.ir.constant import ui8, ui16
from sparsec.ir.kernel import (
    CArgument,
    CStruct,
    RuntimeOp,
    activation,
    context,
    dims,
    element_count,
)
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import expect_shape, shape_of
from sparsec.layouts.linear import (
    FULL_CLAMP,
    ColumnBlockLayout,
    DenseLayout,
    FcLayout,
    RowBlockLayout,
    TableLayout,
)
from sparsec.layouts.linear_vectors import ContiguousLayout, GatherLayout, WordLayout
from sparsec.quantization.params import Requant


class SparseFullyConnectedOp(RuntimeOp, ABC):
    """A layer whose weights are the arrays of `layout`.

    `saturating` allows the kernel its short requantization; `is_saturating` of the layouts is the proof it wants.
    The operands of a subclass, the other arrays, come before these.
    """

    LAYOUT: ClassVar[FcLayout]
    FORMAT: ClassVar[str]
    """How reports call the format."""
    ROWS_OF: ClassVar[int] = 1
    """Outputs are filled up to a multiple of this in `rows`."""

    input = operand_def(MemRefType[I8])
    rows = operand_def(MemRefType[I32])
    output = operand_def(MemRefType[I8])
    requant = prop_def(RequantAttr)
    saturating = opt_prop_def(UnitAttr)

    def __init__(
        self,
        input: SSAValue,
        arrays: Mapping[str, SSAValue],
        output: SSAValue,
        requant: Requant,
        saturating: bool,
    ):
        """`arrays`: the components of the layout, by name."""
        rows, *others = arrays.values()
        super().__init__(
            operands=[*others, input, rows, output],
            properties={
                "requant": RequantAttr(requant),
                "saturating": UnitAttr() if saturating else None,
            },
        )

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(rows, columns) of the weights."""
        return element_count(self.output.type), element_count(self.input.type)

    @property
    @abstractmethod
    def arrays(self) -> dict[str, SSAValue]:
        """The components of the layout, in the order of the C arguments."""

    def verify_(self) -> None:
        outputs = element_count(self.output.type)
        expect_shape(self.rows.type, (outputs + -outputs % self.ROWS_OF, 3), "rows")
        for name, value in list(self.arrays.items())[1:]:
            if len(shape_of(value.type)) != 1:
                raise VerifyException(f"{name} must have one axis")
        if self.saturating is not None and self.requant.data.clamp != FULL_CLAMP:
            raise VerifyException("a clamp to less than int8 is not saturating")
        try:
            self.LAYOUT.check(self.matrix_shape)
        except ValueError as error:
            raise VerifyException(str(error)) from error

    def c_arguments(self) -> Sequence[CArgument]:
        outputs, inputs = self.matrix_shape
        return (
            fully_connected_params(self.requant.data),
            int(self.saturating is not None),
            self.input,
            dims(inputs, 1, 1, outputs),
            *self.arrays.values(),
            dims(1, 1, 1, outputs),
            self.output,
        )

    def written(self) -> Sequence[SSAValue]:
        return (self.output,)


def fully_connected_params(requant: Requant) -> CStruct:
    """CMSIS-NN's struct of a fully connected layer."""
    return CStruct(
        "cmsis_nn_fc_params",
        {
            "input_offset": -requant.input_zp,
            "filter_offset": 0,
            "output_offset": requant.output_zp,
            "activation": activation(requant.clamp),
        },
    )


@irdl_op_definition
class FullyConnectedTableOp(SparseFullyConnectedOp):
    """`sparsec_fully_connected_table_s8`: single weights."""

    name = "rt.fully_connected_table_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_table_s8"
    LAYOUT: ClassVar[FcLayout] = TableLayout()
    FORMAT: ClassVar[str] = Delta8.name

    groups = operand_def(MemRefType[I32])
    left_over = operand_def(MemRefType.constr(ui8))

    assembly_format = (
        "$input `,` $rows `,` $groups `,` $left_over (`saturating` $saturating^)? $requant "
        "`into` $output attr-dict `:` type($input) `,` type($rows) `,` type($groups) `,` "
        "type($left_over) `,` type($output)"
    )

    @property
    def arrays(self) -> dict[str, SSAValue]:
        return {"rows": self.rows, "groups": self.groups, "left_over": self.left_over}


@irdl_op_definition
class FullyConnected1x4Op(SparseFullyConnectedOp):
    """`sparsec_fully_connected_1x4_s8`: blocks of four columns."""

    name = "rt.fully_connected_1x4_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_1x4_s8"
    LAYOUT: ClassVar[FcLayout] = RowBlockLayout()
    FORMAT: ClassVar[str] = Block(1, 4).label

    places = operand_def(MemRefType.constr(ui8))
    weights = operand_def(MemRefType[I32])

    assembly_format = (
        "$input `,` $rows `,` $places `,` $weights (`saturating` $saturating^)? $requant "
        "`into` $output attr-dict `:` type($input) `,` type($rows) `,` type($places) `,` "
        "type($weights) `,` type($output)"
    )

    @property
    def arrays(self) -> dict[str, SSAValue]:
        return {"rows": self.rows, "places": self.places, "weights": self.weights}


class FullyConnectedColumnBlocksOp(SparseFullyConnectedOp, ABC):
    """Blocks of four rows."""

    ROWS_OF: ClassVar[int] = 4

    groups = operand_def(MemRefType[I32])

    assembly_format = (
        "$input `,` $rows `,` $groups (`saturating` $saturating^)? $requant `into` $output "
        "attr-dict `:` type($input) `,` type($rows) `,` type($groups) `,` type($output)"
    )

    @property
    def arrays(self) -> dict[str, SSAValue]:
        return {"rows": self.rows, "groups": self.groups}


@irdl_op_definition
class FullyConnected4x1Op(FullyConnectedColumnBlocksOp):
    """`sparsec_fully_connected_4x1_s8`: blocks of four int8 weights."""

    name = "rt.fully_connected_4x1_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_4x1_s8"
    LAYOUT: ClassVar[FcLayout] = ColumnBlockLayout()
    FORMAT: ClassVar[str] = Block(4, 1).label


@irdl_op_definition
class FullyConnected4x1W16Op(FullyConnectedColumnBlocksOp):
    """`sparsec_fully_connected_4x1_w16_s8`: the same with int16 weights, faster in more flash."""

    name = "rt.fully_connected_4x1_w16_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_4x1_w16_s8"
    LAYOUT: ClassVar[FcLayout] = ColumnBlockLayout(weight_bytes=2)
    FORMAT: ClassVar[str] = Block(4, 1, 16).label


@irdl_op_definition
class FullyConnectedDenseOp(SparseFullyConnectedOp):
    """`sparsec_fully_connected_dense_s8`: every weight, four rows at a time."""

    name = "rt.fully_connected_dense_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_dense_s8"
    LAYOUT: ClassVar[FcLayout] = DenseLayout()
    FORMAT: ClassVar[str] = "dense"
    ROWS_OF: ClassVar[int] = 4

    weights = operand_def(MemRefType[I32])

    assembly_format = (
        "$input `,` $rows `,` $weights (`saturating` $saturating^)? $requant `into` $output "
        "attr-dict `:` type($input) `,` type($rows) `,` type($weights) `,` type($output)"
    )

    @property
    def arrays(self) -> dict[str, SSAValue]:
        return {"rows": self.rows, "weights": self.weights}


class FullyConnectedVectorsOp(SparseFullyConnectedOp, ABC):
    """For Helium: outputs are done four at a time (`layouts/linear_vectors.py`)."""

    ROWS_OF: ClassVar[int] = 4


@irdl_op_definition
class FullyConnectedGatherOp(FullyConnectedVectorsOp):
    """`sparsec_fully_connected_gather_s8`: single weights, whose inputs are gathered."""

    name = "rt.fully_connected_gather_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_gather_s8"
    LAYOUT: ClassVar[FcLayout] = GatherLayout()
    FORMAT: ClassVar[str] = Delta8.name

    entries = operand_def(MemRefType.constr(ui8))
    bases = operand_def(MemRefType.constr(ui16))

    assembly_format = (
        "$input `,` $rows `,` $entries `,` $bases (`saturating` $saturating^)? $requant "
        "`into` $output attr-dict `:` type($input) `,` type($rows) `,` type($entries) `,` "
        "type($bases) `,` type($output)"
    )

    @property
    def arrays(self) -> dict[str, SSAValue]:
        return {"rows": self.rows, "entries": self.entries, "bases": self.bases}


@irdl_op_definition
class FullyConnectedGather1x4Op(FullyConnectedVectorsOp):
    """`sparsec_fully_connected_gather_1x4_s8`: blocks of four columns, whose inputs are gathered as words, from a copy in
    `scratch` where they are not aligned."""

    name = "rt.fully_connected_gather_1x4_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_gather_1x4_s8"
    LAYOUT: ClassVar[FcLayout] = WordLayout()
    FORMAT: ClassVar[str] = Block(1, 4).label

    entries = operand_def(MemRefType[I32])
    scratch = operand_def(MemRefType[I8])

    assembly_format = (
        "$input `,` $rows `,` $entries (`saturating` $saturating^)? $requant "
        "`into` $output `scratch` $scratch attr-dict `:` type($input) `,` type($rows) `,` "
        "type($entries) `,` type($output) `,` type($scratch)"
    )

    @property
    def arrays(self) -> dict[str, SSAValue]:
        return {"rows": self.rows, "entries": self.entries}

    def verify_(self) -> None:
        super().verify_()
        expect_shape(self.scratch.type, (self.matrix_shape[1],), "scratch")

    def c_arguments(self) -> Sequence[CArgument]:
        return (context(self.scratch), *super().c_arguments())

    def written(self) -> Sequence[SSAValue]:
        return (self.output, self.scratch)


@irdl_op_definition
class FullyConnected1x16Op(FullyConnectedVectorsOp):
    """`sparsec_fully_connected_1x16_s8`: blocks of 16 columns."""

    name = "rt.fully_connected_1x16_s8"
    C_FUNCTION: ClassVar[str] = "sparsec_fully_connected_1x16_s8"
    LAYOUT: ClassVar[FcLayout] = ContiguousLayout()
    FORMAT: ClassVar[str] = Block(1, 16).label

    blocks = operand_def(MemRefType[I8])
    places = operand_def(MemRefType.constr(ui16))

    assembly_format = (
        "$input `,` $rows `,` $blocks `,` $places (`saturating` $saturating^)? $requant "
        "`into` $output attr-dict `:` type($input) `,` type($rows) `,` type($blocks) `,` "
        "type($places) `,` type($output)"
    )

    @property
    def arrays(self) -> dict[str, SSAValue]:
        return {"rows": self.rows, "blocks": self.blocks, "places": self.places}
