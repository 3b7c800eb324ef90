# SPDX-License-Identifier: Apache-2.0
"""Layers with weights: convolutions, fully connected layers and batch normalization."""

from collections.abc import Mapping, Sequence

import numpy as np
from xdsl.ir import SSAValue

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.image import height_and_width, read_image, written_image
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import (
    CHANNELS_LAST,
    Activation,
    Parameter,
    Tensor,
    as_in_torch,
)
from sparsec.ir import nn
from sparsec.ir.shapes import image_shape
from sparsec.quantization.window import Window


def bias_of(builder: Builder, bias: Parameter | None, channels: int) -> SSAValue:
    """The bias of a layer, zero if it has none."""
    if bias is None:
        return builder.constant(np.zeros(channels, np.float32), f"{builder.place.layer}.bias")
    if bias.shape != (channels,):
        raise UnsupportedError(f"its bias has shape {bias.shape} instead of ({channels},)")
    return builder.ssa(bias)


def padding_of(call: Call, kernel: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """(before, after) for each spatial axis; torch's "same" puts an odd pixel after."""
    padding = call.arguments.get("padding", 0)
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(p, p) for p in call.repeated("padding", len(kernel), 0)]


def convolution(builder: Builder, call: Call) -> Tensor:
    """conv1d and conv2d."""
    value, weight = call.activation("input"), call.parameter("weight")
    rank = len(weight.shape)
    if call.flag("transposed"):
        return transposed_convolution(builder, call)
    if rank not in CHANNELS_LAST or len(value.shape) != rank:
        raise UnsupportedError("only convolutions over one or two dimensions are supported")
    image = read_image(builder, value)
    if rank == 3:
        weight = with_height(weight)
    outputs, inputs, *kernel = weight.shape
    strides = call.repeated("stride", rank - 2, 1)
    dilations = call.repeated("dilation", rank - 2, 1)
    pads = padding_of(call, kernel[4 - rank :], dilations)
    before = height_and_width([pad[0] for pad in pads], rank, 0)
    after = height_and_width([pad[1] for pad in pads], rank, 0)
    window = Window(
        height_and_width(strides, rank, 1),
        (*before, *after),
        height_and_width(dilations, rank, 1),
    )
    kind, order = nn.Conv2dOp, (0, 2, 3, 1)
    if call.integer("groups", 1) == value.shape[1] > 1 and inputs == 1:
        kind, order = nn.DepthwiseConv2dOp, (1, 2, 3, 0)
    size = window.output_size(
        (1, value.shape[2]) if rank == 3 else (value.shape[2], value.shape[3]),
        (kernel[0], kernel[1]),
    )
    bias = bias_of(builder, call.optional_parameter("bias"), outputs)
    op = kind(image, builder.ssa(weight, order), bias, window, nn.float_type((1, *size, outputs)))
    return written_image(builder, builder.add(op, CHANNELS_LAST[4]), rank)


def transposed_convolution(builder: Builder, call: Call) -> Tensor:
    """conv_transpose1d and conv_transpose2d; weights (I, O / groups, ..)."""
    value, weight = call.activation("input"), call.parameter("weight")
    rank, groups = len(weight.shape), call.integer("groups", 1)
    if rank not in CHANNELS_LAST or len(value.shape) != rank:
        raise UnsupportedError("only convolutions over one or two dimensions are supported")
    image = read_image(builder, value)
    strides, padding, dilations, more = (
        height_and_width(call.repeated(name, rank - 2, filler), rank, filler)
        for name, filler in (("stride", 1), ("padding", 0), ("dilation", 1), ("output_padding", 0))
    )
    if rank == 3:
        weight = with_height(weight)
    # Rows and columns of the result that no tap reaches are those of taps of zero.
    behind = [max(extra - pad, 0) for extra, pad in zip(more, padding, strict=True)]
    weight = outputs_first(with_zero_taps(weight, dilations, behind), groups)
    outputs, _, *kernel = weight.shape
    size = [
        (n - 1) * s - 2 * p + k - b + extra
        for n, s, p, k, b, extra in zip(
            image_shape(image.type)[:2], strides, padding, kernel, behind, more, strict=True
        )
    ]
    if min(size) < 1:
        raise UnsupportedError("its result is empty")
    after = [max(pad - extra, 0) for extra, pad in zip(more, padding, strict=True)]
    op = nn.TransposeConv2dOp(
        image,
        builder.ssa(weight, (0, 2, 3, 1)),
        bias_of(builder, call.optional_parameter("bias"), outputs),
        Window(strides, (*padding, after[0], after[1])),
        nn.float_type((1, *size, outputs)),
    )
    return written_image(builder, builder.add(op, CHANNELS_LAST[4]), rank)


def with_zero_taps(weight: Parameter, dilations: Sequence[int], behind: Sequence[int]) -> Parameter:
    """Weights with zeros between their taps, as a dilation has them, and so many rows and columns of zeros more."""
    first, second, *kernel = weight.array.shape
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    shape = (first, second, *(n + more for n, more in zip(spans, behind, strict=True)))
    array = np.zeros(shape, weight.array.dtype)
    array[:, :, : spans[0] : dilations[0], : spans[1] : dilations[1]] = weight.array
    return Parameter(weight.name, array, weight.quantization)


def outputs_first(weight: Parameter, groups: int) -> Parameter:
    """Weights (I, O / groups, ..) of a transposed convolution as (O, I / groups, ..)."""
    if groups == 1:
        return weight.permuted((1, 0, 2, 3))
    if weight.quantization is not None:
        raise UnsupportedError("quantized weights of a transposed convolution in groups")
    inputs, outputs, *kernel = weight.shape
    apart = weight.array.reshape(groups, inputs // groups, outputs, *kernel)
    turned = apart.swapaxes(1, 2).reshape(groups * outputs, inputs // groups, *kernel)
    return Parameter(weight.name, turned)


def with_height(weight: Parameter) -> Parameter:
    """Weights (O, I, L) as (O, I, 1, L)."""
    scheme = weight.quantization
    if scheme is not None and scheme.axis == 2:
        raise UnsupportedError("its weights have a scale for each element of the kernel")
    return Parameter(weight.name, weight.array[:, :, np.newaxis, :], scheme)


def fully_connected(
    builder: Builder, value: Activation, weight: Parameter, bias: Parameter | None
) -> Tensor:
    """`value` (.., K) times weights (O, K)."""
    if len(weight.shape) != 2 or len(value.shape) < 2:
        raise UnsupportedError("its weights must be a matrix, and its input a batch of vectors")
    outputs = weight.shape[0]
    rank = len(value.shape)
    order = value.order if value.order[-1] == rank - 1 else as_in_torch(rank)
    rows = [value.shape[axis] for axis in order[:-1]]
    op = nn.LinearOp(
        builder.ssa(value, order),
        builder.ssa(weight),
        bias_of(builder, bias, outputs),
        nn.float_type((*rows, outputs)),
    )
    return builder.add(op, order)


def linear(builder: Builder, call: Call) -> Tensor:
    """aten.linear."""
    return fully_connected(
        builder,
        call.activation("input"),
        call.parameter("weight"),
        call.optional_parameter("bias"),
    )


def addmm(builder: Builder, call: Call) -> Tensor:
    """bias + x @ w, as a decomposed linear layer is."""
    if call.number("alpha", 1) != 1 or call.number("beta", 1) != 1:
        raise UnsupportedError("alpha and beta other than 1 are not supported")
    weight = call.parameter("mat2").permuted((1, 0))
    return fully_connected(builder, call.activation("mat1"), weight, call.parameter("self"))


def batch_norm(builder: Builder, call: Call) -> Tensor:
    """Batch normalization with the stored statistics."""
    if call.flag("training"):
        raise UnsupportedError("it is in training mode: call model.eval() before the export")
    value = call.activation("input")
    rank, channels = len(value.shape), value.shape[1] if len(value.shape) > 1 else 0
    if not call.given("running_mean") or not call.given("running_var"):
        raise UnsupportedError("it has no running statistics (track_running_stats=False)")
    if rank != 2 and rank not in CHANNELS_LAST:
        raise UnsupportedError(f"its input has {rank} dimensions")
    order = CHANNELS_LAST.get(rank, as_in_torch(rank))
    gamma, beta = call.optional_parameter("weight"), call.optional_parameter("bias")
    layer = builder.place.layer
    op = nn.BatchNormOp(
        builder.ssa(value, order),
        builder.ssa(gamma or Parameter(f"{layer}.weight", np.ones(channels, np.float32))),
        builder.ssa(beta or Parameter(f"{layer}.bias", np.zeros(channels, np.float32))),
        builder.ssa(call.parameter("running_mean")),
        builder.ssa(call.parameter("running_var")),
        call.number("eps", 1e-5),
    )
    return builder.add(op, order)


WEIGHTED: Mapping[str, Operator] = {
    "aten.conv1d": convolution,
    "aten.conv2d": convolution,
    "aten.conv_transpose1d": transposed_convolution,
    "aten.conv_transpose2d": transposed_convolution,
    "aten.convolution": convolution,
    "aten._convolution": convolution,
    "aten._convolution_mode": convolution,
    "aten.linear": linear,
    "aten.addmm": addmm,
    "aten.batch_norm": batch_norm,
    "aten._native_batch_norm_legit_no_training": batch_norm,
}
