# SPDX-License-Identifier: Apache-2.0
"""Layers with weights, and batch normalization."""

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import (
    Float64Type,
    FloatAttr,
    f64,
)
from xdsl.ir import Attribute, SSAValue
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
)
from xdsl.traits import Pure

from sparsec.ir.nn.types import F32Tensor
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.shapes import (
    expect_shape,
    shape_of,
    verify_convolution,
    verify_depthwise,
    verify_linear,
    verify_transpose_convolution,
)
from sparsec.ir.window import WindowAttr
from sparsec.quantization.window import Window


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
    """Convolution, weights OxKHxKWxI. With I a part of the channels they are in groups: the first outputs
    read the first I channels.

    ```mlir
    %y = nn.conv2d %x, %w, %b window <strides = [2, 2]>
        : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x2x2x4xf32>
    ```
    """

    name = "nn.conv2d"

    def verify_(self) -> None:
        channels = verify_convolution(
            self.window.data, self.input.type, self.weights.type, self.result.type, grouped=True
        )
        expect_shape(self.bias.type, (channels,), "bias")


@irdl_op_definition
class TransposeConv2dOp(ConvolutionOp):
    """The transpose of a convolution that slides `window` over the result and reads from it an image
    like `input`; weights OxKHxKWxI, in groups as those of a convolution. Input pixel (y, x) adds through
    tap (ky, kx) to result pixel (y * stride - top + ky, x * stride - left + kx), or to none outside it.
    """

    name = "nn.transpose_conv2d"

    def verify_(self) -> None:
        channels = verify_transpose_convolution(
            self.window.data, self.input.type, self.weights.type, self.result.type, grouped=True
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
