"""How many bytes of scratch memory a kernel asks for: CMSIS-NN's `_get_buffer_size` functions in Python.

The rule: equal to the C functions for every shape (a test compares them), so that scratch is planned
with everything else and nothing is allocated on the device. Shapes are NHWC, OHWI for weights.
"""

from collections.abc import Sequence

from sparsec.formats.depthwise_rows import plane_for
from sparsec.formats.packed_rows import slab_for
from sparsec.quantization.window import Window
from sparsec.targets.cpu import VectorUnit

ALIGNMENT = 8
"""Bytes to which scratch memory is aligned."""


def convolve(unit: VectorUnit, window: Window, input: Sequence[int], weights: Sequence[int]) -> int:
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
    return 0 if one_by_n else 4 * _round_up(columns, 8)


def depthwise_convolve(
    unit: VectorUnit, window: Window, input: Sequence[int], weights: Sequence[int]
) -> int:
    """`arm_depthwise_conv_wrapper_s8_get_buffer_size`."""
    channels = input[3]
    _, height, width, out_channels = weights
    if channels != out_channels or window.dilations != (1, 1):
        return 0
    if unit == "mve":
        return 4 * _CHANNEL_BLOCK_MVE * height * width
    by_three = height == width == 3 and max(window.padding[:2]) <= 1
    if by_three or unit == "scalar":
        return 0
    return channels * height * width * 2


def avg_pool(unit: VectorUnit, input: Sequence[int]) -> int:
    """`arm_avgpool_s8_get_buffer_size`."""
    return input[3] * 4 if unit == "dsp" else 0


def convolve_delta8(input: Sequence[int], kernel: tuple[int, int]) -> int:
    """`sparsec_convolve_delta8_s8_get_buffer_size`, the same on every core."""
    return 16 * kernel[0] * kernel[1] * input[3]


def convolve_packed(
    window: Window, output: Sequence[int], kernel: tuple[int, int], channels: int
) -> int:
    """`sparsec_convolve_packed_s8_get_buffer_size`, the same on every core."""
    return slab_for(window, (output[1], output[2]), kernel, channels).bytes


def depthwise_convolve_delta8(
    window: Window, output: Sequence[int], kernel: tuple[int, int]
) -> int:
    """`sparsec_depthwise_convolve_delta8_s8_get_buffer_size`, the same on every core."""
    return plane_for(window, (output[1], output[2]), kernel).bytes


_CHANNEL_BLOCK_MVE = 124
"""CMSIS-NN's CH_IN_BLOCK_MVE."""


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
