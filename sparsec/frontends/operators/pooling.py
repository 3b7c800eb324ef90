# SPDX-License-Identifier: Apache-2.0
"""Reductions of windows of an image, and softmax."""

from collections.abc import Mapping, Sequence

from xdsl.ir import SSAValue

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.image import height_and_width, read_image, written_image
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import CHANNELS_LAST, Activation, Tensor
from sparsec.ir import nn
from sparsec.ir.shapes import image_shape
from sparsec.quantization.window import Border, Pool


def pooled(
    builder: Builder, kind: type[nn.Pool2dOp], image: SSAValue, pool: Pool, rank: int
) -> Activation:
    """An image reduced by `pool`."""
    height, width, channels = image_shape(image.type)
    size = pool.output_size((height, width), pool.kernel)
    op = kind(image, pool, nn.float_type((1, *size, channels)))
    return written_image(builder, builder.add(op, CHANNELS_LAST[4]), rank)


def window_of(call: Call, rank: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Kernel, strides and padding, (height, width) each."""
    kernel = call.repeated("kernel_size", rank - 2, 1)
    strides = kernel
    if call.given("stride") and call.integers("stride"):
        strides = call.repeated("stride", rank - 2, 1)
    padding = call.repeated("padding", rank - 2, 0)
    return (
        height_and_width(kernel, rank, 1),
        height_and_width(strides, rank, 1),
        height_and_width(padding, rank, 0),
    )


def padding_after(
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    before: Sequence[int],
    after: Sequence[int],
    ceil_mode: bool,
) -> tuple[int, int]:
    """Padding at the bottom and right: with `ceil_mode`, as much more as the last window needs.

    As in torch, the last window must start inside the image or the padding before it.
    """
    result: list[int] = []
    for length, k, stride, low, high in zip(size, kernel, strides, before, after, strict=True):
        if ceil_mode:
            steps = -(-(length + low + high - k) // stride)
            if steps * stride >= length + low:
                steps -= 1
            high = max(high, steps * stride + k - length - low)
        result.append(high)
    return result[0], result[1]


def max_pool(builder: Builder, call: Call) -> Tensor:
    """max_pool1d and max_pool2d."""
    value = call.activation("self", "input")
    rank = len(value.shape)
    image = read_image(builder, value)
    if any(d != 1 for d in call.repeated("dilation", rank - 2, 1)):
        raise UnsupportedError("dilated pooling is not supported")
    kernel, strides, padding = window_of(call, rank)
    size = image_shape(image.type)[:2]
    after = padding_after(size, kernel, strides, padding, padding, call.flag("ceil_mode"))
    pool = Pool(strides, (*padding, *after), kernel=kernel)
    return pooled(builder, nn.MaxPool2dOp, image, pool, rank)


def avg_pool(builder: Builder, call: Call) -> Tensor:
    """avg_pool1d and avg_pool2d; padding that is counted becomes a border of zeros."""
    value = call.activation("self", "input")
    rank = len(value.shape)
    if call.given("divisor_override"):
        raise UnsupportedError("divisor_override is not supported")
    kernel, strides, padding = window_of(call, rank)
    image = read_image(builder, value)
    height, width, _ = image_shape(image.type)
    before, border = padding, (0, 0)
    if any(padding) and call.flag("count_include_pad", True):
        before, border = (0, 0), padding
    size = (height + 2 * border[0], width + 2 * border[1])
    # What ceil_mode adds beyond the border is counted neither by torch nor by nn.avg_pool2d.
    after = padding_after(size, kernel, strides, before, before, call.flag("ceil_mode"))
    if any(border):
        edge = (0, *border, 0)
        image = builder.add(nn.PadOp(image, 0.0, Border(edge, edge)), CHANNELS_LAST[4]).ssa
    pool = Pool(strides, (*before, *after), kernel=kernel)
    return pooled(builder, nn.AvgPool2dOp, image, pool, rank)


def adaptive_avg_pool(builder: Builder, call: Call) -> Tensor:
    """adaptive_avg_pool1d and adaptive_avg_pool2d to a size that divides the input's."""
    value = call.activation("self", "input")
    rank = len(value.shape)
    image = read_image(builder, value)
    size = image_shape(image.type)[:2]
    target = height_and_width(call.repeated("output_size", rank - 2, 1), rank, 1)
    if any(n % t for n, t in zip(size, target, strict=True)):
        raise UnsupportedError(
            f"an output of {target[0]}x{target[1]} does not divide an input of {size[0]}x{size[1]}"
        )
    if size == target:
        return value
    kernel = (size[0] // target[0], size[1] // target[1])
    return pooled(builder, nn.AvgPool2dOp, image, Pool(kernel, kernel=kernel), rank)


def softmax(builder: Builder, call: Call) -> Tensor:
    """Softmax over one axis, which is put last in memory."""
    value = call.activation("self", "input")
    axis = call.integer("dim") % len(value.shape)
    order = value.order
    if order[-1] != axis:
        order = (*(other for other in order if other != axis), axis)
    return builder.add(nn.SoftmaxOp(builder.ssa(value, order)), order)


POOLING: Mapping[str, Operator] = {
    "aten.max_pool1d": max_pool,
    "aten.max_pool2d": max_pool,
    "aten.max_pool2d_with_indices": max_pool,
    "aten.avg_pool1d": avg_pool,
    "aten.avg_pool2d": avg_pool,
    "aten.adaptive_avg_pool1d": adaptive_avg_pool,
    "aten.adaptive_avg_pool2d": adaptive_avg_pool,
    "aten._adaptive_avg_pool2d": adaptive_avg_pool,
    "aten.softmax": softmax,
    "aten._softmax": softmax,
}
