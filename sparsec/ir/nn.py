# SPDX-License-Identifier: Apache-2.0
"""`nn`: the network in floating point, as trained. Activations are NHWC with batch 1.

`nn.quantize` and `nn.dequantize` may stand between the layers: a calibrated network, one trained
with quantization in the loop and an imported Q/DQ graph all take that form before `fold-qdq`.
A layer may carry two discardable attributes: `layer`, the module path it came from, and
`nn.range`, the (lowest, highest) value that calibration saw in its result.
"""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar, TypeAlias

from xdsl.dialects.builtin import (
    I8,
    DenseArrayBase,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    TensorType,
    f64,
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
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.quantization import BoundsAttr, QuantizationAttr
from sparsec.ir.shapes import (
    expect_shape,
    image_shape,
    shape_of,
    verify_border,
    verify_concatenation,
    verify_convolution,
    verify_depthwise,
    verify_linear,
    verify_permutation,
    verify_reshape,
    verify_window,
)
from sparsec.ir.window import BorderAttr, PoolAttr, WindowAttr
from sparsec.quantization.functions import FUNCTIONS
from sparsec.quantization.scheme import Bounds, Quantization
from sparsec.quantization.window import Border, Pool, Window

F32Tensor: TypeAlias = TensorType[Float32Type]
I8Tensor: TypeAlias = TensorType[I8]


@irdl_op_definition
class ConstantOp(DenseConstantOp):
    """`%w = nn.constant named "conv1.weight" dense<..> : tensor<6x5x5x1xf32>`"""

    name = "nn.constant"


class WeightedOp(IRDLOperation, ABC):
    """A layer with weights and one bias for each output channel, then a clamp if `bounds` is set."""

    input = operand_def(F32Tensor)
    weights = operand_def(F32Tensor)
    bias = operand_def(F32Tensor)
    bounds = opt_prop_def(BoundsAttr)
    result = result_def(F32Tensor)

    traits = traits_def(Pure())


class ConvolutionOp(WeightedOp, ABC):
    """A layer that slides weights over an image."""

    window = prop_def(WindowAttr)

    assembly_format = (
        "$input `,` $weights `,` $bias `window` $window (`clamp` $bounds^)? attr-dict `:` "
        "type($input) `,` type($weights) `,` type($bias) `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        bias: SSAValue,
        window: Window,
        result_type: Attribute,
        bounds: BoundsAttr | None = None,
    ):
        super().__init__(
            operands=[input, weights, bias],
            properties={"window": WindowAttr(window), "bounds": bounds},
            result_types=[result_type],
        )


@irdl_op_definition
class Conv2dOp(ConvolutionOp):
    """Convolution, weights OxKHxKWxI.

    ```mlir
    %y = nn.conv2d %x, %w, %b window <strides = [2, 2]>
        : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x2x2x4xf32>
    ```
    """

    name = "nn.conv2d"

    def verify_(self) -> None:
        channels = verify_convolution(
            self.window.data, self.input.type, self.weights.type, self.result.type
        )
        expect_shape(self.bias.type, (channels,), "bias")


@irdl_op_definition
class DepthwiseConv2dOp(ConvolutionOp):
    """Depthwise convolution, weights 1xKHxKWx(C*multiplier); output channel c*multiplier + m
    reads input channel c."""

    name = "nn.depthwise_conv2d"

    def verify_(self) -> None:
        channels = verify_depthwise(
            self.window.data, self.input.type, self.weights.type, self.result.type
        )
        expect_shape(self.bias.type, (channels,), "bias")


@irdl_op_definition
class LinearOp(WeightedOp):
    """`%y = nn.linear %x, %w, %b : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> ..`"""

    name = "nn.linear"

    assembly_format = (
        "$input `,` $weights `,` $bias (`clamp` $bounds^)? attr-dict `:` "
        "type($input) `,` type($weights) `,` type($bias) `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        bias: SSAValue,
        result_type: Attribute,
        bounds: BoundsAttr | None = None,
    ):
        super().__init__(
            operands=[input, weights, bias],
            properties={"bounds": bounds},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        features = verify_linear(self.input.type, self.weights.type, self.result.type)
        expect_shape(self.bias.type, (features,), "bias")


class SameTypeOp(IRDLOperation, ABC):
    """A layer whose result has the type of its input."""

    T: ClassVar = VarConstraint("T", base(F32Tensor))

    input = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure())


@irdl_op_definition
class BatchNormOp(IRDLOperation):
    """Batch normalization with the statistics of training, over the last axis.

    ```mlir
    %y = nn.batch_norm %x, %gamma, %beta, %mean, %variance epsilon 1.0e-05 : tensor<..xf32>, ..
    ```
    """

    name = "nn.batch_norm"
    T: ClassVar = VarConstraint("T", base(F32Tensor))
    C: ClassVar = VarConstraint("C", base(F32Tensor))

    input = operand_def(T)
    gamma = operand_def(C)
    beta = operand_def(C)
    mean = operand_def(C)
    variance = operand_def(C)
    epsilon = prop_def(FloatAttr[Float64Type])
    result = result_def(T)

    assembly_format = (
        "$input `,` $gamma `,` $beta `,` $mean `,` $variance `epsilon` $epsilon attr-dict "
        "`:` type($input) `,` type($gamma)"
    )

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        gamma: SSAValue,
        beta: SSAValue,
        mean: SSAValue,
        variance: SSAValue,
        epsilon: float,
    ):
        super().__init__(
            operands=[input, gamma, beta, mean, variance],
            properties={"epsilon": FloatAttr(epsilon, f64)},
            result_types=[input.type],
        )

    def verify_(self) -> None:
        expect_shape(self.gamma.type, shape_of(self.input.type)[-1:], "gamma")


@irdl_op_definition
class ClampOp(SameTypeOp):
    """Element-wise clamp; relu is `<min = 0.0>`, relu6 `<min = 0.0, max = 6.0>`.

    `%y = nn.clamp %x <min = 0.0> : tensor<1x4xf32>`
    """

    name = "nn.clamp"

    bounds = prop_def(BoundsAttr)

    assembly_format = "$input $bounds attr-dict `:` type($input)"

    def __init__(self, input: SSAValue, bounds: Bounds):
        super().__init__(
            operands=[input],
            properties={"bounds": BoundsAttr(bounds)},
            result_types=[input.type],
        )


@irdl_op_definition
class ActivationOp(SameTypeOp):
    """An element-wise function that becomes a table of 256 bytes in int8.

    `%y = nn.activation "gelu" %x : tensor<1x4xf32>`
    """

    name = "nn.activation"

    function = prop_def(StringAttr)

    assembly_format = "$function $input attr-dict `:` type($input)"

    def __init__(self, function: str, input: SSAValue):
        super().__init__(
            operands=[input],
            properties={"function": StringAttr(function)},
            result_types=[input.type],
        )

    def verify_(self) -> None:
        if self.function.data not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise VerifyException(f"unknown function '{self.function.data}', known: {known}")


@irdl_op_definition
class SoftmaxOp(SameTypeOp):
    """Softmax over the last axis. `%y = nn.softmax %x : tensor<1x10xf32>`"""

    name = "nn.softmax"

    assembly_format = "$input attr-dict `:` type($input)"

    def __init__(self, input: SSAValue):
        super().__init__(operands=[input], result_types=[input.type])


@irdl_op_definition
class AddOp(IRDLOperation):
    """Element-wise sum, no broadcast, then a clamp if `bounds` is set.

    `%y = nn.add %a, %b : tensor<1x4x4x8xf32>`
    """

    name = "nn.add"
    T: ClassVar = VarConstraint("T", base(F32Tensor))

    lhs = operand_def(T)
    rhs = operand_def(T)
    bounds = opt_prop_def(BoundsAttr)
    result = result_def(T)

    assembly_format = "$lhs `,` $rhs (`clamp` $bounds^)? attr-dict `:` type($lhs)"

    traits = traits_def(Pure())

    def __init__(self, lhs: SSAValue, rhs: SSAValue, bounds: BoundsAttr | None = None):
        super().__init__(
            operands=[lhs, rhs], properties={"bounds": bounds}, result_types=[lhs.type]
        )


class Pool2dOp(IRDLOperation, ABC):
    """A layer that reduces each window of an image to one pixel, then clamps if `bounds` is set."""

    input = operand_def(F32Tensor)
    pool = prop_def(PoolAttr)
    bounds = opt_prop_def(BoundsAttr)
    result = result_def(F32Tensor)

    assembly_format = (
        "$input `pool` $pool (`clamp` $bounds^)? attr-dict `:` type($input) `->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        pool: Pool,
        result_type: Attribute,
        bounds: BoundsAttr | None = None,
    ):
        super().__init__(
            operands=[input],
            properties={"pool": PoolAttr(pool), "bounds": bounds},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        pool = self.pool.data
        channels = image_shape(self.input.type)[2]
        verify_window(pool, self.input.type, pool.kernel, channels, self.result.type)


@irdl_op_definition
class MaxPool2dOp(Pool2dOp):
    """`%y = nn.max_pool2d %x pool <strides = [2, 2], kernel = [2, 2]> : .. -> ..`"""

    name = "nn.max_pool2d"


@irdl_op_definition
class AvgPool2dOp(Pool2dOp):
    """Average of the pixels inside the image: padding is not counted."""

    name = "nn.avg_pool2d"


@irdl_op_definition
class PadOp(IRDLOperation):
    """Adds a border of one value.

    `%y = nn.pad %x, 0.0 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : .. -> ..`
    """

    name = "nn.pad"

    input = operand_def(F32Tensor)
    value = prop_def(FloatAttr[Float64Type])
    border = prop_def(BorderAttr)
    result = result_def(F32Tensor)

    assembly_format = "$input `,` $value $border attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, value: float, border: Border):
        super().__init__(
            operands=[input],
            properties={"value": FloatAttr(value, f64), "border": BorderAttr(border)},
            result_types=[
                TensorType(Float32Type(), border.output_shape(shape_of(input.type))),
            ],
        )

    def verify_(self) -> None:
        verify_border(self.border.data, self.input.type, self.result.type)


@irdl_op_definition
class ReshapeOp(IRDLOperation):
    """`%y = nn.reshape %x : tensor<1x4x4x8xf32> -> tensor<1x128xf32>`"""

    name = "nn.reshape"

    input = operand_def(F32Tensor)
    result = result_def(F32Tensor)

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, shape: Sequence[int]):
        super().__init__(operands=[input], result_types=[TensorType(Float32Type(), shape)])

    def verify_(self) -> None:
        verify_reshape(self.input.type, self.result.type)


@irdl_op_definition
class TransposeOp(IRDLOperation):
    """`%y = nn.transpose %x [0, 2, 3, 1] : .. -> ..`: result axis i is input axis p[i]."""

    name = "nn.transpose"

    input = operand_def(F32Tensor)
    permutation = prop_def(DenseArrayBase.constr(i64))
    result = result_def(F32Tensor)

    assembly_format = "$input $permutation attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, permutation: Sequence[int]):
        shape = shape_of(input.type)
        super().__init__(
            operands=[input],
            properties={"permutation": DenseArrayBase.from_list(i64, permutation)},
            result_types=[TensorType(Float32Type(), [shape[axis] for axis in permutation])],
        )

    def verify_(self) -> None:
        verify_permutation(self.permutation.get_values(), self.input.type, self.result.type)


@irdl_op_definition
class ConcatOp(IRDLOperation):
    """`%y = nn.concat %a, %b axis 3 : tensor<..>, tensor<..> -> tensor<..>`"""

    name = "nn.concat"

    inputs = var_operand_def(F32Tensor)
    axis = prop_def(IntegerAttr.constr(i64))
    result = result_def(F32Tensor)

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


def verify_scheme(quantization: Quantization, type: Attribute) -> None:
    """A per-axis scheme has one scale for each index of its axis."""
    shape = shape_of(type)
    axis = quantization.axis
    if axis is None:
        return
    if not 0 <= axis < len(shape) or shape[axis] != len(quantization.scales):
        raise VerifyException(f"{len(quantization.scales)} scales do not fit axis {axis} of {type}")


@irdl_op_definition
class QuantizeOp(IRDLOperation):
    """`%q = nn.quantize %x <scales = [0.05], zero_point = 3> : tensor<4xf32> -> tensor<4xi8>`"""

    name = "nn.quantize"

    input = operand_def(F32Tensor)
    quantization = prop_def(QuantizationAttr)
    result = result_def(I8Tensor)

    assembly_format = "$input $quantization attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, quantization: Quantization):
        super().__init__(
            operands=[input],
            properties={"quantization": QuantizationAttr(quantization)},
            result_types=[TensorType(i8, shape_of(input.type))],
        )

    def verify_(self) -> None:
        expect_shape(self.result.type, shape_of(self.input.type), "result")
        verify_scheme(self.quantization.data, self.input.type)


@irdl_op_definition
class DequantizeOp(IRDLOperation):
    """`%x = nn.dequantize %q <scales = [0.05], zero_point = 3> : tensor<4xi8> -> tensor<4xf32>`"""

    name = "nn.dequantize"

    input = operand_def(I8Tensor)
    quantization = prop_def(QuantizationAttr)
    result = result_def(F32Tensor)

    assembly_format = "$input $quantization attr-dict `:` type($input) `->` type($result)"

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, quantization: Quantization):
        super().__init__(
            operands=[input],
            properties={"quantization": QuantizationAttr(quantization)},
            result_types=[TensorType(Float32Type(), shape_of(input.type))],
        )

    def verify_(self) -> None:
        expect_shape(self.result.type, shape_of(self.input.type), "result")
        verify_scheme(self.quantization.data, self.input.type)


Nn = Dialect(
    "nn",
    [
        ConstantOp,
        Conv2dOp,
        DepthwiseConv2dOp,
        LinearOp,
        BatchNormOp,
        ClampOp,
        ActivationOp,
        SoftmaxOp,
        AddOp,
        MaxPool2dOp,
        AvgPool2dOp,
        PadOp,
        ReshapeOp,
        TransposeOp,
        ConcatOp,
        QuantizeOp,
        DequantizeOp,
    ],
    [WindowAttr, PoolAttr, BorderAttr, BoundsAttr, QuantizationAttr],
)
