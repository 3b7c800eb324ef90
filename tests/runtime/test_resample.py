# SPDX-License-Identifier: Apache-2.0
"""Weighted sums of pixels in C against those in numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.quantization.params import Rescale
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.resampling import MAX_TOTAL, resample
from tests.runtime.kernel_library import (
    Activation,
    Dims,
    Guarded,
    KernelLibrary,
    PerTensorQuantParams,
)

Places = NDArray[np.uint16]
Taps = NDArray[np.int16]


def axis(rng: np.random.Generator, size: int, outputs: int) -> tuple[Places, Taps]:
    """Places and weights, some of them negative, of one sum."""
    count = int(rng.integers(1, min(size, 4) + 1))
    taps = rng.integers(-200, MAX_TOTAL // 4, (outputs, count)).astype(np.int16)
    taps[:, -1] = MAX_TOTAL - taps[:, :-1].sum(axis=1)
    first = rng.integers(0, size - count + 1, outputs).astype(np.uint16)
    return first, taps


@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    outputs=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.sampled_from([1, 2, 4, 5, 9, 16]),
    seed=st.integers(0, 99),
)
def test_bytes(
    runtime: KernelLibrary,
    size: tuple[int, int],
    outputs: tuple[int, int],
    channels: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (1, *size, channels)).astype(np.int8)
    (rows, row_taps), (columns, column_taps) = (
        axis(rng, n, m) for n, m in zip(size, outputs, strict=True)
    )
    scale = float(rng.uniform(0.2, 3)) / MAX_TOTAL**2
    clamp = (-128, 127) if seed % 2 else (-30, 60)
    p = Rescale(int(rng.integers(-128, 128)), *quantize_multiplier(scale), -7, clamp)
    output = Guarded(outputs[0] * outputs[1] * channels)
    runtime.call(
        "sparsec_resample_s8",
        -p.input_zp,
        p.output_zp,
        Activation(*p.clamp),
        PerTensorQuantParams(p.multiplier, p.shift),
        Dims(*x.shape),
        x,
        rows,
        row_taps,
        row_taps.shape[1],
        columns,
        column_taps,
        column_taps.shape[1],
        Dims(1, *outputs, channels),
        output,
    )
    expected = resample(x, rows, row_taps, columns, column_taps, p)
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))
