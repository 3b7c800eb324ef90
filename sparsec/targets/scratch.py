# SPDX-License-Identifier: Apache-2.0
"""How many bytes of scratch memory a kernel asks for: CMSIS-NN's `_get_buffer_size` functions in Python.

The rule: equal to the C functions of each release for every shape (a test compares them), so that scratch is planned
with everything else and nothing is allocated on the device. Shapes are NHWC, OHWI for weights.
"""

from collections.abc import Sequence

from sparsec.quantization.attention import Attention
from sparsec.quantization.window import Window
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import VectorUnit

ALIGNMENT = 8
"""Bytes to which scratch memory is aligned."""


def convolve(
    unit: VectorUnit,
    window: Window,
    input: Sequence[int],
    weights: Sequence[int],
    release: Release = PACKAGED,
) -> int:
    """`arm_convolve_wrapper_s8_get_buffer_size`."""
    _, height, _, channels = input
    _, kernel_height, kernel_width, _ = weights
    unpadded = window.padding[:2] == (0, 0)
    if unpadded and kernel_height == kernel_width == 1 and window.dilations == (1, 1):
        return 0
    one_by_n = (
        height == 1
        and window.dilations[1] == 1
        and kernel_height == 1
        and window.strides[1] * channels % 4 == 0
    )
    columns = kernel_height * kernel_width * channels
    if unit != "mve":
        return 2 * _round_up(columns, 4) * 2
    if release == "v5":
        return 0 if one_by_n else 4 * _round_up(columns, 8)
    row = _padded_row(window, input, kernel_width) if one_by_n else None
    return 4 * _round_up(columns, 16) if row is None else row


def _padded_row(window: Window, input: Sequence[int], kernel_width: int) -> int | None:
    """`arm_convolve_1_x_n_s8_get_buffer_size_mve` from v6 on: the windows at either border, with their padding.

    None where windows are not done in the order border, inside, border.
    """
    _, height, width, channels = input
    stride, padding = window.strides[1], window.padding[1]
    _, outputs = window.output_size((height, width), (1, kernel_width))
    on_left, inside, on_right, uneven = row_windows(width, kernel_width, outputs, stride, padding)
    if on_left + inside + on_right != outputs:
        return None
    behind = on_right if uneven else padding
    return max(kernel_width + padding, kernel_width - 1 + behind) * channels


def row_windows(
    columns: int, width: int, outputs: int, stride: int, padding: int
) -> tuple[int, int, int, int]:
    """How `arm_convolve_1_x_n_s8` sees a row on Helium: the windows on the left border, inside and on the right one, and
    the columns of padding more on the right than on the left. Divides as C does, towards zero."""
    total = (outputs - 1) * stride + width - columns
    uneven = total % 2 if total >= 0 else -(-total % 2)
    on_left = -(-padding // stride)
    on_right = max(1, (padding + uneven + stride - 1) // stride) if padding + uneven else 0
    return on_left, max(outputs - on_left - on_right, 0), on_right, uneven


def depthwise_convolve(
    unit: VectorUnit,
    window: Window,
    input: Sequence[int],
    weights: Sequence[int],
    release: Release = PACKAGED,
) -> int:
    """`arm_depthwise_conv_wrapper_s8_get_buffer_size`."""
    channels = input[3]
    _, height, width, out_channels = weights
    if becomes_convolution(unit, channels, out_channels, release):
        turned = (out_channels, height, width, 1)
        return convolve(unit, window, input, turned, release) + out_channels * height * width
    if channels != out_channels or window.dilations != (1, 1):
        return 0
    if unit == "mve":
        return 4 * _CHANNEL_BLOCK_MVE * height * width
    by_three = height == width == 3 and max(window.padding[:2]) <= 1
    if by_three or unit == "scalar":
        return 0
    return channels * height * width * 2


def becomes_convolution(
    unit: VectorUnit, channels: int, out_channels: int, release: Release = PACKAGED
) -> bool:
    """Whether `arm_depthwise_conv_wrapper_s8` turns its weights and calls `arm_convolve_wrapper_s8`."""
    return unit == "mve" and release == "v7" and channels == 1 < out_channels


def avg_pool(unit: VectorUnit, input: Sequence[int]) -> int:
    """`arm_avgpool_s8_get_buffer_size`."""
    return input[3] * 4 if unit == "dsp" else 0


def batch_matmul(unit: VectorUnit, depth: int) -> int:
    """`sparsec_batch_matmul_s8_get_buffer_size`: halves of four rows."""
    return 8 * _round_up(depth, 4) if unit == "dsp" else 0


def attention(unit: VectorUnit, a: Attention) -> int:
    """`sparsec_attention_s8_get_buffer_size`: scores of some queries and what they are made from, never all."""
    if unit == "dsp":
        return 4 * a.keys + 8 * _round_up(max(a.keys, a.width), 4)
    if unit == "mve":
        return (4 + a.value_width) * _round_up(a.keys, 16) + 4 * a.value_width
    return a.keys


_CHANNEL_BLOCK_MVE = 124
"""CMSIS-NN's CH_IN_BLOCK_MVE."""


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
