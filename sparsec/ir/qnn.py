"""`qnn`: the network in int8, every multiplier, shift, zero point and clamp explicit.

The arithmetic is that of CMSIS-NN with its default (double) rounding. Arrays that end in flash are
operands, numbers that end in a struct are properties. Entry and results of a function carry their
quantization as the attribute `qnn.quantization`.
"""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    I8,
    DenseArrayBase,
    IntegerAttr,
    TensorType,
    i8,
    i64,
)
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    base,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.params import (
    AddParamsAttr,
    MulParamsAttr,
    PreluParamsAttr,
    RequantAttr,
    RescaleAttr,
    SoftmaxParamsAttr,
)
from sparsec.ir.qnn_elementwise import (
    BroadcastAddOp,
    MaximumOp,
    MinimumOp,
    MulOp,
    PreluOp,
    SubOp,
)
from sparsec.ir.qnn_mean import MeanOp
from sparsec.ir.qnn_movement import ResizeNearestOp, SliceOp
from sparsec.ir.qnn_weighted import (
    Conv2dOp,
    DepthwiseConv2dOp,
    LinearOp,
    TransposeConv2dOp,
)
from sparsec.ir.qnn_weighted import ConvolutionOp as ConvolutionOp
from sparsec.ir.qnn_weighted import WeightedOp as WeightedOp
from sparsec.ir.shapes import (
    expect_shape,
    image_shape,
    shape_of,
    verify_border,
    verify_concatenation,
    verify_permutation,
    verify_reshape,
    verify_window,
)
from sparsec.ir.sparse import verify_encoding
from sparsec.ir.window import BorderAttr, PoolAttr, SliceAttr
from sparsec.quantization.params import AddParams, Requant, Rescale, SoftmaxParams
from sparsec.quantization.window import Border, Pool

QUANTIZATION = "qnn.quantization"
"""Name of the attribute of function arguments and results that holds their quantization."""


@irdl_op_definition
class ConstantOp(DenseConstantOp):
    """`%w = qnn.constant named "conv1.weight" dense<..> : tensor<6x5x5x1xi8>`"""

    name = "qnn.constant"

    def verify_(self) -> None:
        verify_encoding(self.result.type)


class SameTypeOp(IRDLOperation, ABC):
    """A layer whose result has the type of its input."""

    T: ClassVar = VarConstraint("T", base(TensorType[I8]))

    input = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure())


@irdl_op_definition
class LookupOp(IRDLOperation):
    """result = table[input + 128].

    `%y = qnn.lookup %x, %table : tensor<1x4xi8>, tensor<256xi8>`
    """

    name = "qnn.lookup"
    T: ClassVar = VarConstraint("T", base(TensorType[I8]))

    input = operand_def(T)
    table = operand_def(TensorType[I8])
    result = result_def(T)

    assembly_format = "$input `,` $table attr-dict `:` type($input) `,` type($table)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, table: SSAValue):
        super().__init__(operands=[input, table], result_types=[input.type])

    def verify_(self) -> None:
        expect_shape(self.table.type, (256,), "table")


@irdl_op_definition
class RescaleOp(SameTypeOp):
    """clamp(requantize(input - input_zp) + output_zp), TFLite's QUANTIZE from int8 to int8.

    `%y = qnn.rescale %x <input_zp = 3, multiplier = 1073741824, shift = 1> : tensor<1x4xi8>`
    """

    name = "qnn.rescale"

    params = prop_def(RescaleAttr)

    assembly_format = "$input $params attr-dict `:` type($input)"

    def __init__(self, input: SSAValue, params: Rescale):
        super().__init__(
            operands=[input], properties={"params": RescaleAttr(params)}, result_types=[input.type]
        )


@irdl_op_definition
class SoftmaxOp(SameTypeOp):
    """Softmax over the last axis; the result has scale 1/256 and zero point -128.

    `%y = qnn.softmax %x <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x10xi8>`
    """

    name = "qnn.softmax"

    params = prop_def(SoftmaxParamsAttr)

    assembly_format = "$input $params attr-dict `:` type($input)"

    def __init__(self, input: SSAValue, params: SoftmaxParams):
        super().__init__(
            operands=[input],
            properties={"params": SoftmaxParamsAttr(params)},
            result_types=[input.type],
        )


@irdl_op_definition
class AddOp(IRDLOperation):
    """Element-wise sum of two tensors with scales of their own."""

    name = "qnn.add"
    T: ClassVar = VarConstraint("T", base(TensorType[I8]))

    lhs = operand_def(T)
    rhs = operand_def(T)
    params = prop_def(AddParamsAttr)
    result = result_def(T)

    assembly_format = "$lhs `,` $rhs $params attr-dict `:` type($lhs)"

    traits = traits_def(Pure())

    def __init__(self, lhs: SSAValue, rhs: SSAValue, params: AddParams):
        super().__init__(
            operands=[lhs, rhs],
            properties={"params": AddParamsAttr(params)},
            result_types=[lhs.type],
        )


class Pool2dOp(IRDLOperation, ABC):
    """A layer that reduces each window of an image to one pixel; the scale stays the same."""

    input = operand_def(TensorType[I8])
    pool = prop_def(PoolAttr)
    requant = prop_def(RequantAttr)
    result = result_def(TensorType[I8])

    assembly_format = "$input `pool` $pool $requant attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, pool: Pool, requant: Requant, result_type: Attribute):
        super().__init__(
            operands=[input],
            properties={"pool": PoolAttr(pool), "requant": RequantAttr(requant)},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        pool, requant = self.pool.data, self.requant.data
        if requant.input_zp != requant.output_zp:
            raise VerifyException("a pooling layer cannot change the zero point")
        channels = image_shape(self.input.type)[2]
        verify_window(pool, self.input.type, pool.kernel, channels, self.result.type)


@irdl_op_definition
class MaxPool2dOp(Pool2dOp):
    """`%y = qnn.max_pool2d %x pool <strides = [2, 2], kernel = [2, 2]> <> : .. -> ..`"""

    name = "qnn.max_pool2d"


@irdl_op_definition
class AvgPool2dOp(Pool2dOp):
    """Average of the pixels inside the image, rounded half away from zero."""

    name = "qnn.avg_pool2d"


@irdl_op_definition
class PadOp(IRDLOperation):
    """Adds a border of one value.

    `%y = qnn.pad %x, -128 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : .. -> ..`
    """

    name = "qnn.pad"

    input = operand_def(TensorType[I8])
    value = prop_def(IntegerAttr[I8])
    border = prop_def(BorderAttr)
    result = result_def(TensorType[I8])

    assembly_format = "$input `,` $value $border attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, value: int, border: Border):
        super().__init__(
            operands=[input],
            properties={"value": IntegerAttr(value, i8), "border": BorderAttr(border)},
            result_types=[TensorType(i8, border.output_shape(shape_of(input.type)))],
        )

    def verify_(self) -> None:
        verify_border(self.border.data, self.input.type, self.result.type)


@irdl_op_definition
class ReshapeOp(IRDLOperation):
    """`%y = qnn.reshape %x : tensor<1x4x4x8xi8> -> tensor<1x128xi8>`"""

    name = "qnn.reshape"

    input = operand_def(TensorType[I8])
    result = result_def(TensorType[I8])

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, shape: Sequence[int]):
        super().__init__(operands=[input], result_types=[TensorType(i8, shape)])

    def verify_(self) -> None:
        verify_reshape(self.input.type, self.result.type)


@irdl_op_definition
class TransposeOp(IRDLOperation):
    """`%y = qnn.transpose %x [0, 2, 3, 1] : .. -> ..`: result axis i is input axis p[i]."""

    name = "qnn.transpose"

    input = operand_def(TensorType[I8])
    permutation = prop_def(DenseArrayBase.constr(i64))
    result = result_def(TensorType[I8])

    assembly_format = "$input $permutation attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, permutation: Sequence[int]):
        shape = shape_of(input.type)
        super().__init__(
            operands=[input],
            properties={"permutation": DenseArrayBase.from_list(i64, permutation)},
            result_types=[TensorType(i8, [shape[axis] for axis in permutation])],
        )

    def verify_(self) -> None:
        verify_permutation(self.permutation.get_values(), self.input.type, self.result.type)


@irdl_op_definition
class ConcatOp(IRDLOperation):
    """`%y = qnn.concat %a, %b axis 3 : tensor<..>, tensor<..> -> tensor<..>`"""

    name = "qnn.concat"

    inputs = var_operand_def(TensorType[I8])
    axis = prop_def(IntegerAttr.constr(i64))
    result = result_def(TensorType[I8])

    assembly_format = "$inputs `axis` $axis attr-dict `:` type($inputs) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, inputs: Sequence[SSAValue], axis: int, result_type: Attribute):
        super().__init__(
            operands=[inputs],
            properties={"axis": IntegerAttr(axis, 64)},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        verify_concatenation(
            self.axis.value.data, [value.type for value in self.inputs], self.result.type
        )


Qnn = Dialect(
    "qnn",
    [
        ConstantOp,
        Conv2dOp,
        DepthwiseConv2dOp,
        TransposeConv2dOp,
        LinearOp,
        LookupOp,
        RescaleOp,
        SoftmaxOp,
        AddOp,
        MaxPool2dOp,
        AvgPool2dOp,
        PadOp,
        ReshapeOp,
        TransposeOp,
        ConcatOp,
        MulOp,
        SubOp,
        BroadcastAddOp,
        MaximumOp,
        MinimumOp,
        PreluOp,
        SliceOp,
        ResizeNearestOp,
        MeanOp,
    ],
    [
        RequantAttr,
        RescaleAttr,
        AddParamsAttr,
        SoftmaxParamsAttr,
        MulParamsAttr,
        PreluParamsAttr,
        SliceAttr,
    ],
)
