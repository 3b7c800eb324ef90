# SPDX-License-Identifier: Apache-2.0
"""Softmax of rows of any length against what CMSIS-NN computes of short ones."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from sparsec.quantization import int8
from tests.runtime.kernel_library import Guarded, KernelLibrary


@given(
    rows=st.integers(1, 3),
    size=st.integers(1, 700),
    scale=st.sampled_from([2.0**-12, 0.004, 0.05, 0.3, 4.0]),
    spread=st.sampled_from([1, 3, 20, 256]),
)
@example(rows=1, size=511, scale=0.1, spread=1)
@example(rows=2, size=512, scale=0.1, spread=1)
def test_softmax(runtime: KernelLibrary, rows: int, size: int, scale: float, spread: int) -> None:
    random = np.random.default_rng(size)
    data = random.integers(127 - spread, 127, (rows, size), endpoint=True).astype(np.int8)
    params, output = int8.softmax_params(scale), Guarded(rows * size)
    numbers = (params["multiplier"], params["shift"], params["diff_min"])
    runtime.call("sparsec_softmax_s8", data, rows, size, *numbers, output)
    np.testing.assert_array_equal(output.bytes, int8.softmax(data, **params).reshape(-1))
