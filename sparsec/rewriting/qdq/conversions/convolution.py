# SPDX-License-Identifier: Apache-2.0
"""How convolutions become int8, transposed ones and those in groups too.

`qnn` has no groups: some groups together are a dense convolution of their channels, with zeros between the groups.
"""

from dataclasses import replace

import numpy as np
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn, qnn
from sparsec.ir.shapes import image_shape
from sparsec.quantization.window import Slice, Window
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.conversions.weighted import Weights, fold_weights
from sparsec.rewriting.qdq.folding import Array, Folding

BLOCK_CHANNELS = 16
"""Input channels that a convolution has at least where there are groups for so many: calls for fewer take longer than
the zeros do, which the kernels of sparse weights leave out."""
MOST_BLOCKS = 8
"""Convolutions that one in groups becomes at most."""


def blocks_of(groups: int, inputs: int) -> int:
    """How many convolutions `groups` of so many input channels each become: a divisor of `groups`."""
    for blocks in range(min(groups, MOST_BLOCKS), 1, -1):
        if groups % blocks == 0 and groups // blocks * inputs >= BLOCK_CHANNELS:
            return blocks
    return 1


def block_weights(weights: Array, groups: int) -> Array:
    """Weights [O, kh, kw, I] of groups as those of one convolution [O, kh, kw, groups * I]."""
    outputs, height, width, inputs = weights.shape
    dense = np.zeros((outputs, height, width, groups * inputs), weights.dtype)
    for group in range(groups):
        rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
        dense[rows, ..., group * inputs : (group + 1) * inputs] = weights[rows]
    return dense


def convolved(f: Folding, op: Operation, w: Weights, window: Window) -> SSAValue:
    """The convolution of the layer `op` by OHWI weights, in groups or not."""
    value = w.source.value
    height, width, channels = image_shape(value.type)
    outputs, *kernel, inputs = w.weights.shape
    size = window.output_size((height, width), (kernel[0], kernel[1]))
    if inputs == channels:
        type = TensorType(i8, (1, *size, outputs))
        return f.emit(op, qnn.Conv2dOp(*w.operands(f, op), w.requant, window, type))
    if inputs == 1:
        turned = replace(w, weights=w.weights.transpose(3, 1, 2, 0))
        type = TensorType(i8, (1, *size, outputs))
        return f.emit(op, qnn.DepthwiseConv2dOp(*turned.operands(f, op), w.requant, window, type))
    groups = channels // inputs
    blocks = blocks_of(groups, inputs)
    count, rows = channels // blocks, outputs // blocks
    results: list[SSAValue] = []
    for block in range(blocks):
        part = slice(block * rows, (block + 1) * rows)
        begin = Slice((0, 0, 0, block * count), (1, 1, 1, 1))
        taken = value
        if blocks > 1:
            taken = f.emit(op, qnn.SliceOp(value, begin, (1, height, width, count)))
        dense = block_weights(w.weights[part], groups // blocks)
        results.append(convolved(f, op, w.part(taken, dense, part, f"block{block}"), window))
    if blocks == 1:
        return results[0]
    return f.emit(op, qnn.ConcatOp(results, 3, TensorType(i8, (1, *size, outputs))))


def convert_conv2d(f: Folding, op: nn.Conv2dOp) -> None:
    w = fold_weights(f, op, channel_axis=0, expand=True)
    f.finish(op, convolved(f, op, w, op.window.data), w.output)


def convert_transpose_conv2d(f: Folding, op: nn.TransposeConv2dOp) -> None:
    w = fold_weights(f, op, channel_axis=0, expand=True)
    window = op.window.data
    if w.weights.shape[3] == image_shape(op.input.type)[2]:
        operands = w.operands(f, op)
        new = qnn.TransposeConv2dOp(*operands, w.requant, window, int8_type(op.result))
        f.finish(op, f.emit(op, new), w.output)
    else:
        f.finish(op, by_phases(f, op, w, image_shape(op.result.type)), w.output)


def by_phases(
    f: Folding, op: nn.TransposeConv2dOp, w: Weights, result: tuple[int, int, int]
) -> SSAValue:
    """A transposed convolution as one with outputs for each place that the strides leave between two input pixels,
    whose pixels are then put beside each other."""
    window, strides = op.window.data, op.window.data.strides
    places = strides[0] * strides[1]
    low = (window.padding[0], window.padding[1])
    input = image_shape(op.input.type)[:2]
    taps: list[int] = []
    around: list[tuple[int, int]] = []
    counts: list[int] = []
    cut: list[int] = []
    for n, out, k, s, p in zip(input, result[:2], w.weights.shape[1:3], strides, low, strict=True):
        # Of s results in a row, the q-th s reads the input pixels q - taps + 1 to q.
        taps.append(-(-k // s))
        first = min(p // s, taps[-1] - 1)
        before = taps[-1] - 1 - first
        after = max(-(-(p + out) // s) - first + taps[-1] - 1 - n - before, 0)
        around.append((before, after))
        counts.append(n + before + after - taps[-1] + 1)
        cut.append(p - first * s)
    weights = phase_weights(w.weights, strides, (taps[0], taps[1]))
    outputs = result[2]
    phases = replace(
        w,
        weights=weights,
        bias=np.repeat(w.bias, places),
        multiplier=np.repeat(w.multiplier, places),
        shift=np.repeat(w.shift, places),
    )
    (top, bottom), (left, right) = around
    value = convolved(f, op, phases, Window(padding=(top, left, bottom, right)))
    rows, columns = counts
    if places > 1:
        value = f.emit(op, qnn.ReshapeOp(value, (1, rows, columns, outputs, *strides)))
        value = f.emit(op, qnn.TransposeOp(value, (0, 1, 4, 2, 5, 3)))
        rows, columns = rows * strides[0], columns * strides[1]
        value = f.emit(op, qnn.ReshapeOp(value, (1, rows, columns, outputs)))
    if (rows, columns) == result[:2]:
        return value
    return f.emit(op, qnn.SliceOp(value, Slice((0, *cut, 0), (1, 1, 1, 1)), (1, *result)))


def phase_weights(weights: Array, strides: tuple[int, int], taps: tuple[int, int]) -> Array:
    """[O * places, *taps, I]: for each place the taps that reach it, the last one first."""
    outputs, height, width, inputs = weights.shape
    padded = np.zeros((outputs, taps[0] * strides[0], taps[1] * strides[1], inputs), weights.dtype)
    padded[:, :height, :width] = weights
    apart = padded.reshape(outputs, taps[0], strides[0], taps[1], strides[1], inputs)
    turned = apart[:, ::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    return turned.reshape(-1, *taps, inputs)


CONVOLUTION: Conversions = {
    nn.Conv2dOp: convert_conv2d,
    nn.TransposeConv2dOp: convert_transpose_conv2d,
}
