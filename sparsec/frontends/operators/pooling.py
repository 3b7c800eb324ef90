# SPDX-License-Identifier: Apache-2.0
"""Reductions of windows of an image, and softmax."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from xdsl.ir import SSAValue

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.image import height_and_width, read_image, written_image
from sparsec.frontends.operators.masked_softmax import softmax_of
from sparsec.frontends.operators.picking import picked
from sparsec.frontends.operators.resampling import Matrix, resampled
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import CHANNELS_LAST, Activation, Tensor
from sparsec.ir import nn
from sparsec.ir.shapes import image_shape
from sparsec.quantization.window import Border, Pool, Window

Windows: TypeAlias = Sequence[Sequence[int]]
"""For each element of the result along an axis, which ones of the input it is made of."""


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
    dilation = height_and_width(call.repeated("dilation", rank - 2, 1), rank, 1)
    kernel, strides, padding = window_of(call, rank)
    size = image_shape(image.type)[:2]
    spans = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    after = padding_after(size, spans, strides, padding, padding, call.flag("ceil_mode"))
    if dilation != (1, 1):
        outputs = Window(strides, (*padding, *after)).output_size(size, spans)
        found = [
            [range(o * s - p, o * s - p + span, d) for o in range(n)]
            for n, s, p, span, d in zip(outputs, strides, padding, spans, dilation, strict=True)
        ]
        return largest(builder, value, [inside(*each) for each in zip(found, size, strict=True)])
    pool = Pool(strides, (*padding, *after), kernel=kernel)
    return pooled(builder, nn.MaxPool2dOp, image, pool, rank)


def inside(windows: Sequence[range], size: int) -> Windows:
    """What of each window is one of `size` elements."""
    found = [[place for place in window if 0 <= place < size] for window in windows]
    if not all(found):
        raise UnsupportedError("a window sees only padding")
    return found


def largest(builder: Builder, value: Activation, windows: Sequence[Windows]) -> Activation:
    """The largest element of each window of rows and columns, whatever it picks: one axis after the other, along which
    the windows are laid side by side. A shorter one has an element twice."""
    rank = len(value.shape)
    for axis, along in enumerate(windows):
        count = max(map(len, along))
        if along == [[place] for place in range(len(along))]:
            continue
        indices = np.array([[*each, *[each[-1]] * (count - len(each))] for each in along])
        picks = picked(builder, value, {axis + rank - 2: indices.reshape(-1)})
        assert isinstance(picks, Activation)
        kernel = (count, 1) if axis == 0 else (1, count)
        pool = Pool(kernel, kernel=kernel)
        value = pooled(builder, nn.MaxPool2dOp, read_image(builder, picks), pool, rank)
    return value


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


def mean_of_neighbours(builder: Builder, call: Call) -> Tensor:
    """avg_pool3d along its first axis alone, as local_response_norm has it of channels: a row of pixels in memory."""
    value = call.activation("self", "input")
    kernel, padding = call.repeated("kernel_size", 3, 1), call.repeated("padding", 3, 0)
    strides = call.repeated("stride", 3, 1) if call.given("stride") else kernel
    alone = kernel[1:] == strides[1:] == [1, 1] and not any(padding)
    if not alone or value.shape[:2] != (1, 1) or call.given("divisor_override"):
        raise UnsupportedError("only a mean along the first of three axes is supported")
    order = (0, 1, 3, 4, 2)
    _, _, depth, height, width = value.shape
    image = builder.reshape(builder.ssa(value, order), (1, height * width, depth, 1))
    pool = Pool((1, strides[0]), kernel=(1, kernel[0]))
    found = pooled(builder, nn.AvgPool2dOp, image, pool, 4)
    shape = (1, 1, found.shape[3], height, width)
    return Activation(builder.reshape(found.ssa, [shape[axis] for axis in order]), shape, order)


def adaptive_windows(size: int, target: int) -> list[range]:
    """Those of torch's adaptive pools: they cover `size` elements, and may overlap and differ in size."""
    if target < 1:
        raise UnsupportedError("its result is empty")
    return [range(i * size // target, -(-(i + 1) * size // target)) for i in range(target)]


def means(windows: Sequence[range], size: int) -> Matrix:
    """The same share for each element of a window."""
    matrix = np.zeros((len(windows), size))
    for row, along in zip(matrix, windows, strict=True):
        row[along] = 1 / len(along)
    return matrix


def regular(windows: Sequence[Sequence[range]], size: tuple[int, int]) -> Pool | None:
    """The pool that has these windows of rows and of columns, if there is one."""
    kernel: list[int] = []
    strides: list[int] = []
    for along in windows:
        distance = along[1].start - along[0].start if len(along) > 1 else len(along[0])
        expected = [range(i * distance, i * distance + len(along[0])) for i in range(len(along))]
        if along != expected:
            return None
        kernel.append(len(along[0]))
        strides.append(distance)
    pool = Pool((strides[0], strides[1]), kernel=(kernel[0], kernel[1]))
    fits = pool.output_size(size, pool.kernel) == (len(windows[0]), len(windows[1]))
    return pool if fits else None


def adaptive(builder: Builder, call: Call, kind: type[nn.Pool2dOp]) -> Activation:
    """An image or a signal reduced to a size: by one pool where its windows are alike, else as `kind` can."""
    value = call.activation("self", "input")
    rank = len(value.shape)
    image = read_image(builder, value)
    size = image_shape(image.type)[:2]
    target = height_and_width(call.repeated("output_size", rank - 2, 1), rank, 1)
    if size == target:
        return value
    windows = [adaptive_windows(n, t) for n, t in zip(size, target, strict=True)]
    pool = regular(windows, size)
    if pool is not None:
        return pooled(builder, kind, image, pool, rank)
    if kind is nn.MaxPool2dOp:
        found = [inside(along, n) for along, n in zip(windows, size, strict=True)]
        return largest(builder, value, found)
    rows, columns = (means(along, n) for along, n in zip(windows, size, strict=True))
    return resampled(builder, value, rows, columns)


def adaptive_avg_pool(builder: Builder, call: Call) -> Tensor:
    """adaptive_avg_pool1d and adaptive_avg_pool2d."""
    return adaptive(builder, call, nn.AvgPool2dOp)


def adaptive_max_pool(builder: Builder, call: Call) -> list[Tensor]:
    """adaptive_max_pool1d and adaptive_max_pool2d; where the largest are is not told."""
    return [adaptive(builder, call, nn.MaxPool2dOp)]


def softmax(builder: Builder, call: Call) -> Tensor:
    """Softmax over one axis."""
    value = call.activation("self", "input")
    return softmax_of(builder, value, call.integer("dim") % len(value.shape))


POOLING: Mapping[str, Operator] = {
    "aten.max_pool1d": max_pool,
    "aten.max_pool2d": max_pool,
    "aten.max_pool2d_with_indices": max_pool,
    "aten.avg_pool1d": avg_pool,
    "aten.avg_pool2d": avg_pool,
    "aten.avg_pool3d": mean_of_neighbours,
    "aten.adaptive_avg_pool1d": adaptive_avg_pool,
    "aten.adaptive_avg_pool2d": adaptive_avg_pool,
    "aten._adaptive_avg_pool2d": adaptive_avg_pool,
    "aten.adaptive_max_pool1d": adaptive_max_pool,
    "aten.adaptive_max_pool2d": adaptive_max_pool,
    "aten.softmax": softmax,
    "aten._softmax": softmax,
}
