# SPDX-License-Identifier: Apache-2.0
"""The int8 operators: plain functions on numpy arrays that give CMSIS-NN's bytes.

The rule: a function means what the CMSIS-NN function of its docstring computes with default (double) rounding.
Activations are [N, H, W, C] with any N, zero points are zero points (CMSIS-NN's input_offset is `-input_zp`),
padding is (top, left, bottom, right), a positive shift goes left, `clamp` is the (lowest, highest) output.

Accumulators are int32 and wrap beyond it, where C is undefined: `accumulator_bound` tells the compiler whether they can.
Sums of products run in float64, where every partial sum is an integer below 2**53 and thus exact in any order.
"""

from math import prod
from typing import Any, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Float64Array, Int8Array, Int32Array, Int64Array
from sparsec.quantization.lookup import lookup, lookup_table
from sparsec.quantization.requantize import quantize_multiplier, requantize
from sparsec.quantization.softmax import softmax, softmax_params

__all__ = [
    "AddParams",
    "accumulator_bound",
    "add",
    "add_params",
    "avg_pool",
    "convolve",
    "depthwise_convolve",
    "embedding",
    "first_extreme",
    "from_uint8",
    "fully_connected",
    "lookup",
    "lookup_table",
    "max_pool",
    "mean",
    "output_size",
    "pad",
    "requantize_tensor",
    "resize_nearest",
    "select",
    "softmax",
    "softmax_params",
]

_Scalar = TypeVar("_Scalar", bound=np.generic)

_COLUMN_VALUES = 1 << 22
"""About how many float64 values one im2col matrix may have: 32 MiB, whatever the batch."""


def output_size(
    n: int, kernel: int, stride: int, pad_before: int, pad_after: int, dilation: int = 1
) -> int:
    """How often the dilated kernel fits along an axis of `n` elements. Raises ValueError if it never does."""
    room = n + pad_before + pad_after - dilation * (kernel - 1) - 1
    if room < 0:
        raise ValueError(
            f"a kernel of {kernel} with dilation {dilation} does not fit {n} padded elements"
        )
    return room // stride + 1


def accumulator_bound(
    w: Int8Array, bias: Int32Array | None, input_zp: int, *, channel_axis: int = 0
) -> Int64Array:
    """int64[O]: no partial sum of a channel, in any order and for any int8 input, exceeds this magnitude.

    Holds for sums of `w * (x - input_zp)` and for kernels that add `w * x` and `-w * input_zp` apart.
    `requantize` shifts left first, so it is `bound << max(shift, 0)` that has to fit int32.
    The channel axis is 0 for conv and linear weights, -1 for depthwise weights.
    """
    rows = np.abs(np.moveaxis(w, channel_axis, 0).astype(np.int64))
    bound = rows.reshape(rows.shape[0], -1).sum(axis=1) * (128 + abs(input_zp))
    return bound if bias is None else bound + np.abs(bias.astype(np.int64))


def fold_input_zero_point(w: Int8Array, bias: Int32Array, input_zp: int) -> Int32Array:
    """int32[O]: bias - input_zp * (sum of the weights), for kernels that multiply raw inputs; w is [O, ..].

    Raises ValueError when an input exists for which such a kernel's accumulator leaves int32.
    """
    rows = w.reshape(len(w), -1).astype(np.int64)
    folded = bias - input_zp * rows.sum(axis=1)
    if (np.abs(folded) + 128 * np.abs(rows).sum(axis=1)).max() >= 2**31:
        raise ValueError("an accumulator can leave 32 bits")
    return folded.astype(np.int32)


def convolve(
    x: Int8Array,
    w: Int8Array,
    bias: Int32Array | None = None,
    *,
    input_zp: int,
    output_zp: int,
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    strides: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """`arm_convolve_wrapper_s8`: x [N, H, W, I], w [O, kh, kw, I], bias, multiplier and shift [O].

    Raises ValueError if the channels differ or the kernel does not fit.
    """
    if x.shape[3] != w.shape[3]:
        raise ValueError(f"the input has {x.shape[3]} channels, the weights {w.shape[3]}")
    windows = _windows(_centred(x, input_zp, padding), w.shape[1:3], strides, dilations)
    n, height, width = windows.shape[:3]
    matrix = w.reshape(w.shape[0], -1).astype(np.float64).T
    acc = np.empty((n, height, width, w.shape[0]), np.float64)
    step = max(1, _COLUMN_VALUES // (height * width * matrix.shape[0]))
    for start in range(0, n, step):
        columns = windows[start : start + step].reshape(-1, matrix.shape[0])
        acc[start : start + step] = (columns @ matrix).reshape(-1, height, width, w.shape[0])
    return _finish(acc, bias, multiplier, shift, output_zp, clamp)


def depthwise_convolve(
    x: Int8Array,
    w: Int8Array,
    bias: Int32Array | None = None,
    *,
    input_zp: int,
    output_zp: int,
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    strides: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """`arm_depthwise_conv_wrapper_s8`: x [N, H, W, C], w [1, kh, kw, C * m], bias, multiplier and shift [C * m].

    Output channel `c * m + i` is the i-th of input channel c. Raises ValueError if C does not divide the channels
    of w or the kernel does not fit.
    """
    channels = x.shape[3]
    if w.shape[0] != 1 or w.shape[3] % channels:
        raise ValueError(
            f"depthwise weights of shape {w.shape} do not suit {channels} input channels"
        )
    windows = _windows(_centred(x, input_zp, padding), w.shape[1:3], strides, dilations)
    taps = w[0].reshape(w.shape[1], w.shape[2], channels, -1).astype(np.float64)
    acc = np.zeros((*windows.shape[:3], *taps.shape[2:]), np.float64)
    for row in range(taps.shape[0]):
        for column in range(taps.shape[1]):
            acc += windows[:, :, :, row, column, :, np.newaxis] * taps[row, column]
    return _finish(acc.reshape(*acc.shape[:3], -1), bias, multiplier, shift, output_zp, clamp)


def fully_connected(
    x: Int8Array,
    w: Int8Array,
    bias: Int32Array | None = None,
    *,
    input_zp: int,
    output_zp: int,
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """`arm_fully_connected_s8`: x [N, K], w [O, K], bias [O]; multiplier and shift are scalars, or [O] per channel."""
    acc = (x.astype(np.float64) - input_zp) @ w.astype(np.float64).T
    return _finish(acc, bias, multiplier, shift, output_zp, clamp)


class AddParams(TypedDict):
    """What `add` needs besides zero points and clamp."""

    input1_multiplier: int
    input1_shift: int
    input2_multiplier: int
    input2_shift: int
    left_shift: int
    output_multiplier: int
    output_shift: int


def add_params(scale1: float, scale2: float, out_scale: float) -> AddParams:
    """The multipliers, shifts and left shift of `add`, as TFLite prepares them (left shift 20, twice the larger scale)."""
    left_shift = 20
    twice_max = 2 * max(scale1, scale2)
    multiplier1, shift1 = quantize_multiplier(scale1 / twice_max)
    multiplier2, shift2 = quantize_multiplier(scale2 / twice_max)
    output_multiplier, output_shift = quantize_multiplier(twice_max / (2**left_shift * out_scale))
    return {
        "input1_multiplier": multiplier1,
        "input1_shift": shift1,
        "input2_multiplier": multiplier2,
        "input2_shift": shift2,
        "left_shift": left_shift,
        "output_multiplier": output_multiplier,
        "output_shift": output_shift,
    }


def add(
    a: Int8Array,
    b: Int8Array,
    *,
    input1_zp: int,
    input1_multiplier: int,
    input1_shift: int,
    input2_zp: int,
    input2_multiplier: int,
    input2_shift: int,
    left_shift: int,
    output_zp: int,
    output_multiplier: int,
    output_shift: int,
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """`arm_elementwise_add_s8` of two arrays of one shape. Raises ValueError if the shapes differ."""
    if a.shape != b.shape:
        raise ValueError(f"cannot add shapes {a.shape} and {b.shape}")
    term1 = requantize(
        (a.astype(np.int64) - input1_zp) << left_shift, input1_multiplier, input1_shift
    )
    term2 = requantize(
        (b.astype(np.int64) - input2_zp) << left_shift, input2_multiplier, input2_shift
    )
    total = term1.astype(np.int64) + term2
    return _offset_and_clamp(requantize(total, output_multiplier, output_shift), output_zp, clamp)


def max_pool(
    x: Int8Array,
    *,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """`arm_max_pool_s8`: x [N, H, W, C]. Raises ValueError for a window that sees only padding."""
    _covered(x.shape, kernel, strides, padding)
    windows = _windows(pad(x, padding=padding, value=-128), kernel, strides, (1, 1))
    return np.clip(windows.max(axis=(3, 4)), *clamp).astype(np.int8)


def avg_pool(
    x: Int8Array,
    *,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """`arm_avgpool_s8`: x [N, H, W, C]; the mean of what a window sees of x, half rounded away from zero.

    Input and output have one scale and zero point. Raises ValueError for a window that sees only padding.
    """
    count = _covered(x.shape, kernel, strides, padding)
    windows = _windows(pad(x, padding=padding, value=0), kernel, strides, (1, 1))
    total = windows.sum(axis=(3, 4), dtype=np.int64)
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return np.clip(mean, *clamp).astype(np.int8)


def requantize_tensor(
    x: Int8Array,
    *,
    input_zp: int,
    multiplier: int,
    shift: int,
    output_zp: int,
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """`x` of any shape at another scale and zero point, as TFLite's reference `Requantize`."""
    return _offset_and_clamp(
        requantize(x.astype(np.int64) - input_zp, multiplier, shift), output_zp, clamp
    )


def mean(
    x: Int8Array,
    axes: tuple[int, ...],
    *,
    input_zp: int,
    multiplier: int,
    shift: int,
    output_zp: int,
    clamp: tuple[int, int] = (-128, 127),
) -> Int8Array:
    """`x` with one element along each of `axes`: TFLite's `QuantizedMeanOrSum`.

    The multiplier and the shift are those of input scale / output scale, for a mean divided by the number of values.
    """
    count = prod(x.shape[axis] for axis in axes)
    total = x.sum(axis=axes, keepdims=True, dtype=np.int64) - input_zp * count
    return _offset_and_clamp(requantize(total, multiplier, shift), output_zp, clamp)


def resize_nearest(
    x: npt.NDArray[_Scalar], rows: npt.NDArray[np.uint16], columns: npt.NDArray[np.uint16]
) -> npt.NDArray[_Scalar]:
    """[N, rows, columns, C]: of an NHWC image the pixels in these rows and columns."""
    return x[:, rows[:, np.newaxis], columns]


def embedding(table: npt.NDArray[_Scalar], indices: Int32Array) -> npt.NDArray[_Scalar]:
    """[.., columns]: the row of `table` for each of `indices`; for one that it does not have the nearest."""
    return table[np.clip(indices, 0, len(table) - 1)]


def select(
    mask: npt.NDArray[Any], lhs: npt.NDArray[_Scalar], rhs: npt.NDArray[_Scalar]
) -> npt.NDArray[_Scalar]:
    """lhs where the mask is not 0, else rhs."""
    return np.where(mask != 0, lhs, rhs)


def from_uint8(x: npt.NDArray[np.uint8]) -> Int8Array:
    """The bytes less 128."""
    return (x ^ 0x80).view(np.int8)


def pad(x: Int8Array, *, padding: tuple[int, int, int, int], value: int) -> Int8Array:
    """x [N, H, W, C] with a border of `value` (the zero point, for a border of real zeros)."""
    return np.pad(x, _border(padding), constant_values=value)


def _border(padding: tuple[int, int, int, int]) -> tuple[tuple[int, int], ...]:
    top, left, bottom, right = padding
    return (0, 0), (top, bottom), (left, right), (0, 0)


def _centred(x: Int8Array, zero_point: int, padding: tuple[int, int, int, int]) -> Float64Array:
    """`x - zero_point` with a border of zeros, which is what CMSIS-NN's skipped border contributes."""
    return np.pad(x.astype(np.float64) - zero_point, _border(padding))


def _windows(
    x: npt.NDArray[_Scalar],
    kernel: tuple[int, ...],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> npt.NDArray[_Scalar]:
    """A view [N, OH, OW, kh, kw, C] of what the kernel sees at every output position of x [N, H, W, C]."""
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    for n, k, s, d in zip(x.shape[1:3], kernel, strides, dilations, strict=True):
        output_size(n, k, s, 0, 0, d)
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(1, 2))
    view = view[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


def _covered(
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> Int64Array:
    """[1, OH, OW, 1]: how many elements of the unpadded input each window sees; ValueError where none."""
    inside = np.pad(np.ones((1, *shape[1:3], 1), np.int64), _border(padding))
    count = _windows(inside, kernel, strides, (1, 1)).sum(axis=(3, 4))
    if np.any(count == 0):
        raise ValueError("a pooling window sees only padding")
    return count


def _finish(
    acc: Float64Array,
    bias: Int32Array | None,
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    output_zp: int,
    clamp: tuple[int, int],
) -> Int8Array:
    total = acc if bias is None else acc + bias
    return _offset_and_clamp(
        requantize(total.astype(np.int64), multiplier, shift), output_zp, clamp
    )


def _offset_and_clamp(values: Int32Array, zero_point: int, clamp: tuple[int, int]) -> Int8Array:
    return np.clip(values.astype(np.int64) + zero_point, *clamp).astype(np.int8)


def first_extreme(x: npt.NDArray[Any], axes: tuple[int, ...], *, largest: bool) -> Int32Array:
    """Where along `axes`, which have nothing between them, the largest or smallest value is; of several the first.

    Counted over all of `axes`; the result has one element along each of them.
    """
    if not axes:
        return np.zeros(x.shape, np.int32)
    rows = x.reshape(*x.shape[: axes[0]], -1, *x.shape[axes[-1] + 1 :])
    found = (np.argmax if largest else np.argmin)(rows, axes[0])
    shape = [1 if axis in axes else n for axis, n in enumerate(x.shape)]
    return found.astype(np.int32).reshape(shape)
