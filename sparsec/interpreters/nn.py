# SPDX-License-Identifier: Apache-2.0
"""What the operations of `nn` mean. Every result is computed in float64, then rounded to float32.

The types say batch 1; the arrays may hold N samples along that first axis.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.ir import nn
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.shapes import shape_of
from sparsec.quantization.functions import FUNCTIONS
from sparsec.quantization.ranges import dequantize, quantize
from sparsec.quantization.window import Window

Array: TypeAlias = np.ndarray[Any, Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = tuple[Any, ...]

_COLUMN_VALUES = 1 << 22
"""About how many float64 values one im2col matrix may have: 32 MiB, whatever the batch."""


def _float64(array: Array) -> Floats:
    return array.astype(np.float64)


def _finish(array: Array, bounds: BoundsAttr | None = None) -> Values:
    """The one result of an operation, clamped to `bounds` and rounded to float32."""
    if bounds is not None:
        array = np.clip(array, bounds.data.min, bounds.data.max)
    return (array.astype(np.float32),)


def _windows(x: Floats, window: Window, kernel: tuple[int, int], fill: float) -> Floats:
    """A view [N, OH, OW, kh, kw, C] of what `window` sees of x [N, H, W, C]; padding is `fill`."""
    top, left, bottom, right = window.padding
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (kh, kw), (dh, dw), (sh, sw) = kernel, window.dilations, window.strides
    spans = ((kh - 1) * dh + 1, (kw - 1) * dw + 1)
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(1, 2))
    return view[:, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)


def convolve(x: Array, weights: Array, bias: Array, window: Window) -> Floats:
    """x [N, H, W, I], weights [O, kh, kw, I], bias [O] to [N, OH, OW, O]."""
    channels, kh, kw, _ = weights.shape
    windows = _windows(_float64(x), window, (kh, kw), 0.0)
    n, height, width = windows.shape[:3]
    matrix = _float64(weights).reshape(channels, -1).T
    result = np.empty((n, height, width, channels), np.float64)
    step = max(1, _COLUMN_VALUES // (height * width * matrix.shape[0]))
    for start in range(0, n, step):
        columns = windows[start : start + step].reshape(-1, matrix.shape[0])
        result[start : start + step] = (columns @ matrix).reshape(-1, height, width, channels)
    return result + bias


def depthwise_convolve(x: Array, weights: Array, bias: Array, window: Window) -> Floats:
    """x [N, H, W, C], weights [1, kh, kw, C * m], bias [C * m] to [N, OH, OW, C * m]."""
    _, kh, kw, channels = weights.shape
    windows = _windows(_float64(x), window, (kh, kw), 0.0)
    taps = _float64(weights).reshape(kh, kw, x.shape[3], -1)
    result = np.zeros((*windows.shape[:3], *taps.shape[2:]), np.float64)
    for row in range(kh):
        for column in range(kw):
            result += windows[:, :, :, row, column, :, np.newaxis] * taps[row, column]
    return result.reshape(*windows.shape[:3], channels) + bias


def softmax(x: Floats) -> Floats:
    """Softmax over the last axis."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@register_impls
class NnFunctions(InterpreterFunctions):
    """Arrays are float32, between nn.quantize and nn.dequantize int8."""

    @impl(nn.ConstantOp)
    def constant(self, interpreter: Interpreter, op: nn.ConstantOp, args: Values) -> Values:
        return (op.array,)

    @impl(nn.Conv2dOp)
    def conv2d(self, interpreter: Interpreter, op: nn.Conv2dOp, args: Values) -> Values:
        x, weights, bias = args
        return _finish(convolve(x, weights, bias, op.window.data), op.bounds)

    @impl(nn.DepthwiseConv2dOp)
    def depthwise_conv2d(
        self, interpreter: Interpreter, op: nn.DepthwiseConv2dOp, args: Values
    ) -> Values:
        x, weights, bias = args
        return _finish(depthwise_convolve(x, weights, bias, op.window.data), op.bounds)

    @impl(nn.LinearOp)
    def linear(self, interpreter: Interpreter, op: nn.LinearOp, args: Values) -> Values:
        x, weights, bias = args
        return _finish(_float64(x) @ _float64(weights).T + bias, op.bounds)

    @impl(nn.BatchNormOp)
    def batch_norm(self, interpreter: Interpreter, op: nn.BatchNormOp, args: Values) -> Values:
        x, gamma, beta, mean, variance = (_float64(arg) for arg in args)
        return _finish((x - mean) * (gamma / np.sqrt(variance + op.epsilon.value.data)) + beta)

    @impl(nn.ClampOp)
    def clamp(self, interpreter: Interpreter, op: nn.ClampOp, args: Values) -> Values:
        return _finish(args[0], op.bounds)

    @impl(nn.ActivationOp)
    def activation(self, interpreter: Interpreter, op: nn.ActivationOp, args: Values) -> Values:
        return _finish(FUNCTIONS[op.function.data](_float64(args[0])))

    @impl(nn.SoftmaxOp)
    def softmax(self, interpreter: Interpreter, op: nn.SoftmaxOp, args: Values) -> Values:
        return _finish(softmax(_float64(args[0])))

    @impl(nn.AddOp)
    def add(self, interpreter: Interpreter, op: nn.AddOp, args: Values) -> Values:
        return _finish(_float64(args[0]) + _float64(args[1]), op.bounds)

    @impl(nn.MaxPool2dOp)
    def max_pool2d(self, interpreter: Interpreter, op: nn.MaxPool2dOp, args: Values) -> Values:
        windows = _windows(args[0], op.pool.data, op.pool.data.kernel, -np.inf)
        return _finish(windows.max(axis=(3, 4)), op.bounds)

    @impl(nn.AvgPool2dOp)
    def avg_pool2d(self, interpreter: Interpreter, op: nn.AvgPool2dOp, args: Values) -> Values:
        pool = op.pool.data
        total = _windows(_float64(args[0]), pool, pool.kernel, 0.0).sum(axis=(3, 4))
        inside = np.ones((1, *args[0].shape[1:3], 1))
        return _finish(total / _windows(inside, pool, pool.kernel, 0.0).sum(axis=(3, 4)), op.bounds)

    @impl(nn.PadOp)
    def pad(self, interpreter: Interpreter, op: nn.PadOp, args: Values) -> Values:
        border = tuple(zip(op.border.data.low, op.border.data.high, strict=True))
        return (np.pad(args[0], border, constant_values=op.value.value.data),)

    @impl(nn.ReshapeOp)
    def reshape(self, interpreter: Interpreter, op: nn.ReshapeOp, args: Values) -> Values:
        shape = shape_of(op.result.type)
        return (args[0].reshape((-1, *shape[1:]) if shape else ()),)

    @impl(nn.TransposeOp)
    def transpose(self, interpreter: Interpreter, op: nn.TransposeOp, args: Values) -> Values:
        return (np.ascontiguousarray(args[0].transpose(op.permutation.get_values())),)

    @impl(nn.ConcatOp)
    def concat(self, interpreter: Interpreter, op: nn.ConcatOp, args: Values) -> Values:
        axis = op.axis.value.data
        if axis > 0:  # a constant among the inputs holds one sample for all
            n = max(len(arg) for arg in args)
            args = tuple(np.broadcast_to(arg, (n, *arg.shape[1:])) for arg in args)
        return (np.concatenate(args, axis),)

    @impl(nn.QuantizeOp)
    def quantize(self, interpreter: Interpreter, op: nn.QuantizeOp, args: Values) -> Values:
        scheme = op.quantization.data
        return (quantize(args[0], scheme.scales, scheme.zero_point, scheme.axis),)

    @impl(nn.DequantizeOp)
    def dequantize(self, interpreter: Interpreter, op: nn.DequantizeOp, args: Values) -> Values:
        scheme = op.quantization.data
        return _finish(dequantize(args[0], scheme.scales, scheme.zero_point, scheme.axis))
