# SPDX-License-Identifier: Apache-2.0
"""TRANSPOSE_CONV: TensorFlow Lite Micro, interpreter, calls and C give the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite import import_tflite
from sparsec.run import cmsis_nn
from tests.end_to_end.road import compile_to, differing_bytes, expect_exact
from tests.frontends.tflite.support import (
    OperatorSpec,
    Spec,
    TensorSpec,
    oracle,
    samples,
    side_by_side,
    write,
)
from tests.frontends.tflite.support import differing_bytes as differing_from_oracle

NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)


def scale(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.float32(2.0 ** rng.uniform(low, high)))


def transpose_conv(seed: int, activation: int = NONE, shape: tuple[int, ...] | None = None) -> Spec:
    """An operator; `shape` is what it is told about its result, by default the truth."""
    rng = np.random.default_rng(seed)
    size, strides, kernel = ([int(n) for n in rng.integers(1, high, 2)] for high in (6, 4, 5))
    channels, outputs = (int(n) for n in rng.integers(1, 11, 2))
    same, per_channel, biased = (bool(n) for n in rng.integers(0, 2, 3))
    # Any of the sizes from which the convolution back gives `size`.
    short = [int(rng.integers(0, min(s, n * s))) for s, n in zip(strides, size, strict=True)]
    result = (
        1,
        *(
            n * s - less if same else (n - 1) * s + k + less
            for n, s, k, less in zip(size, strides, kernel, short, strict=True)
        ),
        outputs,
    )
    weights = rng.integers(-127, 128, (outputs, *kernel, channels)).astype(np.int8)
    scales = [scale(rng, -9, -6) for _ in range(outputs if per_channel else 1)]
    told = np.array(result if shape is None else shape, np.int32)
    tensors = [
        TensorSpec("shape", (4,), dtype="INT32", data=told),
        TensorSpec("w", weights.shape, scales, data=weights),
        TensorSpec("x", (1, *size, channels), [scale(rng, -8, -2)], int(rng.integers(-128, 128))),
    ]
    if biased:
        bias = rng.integers(-4000, 4000, outputs).astype(np.int32)
        tensors.append(TensorSpec("b", (outputs,), [1.0], dtype="INT32", data=bias))
    tensors.append(TensorSpec("y", result, [scale(rng, -5, 0)], int(rng.integers(-128, 128))))
    options = {
        "Padding": 0 if same else 1,
        **{"StrideH": strides[0], "StrideW": strides[1]},
        "FusedActivationFunction": activation,
    }
    last = len(tensors) - 1
    return tensors, OperatorSpec(
        "TRANSPOSE_CONV", range(last), [last], "TransposeConvOptions", options
    )


def model(seed: int, activation: int = NONE, shape: tuple[int, ...] | None = None) -> bytes:
    return side_by_side(transpose_conv(seed, activation, shape))


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_interpreter_gives_the_bytes_of_tflite_micro(first: int) -> None:
    for seed in range(first, first + 10):
        assert differing_from_oracle(model(seed), 100) == 0, f"seed {seed}"


@pytest.mark.parametrize("activation", [RELU, RELU_N1_TO_1, RELU6])
def test_a_fused_activation_clamps(activation: int) -> None:
    for seed in range(4):
        assert differing_from_oracle(model(seed, activation), 50) == 0, f"seed {seed}"


def test_a_result_of_another_size_is_refused() -> None:
    message = r"its output shape is \(1, 2, 3, 4\), and that of its result"
    with pytest.raises(FrontendError, match=message):
        import_tflite(model(0, shape=(1, 2, 3, 4)))


def test_a_result_that_the_input_does_not_reach_is_refused() -> None:
    """TensorFlow Lite Micro computes it: pixels without an input are the bias."""
    tensors = [
        TensorSpec("shape", (4,), dtype="INT32", data=np.array([1, 9, 9, 1], np.int32)),
        TensorSpec("w", (1, 2, 2, 1), [0.5], data=np.ones((1, 2, 2, 1), np.int8)),
        TensorSpec("x", (1, 3, 3, 1), [0.5]),
        TensorSpec("y", (1, 9, 9, 1), [0.5]),
    ]
    options = {"Padding": 1, "StrideH": 2, "StrideW": 2}
    operator = OperatorSpec("TRANSPOSE_CONV", [0, 1, 2], [3], "TransposeConvOptions", options)
    with pytest.raises(FrontendError, match="a result of 9x9 is that of an input of 4x4, got 3x3"):
        import_tflite(write(tensors, [operator], [2]))


def test_a_stride_far_beyond_the_result(tmp_path: Path) -> None:
    """The kernel would overflow with it, or count up to it."""
    if cmsis_nn.locate() is None:
        pytest.skip("CMSIS-NN is not there: run python -m sparsec.run.cmsis_nn")
    data = np.arange(-6, 6).reshape(1, 3, 2, 2).astype(np.int8)
    tensors = [
        TensorSpec("shape", (4,), dtype="INT32", data=np.array([1, 3, 2, 1], np.int32)),
        TensorSpec("w", (1, 3, 2, 2), [0.5], data=data),
        TensorSpec("x", (1, 1, 1, 2), [0.5], 3),
        TensorSpec("y", (1, 3, 2, 1), [4.0]),
    ]
    options = {"Padding": 0, "StrideH": 2**31 - 1, "StrideW": 2**30}
    operator = OperatorSpec("TRANSPOSE_CONV", [0, 1, 2], [3], "TransposeConvOptions", options)
    content = write(tensors, [operator], [2])
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    inputs = samples(import_tflite(content), 10)
    outputs = expect_exact(compile_to(path, "host"), "host", inputs)
    assert differing_bytes(outputs, oracle(content, inputs)) == 0
