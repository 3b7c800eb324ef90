# SPDX-License-Identifier: Apache-2.0
"""TRANSPOSE_CONV.

The one rule: its padding is that of the convolution from its result to its input.
"""

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite import scaling
from sparsec.frontends.tflite.arguments import bias_of, constant, image, padding
from sparsec.frontends.tflite.builder import Builder, activation_type
from sparsec.frontends.tflite.model import Operator
from sparsec.ir import qnn
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window


def transpose_conv(b: Builder, op: Operator) -> None:
    """TRANSPOSE_CONV of (shape of the result, weights, data, bias)."""
    weights, source, output = b.tensor(op, 1), b.tensor(op, 2), b.output(op)
    shape = tuple(int(n) for n in constant(b, op, 0, "output shape", "INT32").reshape(-1))
    if shape != output.shape:
        raise UnsupportedError(
            f"its output shape is {shape}, and that of its result {output.shape}"
        )
    kernel = constant(b, op, 1, "weights", "INT8")
    if kernel.ndim != 4:
        raise UnsupportedError(f"its weights {weights.title} must have four axes")
    _ = image(source)
    height, width, _ = image(output)
    channels = kernel.shape[0]
    strides = op.number("StrideH"), op.number("StrideW")
    around = padding(op, (height, width), kernel.shape[1:3], strides)
    input_scale, output_scale = source.quantization, output.quantization
    scales = scaling.weight_scales(weights, channels, 0)
    multiplier, shift = scaling.channel_multipliers(input_scale, scales, output_scale)
    clamp = scaling.activation_range(op.number("FusedActivationFunction"), output_scale)
    b.finish(
        op,
        qnn.TransposeConv2dOp(
            b.value(source),
            b.constant_of(weights),
            bias_of(b, op, 3, channels),
            b.constant(multiplier),
            b.constant(shift),
            Requant(input_scale.zero_point, output_scale.zero_point, clamp),
            Window(strides, around),
            activation_type(output),
        ),
    )
