# SPDX-License-Identifier: Apache-2.0
"""Layers with weights, and batch normalization."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Array, Floats, Values, finish, float64, sliding
from sparsec.ir import nn
from sparsec.ir.shapes import image_shape
from sparsec.quantization.transpose_convolution import spread
from sparsec.quantization.window import Window

_COLUMN_VALUES = 1 << 22
"""About how many float64 values one im2col matrix may have: 32 MiB, whatever the batch."""


def convolve(x: Array, weights: Array, bias: Array, window: Window) -> Floats:
    """x [N, H, W, I], weights [O, kh, kw, I / groups], bias [O] to [N, OH, OW, O]."""
    channels, kh, kw, inputs = weights.shape
    if inputs != x.shape[3]:
        groups = x.shape[3] // inputs
        parts = zip(
            *(np.split(x, groups, 3), np.split(weights, groups), np.split(bias, groups)),
            strict=True,
        )
        return np.concatenate([convolve(*part, window) for part in parts], axis=3)
    windows = sliding(float64(x), window, (kh, kw), 0.0)
    n, height, width = windows.shape[:3]
    matrix = float64(weights).reshape(channels, -1).T
    result = np.empty((n, height, width, channels), np.float64)
    step = max(1, _COLUMN_VALUES // (height * width * matrix.shape[0]))
    for start in range(0, n, step):
        columns = windows[start : start + step].reshape(-1, matrix.shape[0])
        result[start : start + step] = (columns @ matrix).reshape(-1, height, width, channels)
    return result + bias


def depthwise_convolve(x: Array, weights: Array, bias: Array, window: Window) -> Floats:
    """x [N, H, W, C], weights [1, kh, kw, C * m], bias [C * m] to [N, OH, OW, C * m]."""
    _, kh, kw, channels = weights.shape
    windows = sliding(float64(x), window, (kh, kw), 0.0)
    taps = float64(weights).reshape(kh, kw, x.shape[3], -1)
    result = np.zeros((*windows.shape[:3], *taps.shape[2:]), np.float64)
    for row in range(kh):
        for column in range(kw):
            result += windows[:, :, :, row, column, :, np.newaxis] * taps[row, column]
    return result.reshape(*windows.shape[:3], channels) + bias


@register_impls
class NnWeightedFunctions(InterpreterFunctions):
    """What these operations mean."""

    @impl(nn.Conv2dOp)
    def conv2d(self, interpreter: Interpreter, op: nn.Conv2dOp, args: Values) -> Values:
        x, weights, bias = args
        return finish(convolve(x, weights, bias, op.window.data), op.bounds)

    @impl(nn.TransposeConv2dOp)
    def transpose_conv2d(
        self, interpreter: Interpreter, op: nn.TransposeConv2dOp, args: Values
    ) -> Values:
        x, weights, bias = args
        window, kernel, size = op.window.data, weights.shape[1:3], image_shape(op.result.type)[:2]
        image = spread(x, kernel, size, window.strides, window.padding[:2], 0.0)
        return finish(convolve(image, weights[:, ::-1, ::-1], bias, Window()), op.bounds)

    @impl(nn.DepthwiseConv2dOp)
    def depthwise_conv2d(
        self, interpreter: Interpreter, op: nn.DepthwiseConv2dOp, args: Values
    ) -> Values:
        x, weights, bias = args
        return finish(depthwise_convolve(x, weights, bias, op.window.data), op.bounds)

    @impl(nn.LinearOp)
    def linear(self, interpreter: Interpreter, op: nn.LinearOp, args: Values) -> Values:
        x, weights, bias = args
        return finish(float64(x) @ float64(weights).T + bias, op.bounds)

    @impl(nn.BatchNormOp)
    def batch_norm(self, interpreter: Interpreter, op: nn.BatchNormOp, args: Values) -> Values:
        x, gamma, beta, mean, variance = (float64(arg) for arg in args)
        return finish((x - mean) * (gamma / np.sqrt(variance + op.epsilon.value.data)) + beta)
