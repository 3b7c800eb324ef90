# SPDX-License-Identifier: Apache-2.0
"""The mean over an image against numpy, for every number of channels in the last vector."""

import numpy as np
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

Size = tuple[int, int, int]
INPUT_ZP, MULTIPLIER, OUTPUT_ZP, CLAMP = -7, 1518500250, 5, (-120, 101)


def values(size: Size) -> Int8:
    """Channel 0 is -128 and channel 1 is 127, which fill the int16 of a block most."""
    data = np.random.default_rng(sum(size)).integers(-128, 128, (1, *size)).astype(np.int8)
    data[..., 0] = -128
    data[..., 1:2] = 127
    return data


def shift_of(size: Size) -> int:
    """That of a division by the number of pixels, and a little more."""
    return 1 - (size[0] * size[1]).bit_length()


def expected(data: Int8, size: Size) -> Int8:
    return int8.mean(
        data,
        input_zp=INPUT_ZP,
        multiplier=MULTIPLIER,
        shift=shift_of(size),
        output_zp=OUTPUT_ZP,
        clamp=CLAMP,
    ).reshape(-1)


@settings(max_examples=200)
@given(st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 40)))
@example((16, 16, 3))
@example((257, 3, 5))
@example((64, 64, 2))
def test_mean(runtime: KernelLibrary, size: Size) -> None:
    data = values(size)
    output = Guarded(size[2])
    runtime.call(
        "sparsec_mean_s8",
        -INPUT_ZP,
        OUTPUT_ZP,
        Activation(*CLAMP),
        PerTensorQuantParams(MULTIPLIER, shift_of(size)),
        Dims(1, *size),
        data,
        output,
    )
    np.testing.assert_array_equal(output.bytes, expected(data, size))


SIZES = [*((3, 5, channels) for channels in range(1, 18)), (16, 16, 6), (7, 75, 21), (1, 1, 35)]


def add_calls(project: KernelProject) -> list[Int8]:
    """Calls for every core; gives the bytes they write."""
    results: list[Int8] = []
    for size in SIZES:
        data = values(size)
        results.append(expected(data, size))
        arguments = [
            str(-INPUT_ZP),
            str(OUTPUT_ZP),
            f"&(cmsis_nn_activation){{{CLAMP[0]}, {CLAMP[1]}}}",
            f"&(cmsis_nn_per_tensor_quant_params){{{MULTIPLIER}, {shift_of(size)}}}",
            dims(1, *size),
            project.array(data),
        ]
        project.call("sparsec_mean_s8", arguments, size[2])
    return results
