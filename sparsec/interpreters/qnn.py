# SPDX-License-Identifier: Apache-2.0
"""What `qnn` means: the numpy oracle of `sparsec.quantization.int8`, one line for each operation."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.quantization import int8
from sparsec.quantization.params import AddParams, Requant, Rescale, SoftmaxParams
from sparsec.quantization.softmax import exponentials, softmax_by
from sparsec.quantization.window import Pool, Window

Array: TypeAlias = np.ndarray[Any, Any]


def reshape(x: Array, shape: tuple[int, ...], batched: bool) -> Array:
    """`x` in `shape`, whose leading 1 stands for any batch when `batched`."""
    return x.reshape(-1, *shape[1:]) if batched else x.reshape(shape)


def same_batch(arrays: Sequence[Array]) -> list[Array]:
    """`arrays` with as many samples each: a constant has one for all."""
    samples = max(len(array) for array in arrays)
    return [
        np.broadcast_to(array, (samples, *array.shape[1:])) if len(array) == 1 else array
        for array in arrays
    ]


def convolve(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, p: Requant, window: Window
) -> Array:
    """Convolution, weights OHWI."""
    return int8.convolve(
        x,
        w,
        bias,
        input_zp=p.input_zp,
        output_zp=p.output_zp,
        multiplier=multiplier,
        shift=shift,
        strides=window.strides,
        padding=window.padding,
        dilations=window.dilations,
        clamp=p.clamp,
    )


def depthwise_convolve(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, p: Requant, window: Window
) -> Array:
    """Depthwise convolution, weights 1xKHxKWx(C*multiplier)."""
    return int8.depthwise_convolve(
        x,
        w,
        bias,
        input_zp=p.input_zp,
        output_zp=p.output_zp,
        multiplier=multiplier,
        shift=shift,
        strides=window.strides,
        padding=window.padding,
        dilations=window.dilations,
        clamp=p.clamp,
    )


def fully_connected(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, p: Requant
) -> Array:
    """Fully connected layer over the last axis; one multiplier for all outputs or one each."""
    rows = x.reshape(-1, x.shape[-1])
    y = int8.fully_connected(
        rows,
        w,
        bias,
        input_zp=p.input_zp,
        output_zp=p.output_zp,
        multiplier=multiplier,
        shift=shift,
        clamp=p.clamp,
    )
    return y.reshape(*x.shape[:-1], -1)


def add(a: Array, b: Array, p: AddParams) -> Array:
    """Element-wise sum."""
    return int8.add(
        a,
        b,
        input1_zp=p.input1_zp,
        input1_multiplier=p.input1_multiplier,
        input1_shift=p.input1_shift,
        input2_zp=p.input2_zp,
        input2_multiplier=p.input2_multiplier,
        input2_shift=p.input2_shift,
        left_shift=p.left_shift,
        output_zp=p.output_zp,
        output_multiplier=p.output_multiplier,
        output_shift=p.output_shift,
        clamp=p.clamp,
    )


def max_pool(x: Array, pool: Pool, p: Requant) -> Array:
    """Maximum over each window."""
    return int8.max_pool(
        x, kernel=pool.kernel, strides=pool.strides, padding=pool.padding, clamp=p.clamp
    )


def avg_pool(x: Array, pool: Pool, p: Requant) -> Array:
    """Mean over each window."""
    return int8.avg_pool(
        x, kernel=pool.kernel, strides=pool.strides, padding=pool.padding, clamp=p.clamp
    )


def softmax(x: Array, p: SoftmaxParams) -> Array:
    """Softmax over the last axis."""
    return int8.softmax(x, multiplier=p.multiplier, shift=p.shift, diff_min=p.diff_min)


def masked_softmax(x: Array, mask: Array, p: SoftmaxParams) -> Array:
    """Softmax over what the mask leaves of the last axis."""
    return softmax_by(exponentials(p.multiplier, p.shift, p.diff_min), x, mask)


def rescale(x: Array, p: Rescale) -> Array:
    """Another scale and zero point for the same values."""
    return int8.requantize_tensor(
        x,
        input_zp=p.input_zp,
        multiplier=p.multiplier,
        shift=p.shift,
        output_zp=p.output_zp,
        clamp=p.clamp,
    )


@register_impls
class QnnFunctions(InterpreterFunctions):
    """The operations of `qnn`; a leading 1 in the types stands for any batch."""

    @impl(qnn.ConstantOp)
    def constant(self, _: Interpreter, op: qnn.ConstantOp, args: PythonValues) -> PythonValues:
        return (op.array,)

    @impl(qnn.Conv2dOp)
    def conv2d(self, _: Interpreter, op: qnn.Conv2dOp, args: PythonValues) -> PythonValues:
        x, w, bias, multiplier, shift = args
        return (convolve(x, w, bias, multiplier, shift, op.requant.data, op.window.data),)

    @impl(qnn.DepthwiseConv2dOp)
    def depthwise_conv2d(
        self, _: Interpreter, op: qnn.DepthwiseConv2dOp, args: PythonValues
    ) -> PythonValues:
        x, w, bias, multiplier, shift = args
        p, window = op.requant.data, op.window.data
        return (depthwise_convolve(x, w, bias, multiplier, shift, p, window),)

    @impl(qnn.LinearOp)
    def linear(self, _: Interpreter, op: qnn.LinearOp, args: PythonValues) -> PythonValues:
        x, w, bias, multiplier, shift = args
        return (fully_connected(x, w, bias, multiplier, shift, op.requant.data),)

    @impl(qnn.FromUint8Op)
    def from_uint8(self, _: Interpreter, op: qnn.FromUint8Op, args: PythonValues) -> PythonValues:
        return (int8.from_uint8(*args),)

    @impl(qnn.LookupOp)
    def lookup(self, _: Interpreter, op: qnn.LookupOp, args: PythonValues) -> PythonValues:
        return (int8.lookup(*args),)

    @impl(qnn.RescaleOp)
    def rescale(self, _: Interpreter, op: qnn.RescaleOp, args: PythonValues) -> PythonValues:
        return (rescale(args[0], op.params.data),)

    @impl(qnn.SoftmaxOp)
    def softmax(self, _: Interpreter, op: qnn.SoftmaxOp, args: PythonValues) -> PythonValues:
        return (softmax(args[0], op.params.data),)

    @impl(qnn.MaskedSoftmaxOp)
    def masked_softmax(
        self, _: Interpreter, op: qnn.MaskedSoftmaxOp, args: PythonValues
    ) -> PythonValues:
        x, mask = args
        return (masked_softmax(x, mask, op.params.data),)

    @impl(qnn.AddOp)
    def add(self, _: Interpreter, op: qnn.AddOp, args: PythonValues) -> PythonValues:
        lhs, rhs = same_batch(args)
        return (add(lhs, rhs, op.params.data),)

    @impl(qnn.MaxPool2dOp)
    def max_pool2d(self, _: Interpreter, op: qnn.MaxPool2dOp, args: PythonValues) -> PythonValues:
        return (max_pool(args[0], op.pool.data, op.requant.data),)

    @impl(qnn.AvgPool2dOp)
    def avg_pool2d(self, _: Interpreter, op: qnn.AvgPool2dOp, args: PythonValues) -> PythonValues:
        return (avg_pool(args[0], op.pool.data, op.requant.data),)

    @impl(qnn.PadOp)
    def pad(self, _: Interpreter, op: qnn.PadOp, args: PythonValues) -> PythonValues:
        border = op.border.data
        widths = list(zip(border.low, border.high, strict=True))
        return (np.pad(args[0], widths, constant_values=op.value.value.data),)

    @impl(qnn.ReshapeOp)
    def reshape(self, _: Interpreter, op: qnn.ReshapeOp, args: PythonValues) -> PythonValues:
        source, target = shape_of(op.input.type), shape_of(op.result.type)
        return (reshape(args[0], target, source[:1] == (1,) == target[:1]),)

    @impl(qnn.TransposeOp)
    def transpose(self, _: Interpreter, op: qnn.TransposeOp, args: PythonValues) -> PythonValues:
        return (args[0].transpose(op.permutation.get_values()),)

    @impl(qnn.ConcatOp)
    def concat(self, _: Interpreter, op: qnn.ConcatOp, args: PythonValues) -> PythonValues:
        axis = op.axis.value.data
        return (np.concatenate(args if axis == 0 else same_batch(args), axis),)
