# SPDX-License-Identifier: Apache-2.0
"""Means and extremes of images against numpy, for every number of channels in the last vector."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sparsec.quantization import int8
from tests.runtime.kernel_library import (
    Activation,
    Dims,
    Guarded,
    Int8,
    KernelLibrary,
    PerTensorQuantParams,
)
from tests.runtime.kernel_project import KernelProject, dims

Size = tuple[int, int, int, int]
"""Images, height, width, channels."""

INPUT_ZP, MULTIPLIER, OUTPUT_ZP, CLAMP = -7, 1518500250, 5, (-120, 101)
EXTREMES = {"sparsec_reduce_max_s8": np.max, "sparsec_reduce_min_s8": np.min}

ARGUMENTS = {"sparsec_arg_max_s8": np.argmax, "sparsec_arg_min_s8": np.argmin}


def values(size: Size) -> Int8:
    """Channel 0 is -128 and channel 1 is 127, which fill the int16 of a block most."""
    data = np.random.default_rng(sum(size)).integers(-128, 128, size).astype(np.int8)
    if size[-1] > 1:
        data[..., 0] = -128
        data[..., 1:2] = 127
    return data


def shift_of(size: Size) -> int:
    """That of a division by the number of pixels, and a little more."""
    return 1 - (size[1] * size[2]).bit_length()


def mean_of(data: Int8, size: Size) -> Int8:
    return int8.mean(
        data,
        (1, 2),
        input_zp=INPUT_ZP,
        multiplier=MULTIPLIER,
        shift=shift_of(size),
        output_zp=OUTPUT_ZP,
        clamp=CLAMP,
    ).reshape(-1)


def extreme_of(function: str, data: Int8) -> Int8:
    return np.asarray(EXTREMES[function](data, axis=(1, 2))).reshape(-1)


def arg_of(function: str, data: Int8) -> Int8:
    """The bytes of the int32 numbers, of which the machines here have the lowest first."""
    rows = data.reshape(len(data), -1, data.shape[3])
    return ARGUMENTS[function](rows, axis=1).astype("<i4").reshape(-1).view(np.int8)


SHAPES = st.tuples(*[st.integers(1, n) for n in (3, 20, 20, 40)])


@settings(max_examples=200)
@given(SHAPES)
@example((1, 16, 16, 3))
@example((1, 257, 3, 5))
@example((2, 64, 64, 2))
@example((2, 129, 64, 1))
def test_mean(runtime: KernelLibrary, size: Size) -> None:
    data = values(size)
    output = Guarded(size[0] * size[3])
    runtime.call(
        "sparsec_mean_s8",
        -INPUT_ZP,
        OUTPUT_ZP,
        Activation(*CLAMP),
        PerTensorQuantParams(MULTIPLIER, shift_of(size)),
        Dims(*size),
        data,
        output,
    )
    np.testing.assert_array_equal(output.bytes, mean_of(data, size))


@pytest.mark.parametrize("function", EXTREMES)
@given(SHAPES)
def test_extremes(runtime: KernelLibrary, function: str, size: Size) -> None:
    data = values(size)
    output = Guarded(size[0] * size[3])
    runtime.call(function, Dims(*size), data, output)
    np.testing.assert_array_equal(output.bytes, extreme_of(function, data))


@pytest.mark.parametrize("function", ARGUMENTS)
@given(SHAPES)
def test_arguments(runtime: KernelLibrary, function: str, size: Size) -> None:
    data = values(size) // 32  # several values are the largest
    output = Guarded(size[0] * size[3] * 4)
    runtime.call(function, Dims(*size), data, output)
    np.testing.assert_array_equal(output.bytes, arg_of(function, data))


SIZES: list[Size] = [
    *((1, 3, 5, channels) for channels in range(1, 18)),
    *((2, 1, count, 1) for count in range(1, 20)),
    *((1, 16, 16, 6), (1, 7, 75, 21), (1, 1, 1, 35), (3, 1, 4, 9), (2, 1, 35, 16), (1, 30, 9, 1)),
]


def add_calls(project: KernelProject) -> list[Int8]:
    """Calls for every core; gives the bytes they write."""
    results: list[Int8] = []
    for size in SIZES:
        data = values(size)
        array, shape, count = project.array(data), dims(*size), size[0] * size[3]
        numbers = [
            str(-INPUT_ZP),
            str(OUTPUT_ZP),
            f"&(cmsis_nn_activation){{{CLAMP[0]}, {CLAMP[1]}}}",
            f"&(cmsis_nn_per_tensor_quant_params){{{MULTIPLIER}, {shift_of(size)}}}",
        ]
        project.call("sparsec_mean_s8", [*numbers, shape, array], count)
        results.append(mean_of(data, size))
        for function in EXTREMES:
            project.call(function, [shape, array], count)
            results.append(extreme_of(function, data))
    return results
