# SPDX-License-Identifier: Apache-2.0
"""The operations of `qnn` with weights.

The one rule: a layer is requantize(bias + sum of weights * (input - input_zp)), whatever its geometry.
"""

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import I8, I32, TensorType
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    base,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.constant import verify_shifts
from sparsec.ir.params import RequantAttr
from sparsec.ir.shapes import (
    expect_shape,
    shape_of,
    verify_convolution,
    verify_depthwise,
    verify_linear,
    verify_transpose_convolution,
)
from sparsec.ir.sparse import verify_stored
from sparsec.ir.window import WindowAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


class WeightedOp(IRDLOperation, ABC):
    """A layer with weights: requantize(bias + sum of weights * (input - input_zp)).

    `bias` has one int32 for each output channel; `multiplier` and `shift` have one each, or, in
    `qnn.linear`, a single one for all.
    """

    CHANNELS: ClassVar = VarConstraint("CHANNELS", base(TensorType[I32]))

    input = operand_def(TensorType[I8])
    weights = operand_def(TensorType[I8])
    bias = operand_def(TensorType[I32])
    multiplier = operand_def(CHANNELS)
    shift = operand_def(CHANNELS)
    requant = prop_def(RequantAttr)
    result = result_def(TensorType[I8])

    traits = traits_def(Pure())

    CHANNEL_AXIS: ClassVar[int] = 0
    """That of the output channels in the weights: each is a row of the matrix as which they are stored."""

    def verify_channels(self, channels: int, per_tensor: bool) -> None:
        """Bias and multipliers fit the number of output channels, and the weights what stores them."""
        verify_stored(self.weights, self.CHANNEL_AXIS)
        expect_shape(self.bias.type, (channels,), "bias")
        if not (per_tensor and shape_of(self.multiplier.type) == (1,)):
            expect_shape(self.multiplier.type, (channels,), "multiplier")
        verify_shifts(self.shift)


class ConvolutionOp(WeightedOp, ABC):
    """A layer that slides weights over an image. Padding reads as `input_zp`."""

    window = prop_def(WindowAttr)

    assembly_format = (
        "$input `,` $weights `,` $bias `requant` `(` $multiplier `,` $shift `)` $requant "
        "`window` $window attr-dict `:` type($input) `,` type($weights) `,` type($bias) `,` "
        "type($multiplier) `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        requant: Requant,
        window: Window,
        result_type: Attribute,
    ):
        super().__init__(
            operands=[input, weights, bias, multiplier, shift],
            properties={"requant": RequantAttr(requant), "window": WindowAttr(window)},
            result_types=[result_type],
        )


@irdl_op_definition
class Conv2dOp(ConvolutionOp):
    """Convolution, weights OxKHxKWxI.

    ```mlir
    %y = qnn.conv2d %x, %w, %b requant(%m, %s) <input_zp = -128> window <strides = [2, 2]>
        : tensor<1x5x5x2xi8>, tensor<4x3x3x2xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x2x2x4xi8>
    ```
    """

    name = "qnn.conv2d"

    def verify_(self) -> None:
        channels = verify_convolution(
            self.window.data, self.input.type, self.weights.type, self.result.type
        )
        self.verify_channels(channels, per_tensor=False)


@irdl_op_definition
class DepthwiseConv2dOp(ConvolutionOp):
    """Depthwise convolution, weights 1xKHxKWx(C*multiplier); output channel c*multiplier + m
    reads input channel c."""

    name = "qnn.depthwise_conv2d"
    CHANNEL_AXIS: ClassVar[int] = -1

    def verify_(self) -> None:
        channels = verify_depthwise(
            self.window.data, self.input.type, self.weights.type, self.result.type
        )
        self.verify_channels(channels, per_tensor=False)


@irdl_op_definition
class TransposeConv2dOp(ConvolutionOp):
    """The transpose of a convolution that slides `window` over the result and reads from it an image
    like `input`; weights OxKHxKWxI. Input pixel (y, x) adds through tap (ky, kx) to result pixel
    (y * stride - top + ky, x * stride - left + kx), or to none outside the result.

    ```mlir
    %y = qnn.transpose_conv2d %x, %w, %b requant(%m, %s) <> window <strides = [2, 2]>
        : tensor<1x3x3x2xi8>, tensor<4x2x2x2xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x6x6x4xi8>
    ```
    """

    name = "qnn.transpose_conv2d"

    def verify_(self) -> None:
        channels = verify_transpose_convolution(
            self.window.data, self.input.type, self.weights.type, self.result.type
        )
        self.verify_channels(channels, per_tensor=False)


@irdl_op_definition
class LinearOp(WeightedOp):
    """Fully connected layer, weights OxK.

    ```mlir
    %y = qnn.linear %x, %w, %b requant(%m, %s) <input_zp = -3, output_zp = 4>
        : tensor<1x8xi8>, tensor<4x8xi8>, tensor<4xi32>, tensor<1xi32> -> tensor<1x4xi8>
    ```
    """

    name = "qnn.linear"

    assembly_format = (
        "$input `,` $weights `,` $bias `requant` `(` $multiplier `,` $shift `)` $requant "
        "attr-dict `:` type($input) `,` type($weights) `,` type($bias) `,` "
        "type($multiplier) `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        bias: SSAValue,
        multiplier: SSAValue,
        shift: SSAValue,
        requant: Requant,
        result_type: Attribute,
    ):
        super().__init__(
            operands=[input, weights, bias, multiplier, shift],
            properties={"requant": RequantAttr(requant)},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        features = verify_linear(self.input.type, self.weights.type, self.result.type)
        self.verify_channels(features, per_tensor=True)
