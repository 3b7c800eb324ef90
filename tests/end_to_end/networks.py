# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies of int8 networks: every operation of `qnn`, in chains and branches.

The rule: what is drawn is valid, so that no example is thrown away.
"""

from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.quantization.int8 import add_params, softmax_params
from sparsec.quantization.params import AddParams, Clamp, Requant, Rescale, SoftmaxParams
from sparsec.quantization.window import Border, Pool, Slice, Window
from tests.end_to_end.building import Builder

Array: TypeAlias = np.ndarray[Any, Any]
Size: TypeAlias = tuple[int, int]

LARGEST = 4096
"""Elements of a tensor; layers that would give more are left out."""

zero_points = st.sampled_from([0, -128, 127]) | st.integers(-128, 127)
clamps = st.just((-128, 127)) | st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(
    lambda pair: (min(pair), max(pair))
)
requants = st.builds(Requant, zero_points, zero_points, clamps)
# CMSIS-NN has kernels of its own for 1x1, 1xN and depthwise 3x3, and unrolls by 2, 4 and 16 channels.
channel_counts = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 20])
kernels = st.sampled_from([(1, 1), (3, 3), (1, 3), (1, 5)]) | st.tuples(
    st.integers(1, 5), st.integers(1, 5)
)
strides = st.just((1, 1)) | st.tuples(st.integers(1, 3), st.integers(1, 3))
dilations = st.just((1, 1)) | st.tuples(st.integers(1, 3), st.integers(1, 3))
seeds = st.integers(0, 2**32 - 1)


class Drawing:
    """A network that hypothesis draws."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw
        self.net = Builder()
        self.rng = np.random.default_rng(draw(seeds))

    def weights(self, shape: tuple[int, ...]) -> SSAValue:
        """int8 weights, dense or with any share of zeros."""
        w = self.rng.integers(-128, 128, shape, np.int8)
        sparsity = self.draw(st.sampled_from([0.0, 0.5, 0.8, 0.97, 1.0]))
        w[self.rng.random(shape) < sparsity] = 0
        return self.net.constant(w)

    def scales(
        self, channels: int, multipliers: int, depth: int
    ) -> tuple[SSAValue, SSAValue, SSAValue]:
        """Bias, multiplier and shift; mostly of results that use all of int8."""
        usual = -7 - round(np.log2(depth) / 2)
        low, high = self.draw(st.sampled_from([(usual - 1, usual + 2), (-30, 4)]))
        bias = self.rng.integers(-5000, 5000, channels, np.int32)
        if self.draw(st.booleans()):
            bias[:] = 0
        return (
            self.net.constant(bias),
            self.net.constant(self.rng.integers(2**30, 2**31, multipliers, np.int32)),
            self.net.constant(self.rng.integers(low, high, multipliers, np.int32)),
        )

    def window(self, size: Size) -> tuple[Size, Window]:
        """A kernel and a window that fits an image of `size`, padding on each side as it comes."""
        kernel, dilation = self.draw(kernels), self.draw(dilations)
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        same = (spans[0] // 2, spans[1] // 2)
        top, left, bottom, right = self.draw(
            st.sampled_from([(0, 0, 0, 0), (*same, *same)])
            | st.tuples(*(st.integers(0, span) for span in (*spans, *spans)))
        )
        bottom = max(bottom, spans[0] - size[0] - top)
        right = max(right, spans[1] - size[1] - left)
        return kernel, Window(self.draw(strides), (top, left, bottom, right), dilation)


Layer: TypeAlias = Callable[[Drawing, SSAValue, list[SSAValue]], SSAValue | None]
"""Draws a layer on a value; also sees all earlier values. None where none fits."""


def image_type(size: Size, channels: int) -> TensorType[Any] | None:
    shape = (1, *size, channels)
    return TensorType(i8, shape) if prod(shape) <= LARGEST else None


def conv2d(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    _, height, width, channels = shape_of(x.type)
    kernel, window = drawing.window((height, width))
    outputs = drawing.draw(channel_counts)
    type = image_type(window.output_size((height, width), kernel), outputs)
    if type is None:
        return None
    weights = drawing.weights((outputs, *kernel, channels))
    scales = drawing.scales(outputs, outputs, channels * prod(kernel))
    return drawing.net.layer(
        qnn.Conv2dOp(x, weights, *scales, drawing.draw(requants), window, type)
    )


def depthwise_conv2d(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    _, height, width, channels = shape_of(x.type)
    kernel, window = drawing.window((height, width))
    outputs = channels * drawing.draw(st.sampled_from([1, 1, 1, 2, 3, 4]))
    type = image_type(window.output_size((height, width), kernel), outputs)
    if type is None:
        return None
    weights = drawing.weights((1, *kernel, outputs))
    scales = drawing.scales(outputs, outputs, prod(kernel))
    return drawing.net.layer(
        qnn.DepthwiseConv2dOp(x, weights, *scales, drawing.draw(requants), window, type)
    )


def pool2d(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    _, height, width, channels = shape_of(x.type)
    kernel = drawing.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    top, left, bottom, right = drawing.draw(
        st.tuples(*(st.integers(0, k - 1) for k in (*kernel, *kernel)))
    )
    bottom = max(bottom, kernel[0] - height - top)
    right = max(right, kernel[1] - width - left)
    if bottom >= kernel[0] or right >= kernel[1]:  # cannot be: the image has one pixel at least
        return None
    pool = Pool(drawing.draw(strides), (top, left, bottom, right), kernel=kernel)
    type = image_type(pool.output_size((height, width), kernel), channels)
    if type is None:
        return None
    zero_point = drawing.draw(zero_points)
    op = drawing.draw(st.sampled_from([qnn.MaxPool2dOp, qnn.AvgPool2dOp]))
    requant = Requant(zero_point, zero_point, drawing.draw(clamps))
    return drawing.net.layer(op(x, pool, requant, type))


def linear(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    """On an image each pixel is a row."""
    *rows, depth = shape_of(x.type)
    features = drawing.draw(channel_counts)
    if prod(rows) * features > LARGEST:
        return None
    weights = drawing.weights((features, depth))
    per_channel = drawing.draw(st.booleans())
    scales = drawing.scales(features, features if per_channel else 1, depth)
    type = TensorType(i8, [*rows, features])
    return drawing.net.layer(qnn.LinearOp(x, weights, *scales, drawing.draw(requants), type))


def add(drawing: Drawing, x: SSAValue, values: list[SSAValue]) -> SSAValue | None:
    """With an earlier value of the same shape if there is one, else with itself."""
    scales = drawing.draw(st.tuples(*[st.floats(0.001, 1.0)] * 3))
    zps = drawing.draw(st.tuples(*[zero_points] * 3))
    clamp: Clamp = drawing.draw(clamps)
    params = AddParams(
        **add_params(*scales),
        input1_zp=zps[0],
        input2_zp=zps[1],
        output_zp=zps[2],
        clamp=clamp,
    )
    other = drawing.draw(st.sampled_from([v for v in values if v.type == x.type]))
    lhs, rhs = drawing.draw(st.permutations([x, other]))
    return drawing.net.layer(qnn.AddOp(lhs, rhs, params))


def concat(drawing: Drawing, x: SSAValue, values: list[SSAValue]) -> SSAValue | None:
    shape = shape_of(x.type)
    axis = drawing.draw(st.integers(1, len(shape) - 1))

    def fits(value: SSAValue) -> bool:
        other = shape_of(value.type)
        return len(other) == len(shape) and all(
            n == m for i, (n, m) in enumerate(zip(shape, other, strict=True)) if i != axis
        )

    others = st.lists(st.sampled_from([v for v in values if fits(v)]), max_size=2)
    inputs = drawing.draw(others.flatmap(lambda found: st.permutations([x, *found])))
    total = list(shape)
    total[axis] = sum(shape_of(value.type)[axis] for value in inputs)
    if prod(total) > LARGEST:
        return None
    return drawing.net.layer(qnn.ConcatOp(inputs, axis, TensorType(i8, total)))


def pad(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    shape = shape_of(x.type)
    counts = st.tuples(st.just(0), *[st.integers(0, 2)] * (len(shape) - 1))
    border = Border(drawing.draw(counts), drawing.draw(counts))
    if prod(border.output_shape(shape)) > LARGEST:
        return None
    return drawing.net.layer(qnn.PadOp(x, drawing.draw(zero_points), border))


def transpose(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    rest = drawing.draw(st.permutations(range(1, len(shape_of(x.type)))))
    return drawing.net.layer(qnn.TransposeOp(x, [0, *rest]))


def draw_slice(draw: st.DrawFn, x: SSAValue) -> qnn.SliceOp:
    """Any part, forwards or backwards."""
    begin, strides, sizes = [0], [1], [1]
    for n in shape_of(x.type)[1:]:
        first, last = (draw(st.integers(0, n - 1)) for _ in range(2))
        step = draw(st.sampled_from([1, 1, 1, 2, 3]))
        begin.append(first)
        strides.append(step if first <= last else -step)
        sizes.append(abs(first - last) // step + 1)
    return qnn.SliceOp(x, Slice(tuple(begin), tuple(strides)), sizes)


def draw_resize(draw: st.DrawFn, net: Builder, x: SSAValue) -> qnn.ResizeNearestOp:
    """Some rows and columns in any order, some more than once; at most twice as many, and 12."""
    indices = (
        draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=min(2 * n, 12)))
        for n in shape_of(x.type)[1:3]
    )
    return qnn.ResizeNearestOp(x, *(net.constant(np.array(found, np.uint16)) for found in indices))


def draw_gather(draw: st.DrawFn, net: Builder, x: SSAValue) -> qnn.GatherOp:
    """Some elements along any axis but the first in any order, some more than once; at most twice as many."""
    shape = shape_of(x.type)
    axis = draw(st.integers(1, len(shape) - 1))
    most = min(2 * shape[axis], 300)
    indices = draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=most))
    return qnn.GatherOp(x, net.constant(np.array(indices, np.uint16)), axis)


def slice_of(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue:
    return drawing.net.layer(draw_slice(drawing.draw, x))


def resize(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    if 4 * prod(shape_of(x.type)) > LARGEST:
        return None
    return drawing.net.layer(draw_resize(drawing.draw, drawing.net, x))


def gather(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    if 2 * prod(shape_of(x.type)) > LARGEST:
        return None
    return drawing.net.layer(draw_gather(drawing.draw, drawing.net, x))


def reshape(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    n = prod(shape_of(x.type))
    height = drawing.draw(st.sampled_from([d for d in range(1, 9) if n % d == 0]))
    width = drawing.draw(st.sampled_from([d for d in range(1, 9) if n // height % d == 0]))
    image = (1, height, width, n // height // width)
    return drawing.net.layer(qnn.ReshapeOp(x, drawing.draw(st.sampled_from([(1, n), image]))))


def lookup(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    table = drawing.rng.integers(-128, 128, 256, np.int8)
    return drawing.net.layer(qnn.LookupOp(x, drawing.net.constant(table)))


def rescale(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    params = st.builds(
        Rescale, zero_points, st.integers(2**30, 2**31 - 1), st.integers(-8, 6), zero_points, clamps
    )
    return drawing.net.layer(qnn.RescaleOp(x, drawing.draw(params)))


def mean(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    params = st.builds(
        Rescale,
        zero_points,
        st.integers(2**30, 2**31 - 1),
        st.integers(-12, 2),
        zero_points,
        clamps,
    )
    type = TensorType(i8, (1, 1, 1, shape_of(x.type)[-1]))
    return drawing.net.layer(qnn.MeanOp(x, drawing.draw(params), type))


def softmax(drawing: Drawing, x: SSAValue, _values: list[SSAValue]) -> SSAValue | None:
    # 256 equal values make CMSIS-NN compute (1 << 31) - 1, which wraps to what it means but ends a sanitized run.
    if shape_of(x.type)[-1] > 255:
        return None
    scale = drawing.draw(st.floats(1e-4, 1.0))
    return drawing.net.layer(qnn.SoftmaxOp(x, SoftmaxParams(**softmax_params(scale))))


ON_ANYTHING: list[Layer] = [
    linear,
    add,
    concat,
    pad,
    transpose,
    slice_of,
    gather,
    reshape,
    lookup,
    rescale,
    softmax,
]
ON_IMAGES: list[Layer] = [
    conv2d,
    conv2d,
    conv2d,
    depthwise_conv2d,
    depthwise_conv2d,
    pool2d,
    mean,
    resize,
    *ON_ANYTHING,
]
IMAGES = st.tuples(st.just(1), st.integers(1, 10), st.integers(1, 10), channel_counts)
VECTORS = st.tuples(st.just(1), st.integers(1, 300))


def draw_network(drawing: Drawing) -> list[SSAValue]:
    """One network: its results, which are all values that nothing uses and at times another."""
    draw = drawing.draw
    values = [drawing.net.input(draw(IMAGES | VECTORS))]
    for _ in range(draw(st.integers(1, 6))):
        # The last value for a chain, an earlier one for a branch.
        x = values[-1] if draw(st.booleans()) else draw(st.sampled_from(values))
        layers = ON_IMAGES if len(shape_of(x.type)) == 4 else ON_ANYTHING
        result = draw(st.sampled_from(layers))(drawing, x, values)
        if result is not None:
            values.append(result)
    if len(values) == 1:
        values.append(
            drawing.net.layer(qnn.TransposeOp(values[0], range(len(shape_of(values[0].type)))))
        )
    results = [value for value in values[1:] if not value.uses]
    used = [value for value in values[1:] if value.uses]
    if used and draw(st.integers(0, 3)) == 0:
        results.append(draw(st.sampled_from(used)))
    return results


@st.composite
def modules(draw: st.DrawFn, most: int = 4) -> ModuleOp:
    """Up to `most` networks side by side in one module, which costs one build for all."""
    drawing = Drawing(draw)
    results: list[SSAValue] = []
    for _ in range(draw(st.integers(1, most))):
        results += draw_network(drawing)
    return drawing.net.module(results)
