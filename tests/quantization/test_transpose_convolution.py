# SPDX-License-Identifier: Apache-2.0
"""The transposed convolution against its definition."""

from dataclasses import replace

import numpy as np
import pytest

from sparsec.quantization.transpose_convolution import transpose_convolve
from tests.runtime.kernel_library import Int8
from tests.runtime.transpose_convolution import TransposeConvolution, random_layer, scattered


def ours(layer: TransposeConvolution) -> Int8:
    [result] = transpose_convolve(
        layer.input[np.newaxis],
        layer.weights,
        layer.bias,
        size=layer.output,
        input_zp=-layer.input_offset,
        output_zp=layer.output_offset,
        multiplier=layer.multipliers,
        shift=layer.shifts,
        strides=layer.stride,
        padding=layer.padding,
        clamp=layer.clamp,
    )
    return result


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 3), (4, 5)])
def test_every_input_scatters_into_the_result(kernel: tuple[int, int], same: bool) -> None:
    rng = np.random.default_rng(1)
    for stride in np.ndindex(3, 3):
        strides = (stride[0] + 1, stride[1] + 1)
        layer = random_layer(rng, (3, 4, 5), 3, kernel, strides, same, (-100, 90))
        np.testing.assert_array_equal(ours(layer), scattered(layer))


def test_the_result_may_be_cut_off() -> None:
    rng = np.random.default_rng(2)
    layer = random_layer(rng, (4, 4, 2), 2, (3, 3), (2, 2))
    for size in ((1, 9), (4, 2), (9, 9)):
        cut = replace(layer, output=size)
        np.testing.assert_array_equal(ours(cut), scattered(cut))


def test_other_channels_are_an_error() -> None:
    x, w = np.zeros((1, 2, 2, 3), np.int8), np.zeros((1, 2, 2, 4), np.int8)
    with pytest.raises(ValueError, match="the input has 3 channels, the weights 4"):
        transpose_convolve(x, w, size=(3, 3), input_zp=0, output_zp=0, multiplier=1, shift=0)
