# SPDX-License-Identifier: Apache-2.0
"""Every operator of TensorFlow Lite that can be imported: a new one is a function and an entry of the table.

An operator takes a Builder and an Operator, appends operations of `qnn` and defines its result.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from xdsl.dialects.builtin import IntegerType, TensorType, i8

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite import (
    elementwise,
    island_folding,
    movement,
    scaling,
    tables,
    transpose_conv,
)
from sparsec.frontends.tflite.arguments import bias_of, constant, image, padding
from sparsec.frontends.tflite.builder import Builder, activation_type
from sparsec.frontends.tflite.model import Array, Operator
from sparsec.frontends.tflite.resizing import resize_bilinear
from sparsec.ir import qnn
from sparsec.ir.shapes import MAX_MEAN
from sparsec.quantization.matmul import MatmulParams
from sparsec.quantization.params import Requant, Rescale, SoftmaxParams
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.softmax import MAX_ROW, softmax_params
from sparsec.quantization.window import Border, Pool, Window

Import: TypeAlias = Callable[[Builder, Operator], None]
Table: TypeAlias = Callable[[Operator, Quantization, Quantization], Array]


def convolution(b: Builder, op: Operator) -> None:
    """CONV_2D and DEPTHWISE_CONV_2D."""
    depthwise = op.name == "DEPTHWISE_CONV_2D"
    source, weights, output = b.tensor(op, 0), b.tensor(op, 1), b.output(op)
    kernel = constant(b, op, 1, "weights", "INT8")
    if kernel.ndim != 4:
        raise UnsupportedError(f"its weights {weights.title} must have four axes")
    height, width, channels = image(source)
    axis = 3 if depthwise else 0
    if depthwise and kernel.shape[3] != channels * op.number("DepthMultiplier"):
        raise UnsupportedError("its depth multiplier does not fit its weights")
    strides = op.number("StrideH"), op.number("StrideW")
    dilations = op.number("DilationHFactor"), op.number("DilationWFactor")
    around = padding(op, (height, width), kernel.shape[1:3], strides, dilations)
    input_scale, output_scale = source.quantization, output.quantization
    scales = scaling.weight_scales(weights, kernel.shape[axis], axis)
    multiplier, shift = scaling.channel_multipliers(input_scale, scales, output_scale)
    clamp = scaling.activation_range(op.number("FusedActivationFunction"), output_scale)
    make = qnn.DepthwiseConv2dOp if depthwise else qnn.Conv2dOp
    b.finish(
        op,
        make(
            b.value(source),
            b.constant_of(weights),
            bias_of(b, op, 2, kernel.shape[axis]),
            b.constant(multiplier),
            b.constant(shift),
            Requant(input_scale.zero_point, output_scale.zero_point, clamp),
            Window(strides, around, dilations),
            activation_type(output),
        ),
    )


def fully_connected(b: Builder, op: Operator) -> None:
    """FULLY_CONNECTED, which reads its input as rows of the weights' depth, whatever its shape."""
    source, weights, output = b.tensor(op, 0), b.tensor(op, 1), b.output(op)
    matrix = constant(b, op, 1, "weights", "INT8")
    if op.number("WeightsFormat") != 0:
        raise UnsupportedError("its weights are shuffled: convert the model without that")
    if matrix.ndim != 2:
        raise UnsupportedError(f"its weights {weights.title} must have two axes")
    features, depth = matrix.shape
    rows = source.elements // depth
    if rows * depth != source.elements or rows * features != output.elements:
        raise UnsupportedError(f"its weights of {features}x{depth} do not fit its input or output")
    input_scale, output_scale = source.quantization, output.quantization
    scales = scaling.weight_scales(weights, features, 0)
    if weights.scales.size == 1:
        scales = scales[:1]  # one multiplier for all
    multiplier, shift = scaling.channel_multipliers(input_scale, scales, output_scale)
    clamp = scaling.activation_range(op.number("FusedActivationFunction"), output_scale)
    # Rows stand alone where the shapes allow it; else the input and the result are reshaped.
    fits = (*source.shape[:-1], features) == output.shape and source.shape[-1:] == (depth,)
    linear = qnn.LinearOp(
        b.value(source) if fits else b.reshaped(b.value(source), (rows, depth)),
        b.constant_of(weights),
        bias_of(b, op, 2, features),
        b.constant(multiplier),
        b.constant(shift),
        Requant(input_scale.zero_point, output_scale.zero_point, clamp),
        activation_type(output) if fits else type_of(rows, features),
    )
    if fits or output.shape == (rows, features):
        b.finish(op, linear)
    else:
        b.finish(op, qnn.ReshapeOp(b.add(linear), output.shape))


def type_of(*shape: int) -> TensorType[IntegerType]:
    """An int8 tensor."""
    return TensorType(i8, shape)


def pool(b: Builder, op: Operator) -> None:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    source, output = b.tensor(op, 0), b.output(op)
    height, width, _ = image(source)
    q = output.quantization
    if (
        source.quantization.zero_point != q.zero_point
        or abs(source.quantization.scale - q.scale) > 1e-6
    ):
        raise UnsupportedError("its input and output must have one scale and zero point")
    kernel = op.number("FilterHeight"), op.number("FilterWidth")
    strides = op.number("StrideH"), op.number("StrideW")
    around = padding(op, (height, width), kernel, strides)
    clamp = scaling.activation_range(op.number("FusedActivationFunction"), q)
    make = qnn.MaxPool2dOp if op.name == "MAX_POOL_2D" else qnn.AvgPool2dOp
    b.finish(
        op,
        make(
            b.value(source),
            Pool(strides, around, kernel=kernel),
            Requant(q.zero_point, q.zero_point, clamp),
            activation_type(output),
        ),
    )


def mean(b: Builder, op: Operator) -> None:
    """MEAN over height and width: a sum of `x - zero_point`, rescaled with 1/N in the multiplier
    (`QuantizedMeanOrSum`).
    """
    source, output = b.tensor(op, 0), b.output(op)
    height, width, channels = image(source)
    named = [int(axis) for axis in constant(b, op, 1, "axes", "INT32").reshape(-1)]
    missing = [axis for axis in named if not -4 <= axis < 4]
    if missing:
        raise UnsupportedError(f"its axis {missing[0]} does not exist")
    axes = {axis % 4 for axis in named}
    if axes != {1, 2}:
        raise UnsupportedError(
            f"it reduces axes {sorted(axes)}, and only height and width are supported"
        )
    count = height * width
    if count > MAX_MEAN:
        raise UnsupportedError(f"it reduces more than {MAX_MEAN} pixels")
    input_scale, output_scale = source.quantization, output.quantization
    multiplier, shift = quantize_multiplier(input_scale.scale / output_scale.scale)
    divided = min(count.bit_length() - 1, 32, 31 + shift)
    pixel = qnn.MeanOp(
        b.value(source),
        Rescale(
            input_scale.zero_point,
            (multiplier << divided) // count,
            shift - divided,
            output_scale.zero_point,
        ),
        type_of(1, 1, 1, channels),
    )
    if output.shape == pixel.result.type.get_shape():
        b.finish(op, pixel)
    else:
        b.finish(op, qnn.ReshapeOp(b.add(pixel), output.shape))


def pad(b: Builder, op: Operator) -> None:
    """PAD with the zero point of the result, PADV2 with a given value."""
    source, output = b.tensor(op, 0), b.output(op)
    widths = constant(b, op, 1, "paddings", "INT32")
    if widths.shape != (len(source.shape), 2) or widths.min() < 0:
        raise UnsupportedError("its paddings must be two numbers for each axis, none negative")
    if widths.max() > max(output.shape, default=0):
        raise UnsupportedError("its paddings do not fit its result")
    value = output.quantization.zero_point
    if b.optional(op, 2) is not None:
        filling = constant(b, op, 2, "value", "INT8")
        if filling.size != 1 or b.tensor(op, 2).quantization != output.quantization:
            raise UnsupportedError("its value must be a scalar with the quantization of its result")
        value = int(filling.reshape(()))
    low, high = (tuple(int(n) for n in widths[:, side]) for side in (0, 1))
    b.finish(op, qnn.PadOp(b.value(source), value, Border(low, high)))


def reshape(b: Builder, op: Operator) -> None:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the file tells the shape of the result."""
    source, output = b.tensor(op, 0), b.output(op)
    _ = source.quantization, output.quantization  # errors for what is not int8
    if source.elements != output.elements:
        raise UnsupportedError(f"it turns the shape {source.shape} into {output.shape}")
    b.finish(op, qnn.ReshapeOp(b.value(source), output.shape))


def transpose(b: Builder, op: Operator) -> None:
    """TRANSPOSE by a constant permutation."""
    source, output = b.tensor(op, 0), b.output(op)
    _ = output.quantization  # an error for what is not int8
    permutation = [int(axis) for axis in constant(b, op, 1, "permutation", "INT32").reshape(-1)]
    if sorted(permutation) != list(range(len(source.shape))):
        raise UnsupportedError(f"{permutation} is not a permutation of its axes")
    b.finish(op, qnn.TransposeOp(b.value(source), permutation))


def concatenation(b: Builder, op: Operator) -> None:
    """CONCATENATION of inputs with the scale and zero point of the result, as TFLite Micro wants it."""
    output = b.output(op)
    sources = [b.tensor(op, position) for position in range(len(op.inputs))]
    if any(source.quantization != output.quantization for source in sources):
        raise UnsupportedError(
            "its inputs and output must have one scale and zero point, as in TensorFlow Lite Micro"
        )
    if op.number("FusedActivationFunction") != 0:
        raise UnsupportedError("its fused activation is not supported")
    axis, rank = op.number("Axis"), len(output.shape)
    if not -rank <= axis < rank:
        raise UnsupportedError(f"its axis {axis} does not exist")
    values = [b.value(source) for source in sources]
    b.finish(op, qnn.ConcatOp(values, axis % rank, activation_type(output)))


def softmax(b: Builder, op: Operator) -> None:
    """SOFTMAX over the last axis."""
    source, output = b.tensor(op, 0), b.output(op)
    if output.quantization != Quantization((1 / 256,), -128):
        raise UnsupportedError("its result must have scale 1/256 and zero point -128")
    if not source.shape or source.shape[-1] > MAX_ROW:
        raise UnsupportedError(f"its last axis must have at most {MAX_ROW} elements")
    params = SoftmaxParams(**softmax_params(op.real("Beta") * source.quantization.scale))
    b.finish(op, qnn.SoftmaxOp(b.value(source), params))


def batch_matmul(b: Builder, op: Operator) -> None:
    """BATCH_MATMUL of two tensors of as many matrices."""
    lhs, rhs, output = b.tensor(op, 0), b.tensor(op, 1), b.output(op)
    if lhs.shape[:-2] != rhs.shape[:-2]:
        raise UnsupportedError("its operands must have as many matrices")
    first, second, result = lhs.quantization, rhs.quantization, output.quantization
    scale = first.scale * second.scale / result.scale
    params = MatmulParams(
        first.zero_point, second.zero_point, *quantize_multiplier(scale), result.zero_point
    )
    transposed = bool(op.number("AdjX")), bool(op.number("AdjY"))
    sides = b.value(lhs), b.value(rhs)
    b.finish(op, qnn.MatmulOp(*sides, transposed, params, activation_type(output)))


def quantize(b: Builder, op: Operator) -> None:
    """QUANTIZE from int8 to int8; that from float32 at an input is gone before operators are imported."""
    source, output = b.tensor(op, 0), b.output(op)
    q_in, q_out = source.quantization, output.quantization
    multiplier, shift = quantize_multiplier(q_in.scale / q_out.scale)
    rescale = Rescale(q_in.zero_point, multiplier, shift, q_out.zero_point)
    b.finish(op, qnn.RescaleOp(b.value(source), rescale))


def lookup(table: Table) -> Import:
    """An element-wise function as a table."""

    def run(b: Builder, op: Operator) -> None:
        source, output = b.tensor(op, 0), b.output(op)
        entries = table(op, source.quantization, output.quantization)
        b.finish(op, qnn.LookupOp(b.value(source), b.constant(entries)))

    return run


OPERATORS: Mapping[str, Import] = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": convolution,
    "TRANSPOSE_CONV": transpose_conv.transpose_conv,
    "FULLY_CONNECTED": fully_connected,
    "ADD": elementwise.add,
    "SUB": elementwise.sub,
    "MUL": elementwise.mul,
    "MAXIMUM": elementwise.extreme,
    "MINIMUM": elementwise.extreme,
    "PRELU": elementwise.prelu,
    "AVERAGE_POOL_2D": pool,
    "MAX_POOL_2D": pool,
    "MEAN": mean,
    "PAD": pad,
    "PADV2": pad,
    "RESHAPE": reshape,
    "SQUEEZE": reshape,
    "EXPAND_DIMS": reshape,
    "TRANSPOSE": transpose,
    "CONCATENATION": concatenation,
    "STRIDED_SLICE": movement.strided_slice,
    "SLICE": movement.slice_of,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split,
    "REDUCE_MAX": movement.reduce_max,
    "RESIZE_NEAREST_NEIGHBOR": movement.resize_nearest,
    "RESIZE_BILINEAR": resize_bilinear,
    "SOFTMAX": softmax,
    "BATCH_MATMUL": batch_matmul,
    "QUANTIZE": quantize,
    island_folding.TABLE: lookup(lambda op, x, y: island_folding.table_of(x, y)),
    "RELU": lookup(lambda op, x, y: tables.relu_table(x, y, 0.0, None)),
    "RELU_N1_TO_1": lookup(lambda op, x, y: tables.relu_table(x, y, -1.0, 1.0)),
    "RELU6": lookup(lambda op, x, y: tables.relu6_table(x, y)),
    "LEAKY_RELU": lookup(lambda op, x, y: tables.leaky_relu_table(x, y, op.real("Alpha"))),
    "LOGISTIC": lookup(lambda op, x, y: tables.logistic_table(x, y)),
    "TANH": lookup(lambda op, x, y: tables.tanh_table(x)),
    "HARD_SWISH": lookup(lambda op, x, y: tables.hard_swish_table(x, y)),
}
"""By the schema's name. An operator raises ValueError, UnsupportedError if it is its own, for what it cannot import."""
