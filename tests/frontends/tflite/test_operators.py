# SPDX-License-Identifier: Apache-2.0
"""One-operator networks against TensorFlow Lite Micro: 0 differing bytes, whatever the scales."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite import import_tflite
from sparsec.frontends.tflite.model import Array
from sparsec.interpreters.run import interpret
from tests.frontends.tflite.support import (
    OperatorSpec,
    Spec,
    TensorSpec,
    differing_bytes,
    oracle,
    side_by_side,
    write,
)

SEEDS = range(8)
RELU, RELU_N1_TO_1, RELU6 = 1, 2, 3


def scale(rng: np.random.Generator, low: float = -8.0, high: float = -1.0) -> float:
    """A float32 scale between two powers of 2."""
    return float(np.float32(2.0 ** rng.uniform(low, high)))


def zero_point(rng: np.random.Generator) -> int:
    return int(rng.integers(-128, 128))


def weights(rng: np.random.Generator, shape: Sequence[int]) -> Array:
    return rng.integers(-127, 128, shape).astype(np.int8)


def size_after(n: int, kernel: int, stride: int, dilation: int, same: bool) -> int:
    return -(-n // stride) if same else (n - (kernel - 1) * dilation - 1) // stride + 1


def weighted_scales(rng: np.random.Generator, channels: int, per_channel: bool) -> list[float]:
    return [scale(rng, -9, -6) for _ in range(channels if per_channel else 1)]


def convolution(rng: np.random.Generator, depthwise: bool) -> Spec:
    height, width, channels = (int(n) for n in rng.integers(5, 12, 3))
    kernel, strides, dilations = ([int(n) for n in rng.integers(1, high, 2)] for high in (4, 4, 3))
    if max(dilations) > 1:
        strides = [1, 1]
    same, per_channel, biased = (bool(n) for n in rng.integers(0, 2, 3))
    multiplier = int(rng.integers(1, 3))
    out = channels * multiplier if depthwise else int(rng.integers(1, 9))
    shape = (1, *kernel, out) if depthwise else (out, *kernel, channels)
    result = [
        size_after(*numbers, same)
        for numbers in zip((height, width), kernel, strides, dilations, strict=True)
    ]
    if min(result) < 1:
        return convolution(rng, depthwise)
    tensors = [
        TensorSpec("x", (1, height, width, channels), [scale(rng)], zero_point(rng)),
        TensorSpec(
            "w",
            shape,
            weighted_scales(rng, out, per_channel),
            data=weights(rng, shape),
            axis=3 if depthwise else 0,
        ),
    ]
    if biased:
        bias = rng.integers(-4000, 4000, out).astype(np.int32)
        tensors.append(TensorSpec("b", (out,), [1.0], dtype="INT32", data=bias))
    tensors.append(TensorSpec("y", (1, *result, out), [scale(rng, -5, 0)], zero_point(rng)))
    options = {
        "Padding": 0 if same else 1,
        **{"StrideH": strides[0], "StrideW": strides[1]},
        **{"DilationHFactor": dilations[0], "DilationWFactor": dilations[1]},
        "FusedActivationFunction": int(rng.integers(0, 4)),
    }
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    kind = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    if depthwise:
        options["DepthMultiplier"] = multiplier
    last = len(tensors) - 1
    return tensors, OperatorSpec(name, range(last), [last], kind, options)


def fully_connected(rng: np.random.Generator) -> Spec:
    rows, depth, out = (int(n) for n in rng.integers(1, 40, 3))
    per_channel, biased, flat = (bool(n) for n in rng.integers(0, 2, 3))
    s_in, scales = scale(rng), weighted_scales(rng, out, per_channel)
    shape = (1, rows * depth) if flat else (1, rows, depth)
    tensors = [
        TensorSpec("x", shape, [s_in], zero_point(rng)),
        TensorSpec("w", (out, depth), scales, data=weights(rng, (out, depth))),
    ]
    if biased:
        bias = rng.integers(-4000, 4000, out).astype(np.int32)
        tensors.append(TensorSpec("b", (out,), [s_in * scales[0]], dtype="INT32", data=bias))
    shape = (rows, out) if flat else (1, rows, out)
    tensors.append(TensorSpec("y", shape, [scale(rng, -5, 0)], zero_point(rng)))
    options = {"FusedActivationFunction": int(rng.integers(0, 4))}
    last = len(tensors) - 1
    return tensors, OperatorSpec(
        "FULLY_CONNECTED", range(last), [last], "FullyConnectedOptions", options
    )


def add(rng: np.random.Generator) -> Spec:
    shape = (1, *(int(n) for n in rng.integers(1, 9, 3)))
    tensors = [
        TensorSpec(name, shape, [scale(rng, -9, -3)], zero_point(rng)) for name in ("a", "b", "y")
    ]
    options = {"FusedActivationFunction": int(rng.integers(0, 4))}
    return tensors, OperatorSpec("ADD", [0, 1], [2], "AddOptions", options)


def pool(rng: np.random.Generator, name: str) -> Spec:
    height, width, channels = (int(n) for n in rng.integers(4, 12, 3))
    kernel, strides = ([int(n) for n in rng.integers(1, 4, 2)] for _ in range(2))
    same = bool(rng.integers(0, 2))
    result = [
        size_after(n, k, s, 1, same)
        for n, k, s in zip((height, width), kernel, strides, strict=True)
    ]
    quantization = [scale(rng)], zero_point(rng)
    tensors = [
        TensorSpec("x", (1, height, width, channels), *quantization),
        TensorSpec("y", (1, *result, channels), *quantization),
    ]
    options = {
        "Padding": 0 if same else 1,
        **{"StrideH": strides[0], "StrideW": strides[1]},
        **{"FilterHeight": kernel[0], "FilterWidth": kernel[1]},
        "FusedActivationFunction": int(rng.integers(0, 4)),
    }
    return tensors, OperatorSpec(name, [0], [1], "Pool2DOptions", options)


def mean(rng: np.random.Generator, size: tuple[int, int, int] | None = None) -> Spec:
    height, width, channels = size or (int(n) for n in rng.integers(1, 12, 3))
    keep = bool(rng.integers(0, 2))
    axes = np.array([[1, 2], [2, 1], [-3, -2]][int(rng.integers(0, 3))], np.int32)
    shape = (1, 1, 1, channels) if keep else (1, channels)
    tensors = [
        TensorSpec("x", (1, height, width, channels), [scale(rng)], zero_point(rng)),
        TensorSpec("axes", (2,), dtype="INT32", data=axes),
        TensorSpec("y", shape, [scale(rng)], zero_point(rng)),
    ]
    return tensors, OperatorSpec("MEAN", [0, 1], [2], "ReducerOptions", {"KeepDims": keep})


def pad(rng: np.random.Generator, with_value: bool) -> Spec:
    shape = (1, *(int(n) for n in rng.integers(1, 6, 3)))
    widths = np.concatenate([np.zeros((1, 2)), rng.integers(0, 4, (3, 2))]).astype(np.int32)
    result = tuple(int(n + w.sum()) for n, w in zip(shape, widths, strict=True))
    quantization = [scale(rng)], zero_point(rng)
    tensors = [
        TensorSpec("x", shape, *quantization),
        TensorSpec("widths", (4, 2), dtype="INT32", data=widths),
    ]
    if with_value:
        tensors.append(TensorSpec("value", (1,), *quantization, data=np.array([17], np.int8)))
    tensors.append(TensorSpec("y", result, *quantization))
    last = len(tensors) - 1
    return tensors, OperatorSpec("PADV2" if with_value else "PAD", range(last), [last])


def moved(rng: np.random.Generator, name: str) -> Spec:
    shape = {"RESHAPE": (1, 4, 6), "SQUEEZE": (1, 1, 4, 6), "EXPAND_DIMS": (1, 4, 6)}.get(
        name, (1, 4, 2, 3)
    )
    result = {"RESHAPE": (1, 3, 8), "SQUEEZE": (4, 6), "EXPAND_DIMS": (1, 4, 1, 6)}.get(
        name, (1, 3, 4, 2)
    )
    second = {"RESHAPE": [1, 3, 8], "EXPAND_DIMS": 2, "TRANSPOSE": [0, 3, 1, 2]}.get(name)
    quantization = [scale(rng)], zero_point(rng)
    tensors = [TensorSpec("x", shape, *quantization)]
    if second is not None:
        data = np.array(second, np.int32)
        tensors.append(TensorSpec("how", data.shape, dtype="INT32", data=data))
    tensors.append(TensorSpec("y", result, *quantization))
    last = len(tensors) - 1
    if name == "SQUEEZE":
        return tensors, OperatorSpec(name, [0], [last], "SqueezeOptions", {})
    return tensors, OperatorSpec(name, range(last), [last])


def concatenation(rng: np.random.Generator) -> Spec:
    axis = int(rng.integers(1, 4))
    quantization = [scale(rng)], zero_point(rng)
    shapes = [[1, 3, 4, 5] for _ in range(3)]
    for shape in shapes:
        shape[axis] = int(rng.integers(1, 5))
    result = [1, 3, 4, 5]
    result[axis] = sum(shape[axis] for shape in shapes)
    tensors = [TensorSpec(f"x{i}", shape, *quantization) for i, shape in enumerate(shapes)]
    tensors.append(TensorSpec("y", result, *quantization))
    options = {"Axis": axis if rng.integers(0, 2) else axis - 4}
    return tensors, OperatorSpec("CONCATENATION", [0, 1, 2], [3], "ConcatenationOptions", options)


def batch_matmul(rng: np.random.Generator) -> Spec:
    rows, depth, columns, heads = (int(n) for n in rng.integers(1, 9, 4))
    adjoint = [bool(n) for n in rng.integers(0, 2, 2)]
    left = (depth, rows) if adjoint[0] else (rows, depth)
    right = (columns, depth) if adjoint[1] else (depth, columns)
    tensors = [
        TensorSpec("x", (1, heads, *left), [scale(rng)], zero_point(rng)),
        TensorSpec("w", (1, heads, *right), [scale(rng)], zero_point(rng)),
        TensorSpec("y", (1, heads, rows, columns), [scale(rng, -5, 0)], zero_point(rng)),
    ]
    options = {"AdjX": adjoint[0], "AdjY": adjoint[1]}
    return tensors, OperatorSpec("BATCH_MATMUL", [0, 1], [2], "BatchMatMulOptions", options)


def softmax(rng: np.random.Generator) -> Spec:
    shape = (1, int(rng.integers(1, 5)), int(rng.integers(1, 60)))
    tensors = [
        TensorSpec("x", shape, [scale(rng, -10, 2)], zero_point(rng)),
        TensorSpec("y", shape, [1 / 256], -128),
    ]
    options = {"Beta": float(np.float32(rng.uniform(0.3, 2.0)))}
    return tensors, OperatorSpec("SOFTMAX", [0], [1], "SoftmaxOptions", options)


OPERATORS: dict[str, Callable[[np.random.Generator], Spec]] = {
    "CONV_2D": lambda rng: convolution(rng, False),
    "DEPTHWISE_CONV_2D": lambda rng: convolution(rng, True),
    "FULLY_CONNECTED": fully_connected,
    "ADD": add,
    "AVERAGE_POOL_2D": lambda rng: pool(rng, "AVERAGE_POOL_2D"),
    "MAX_POOL_2D": lambda rng: pool(rng, "MAX_POOL_2D"),
    "MEAN": mean,
    "PAD": lambda rng: pad(rng, False),
    "PADV2": lambda rng: pad(rng, True),
    "RESHAPE": lambda rng: moved(rng, "RESHAPE"),
    "SQUEEZE": lambda rng: moved(rng, "SQUEEZE"),
    "EXPAND_DIMS": lambda rng: moved(rng, "EXPAND_DIMS"),
    "TRANSPOSE": lambda rng: moved(rng, "TRANSPOSE"),
    "CONCATENATION": concatenation,
    "SOFTMAX": softmax,
    "BATCH_MATMUL": batch_matmul,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_gives_the_bytes_of_tflite_micro(name: str) -> None:
    for seed in SEEDS:
        content = side_by_side(OPERATORS[name](np.random.default_rng(seed)))
        assert differing_bytes(content, 100) == 0, f"seed {seed}"


def element_wise(
    name: str, rng: np.random.Generator, kind: str = "", options: dict[str, float] | None = None
) -> Spec:
    """A function of all 256 values."""
    source = [scale(rng, -8, 0)], zero_point(rng)
    target = [scale(rng, -8, 0)], zero_point(rng)
    if name == "RELU6":
        source = target = [scale(rng, -8, -3)], zero_point(rng)
    if name == "LOGISTIC":
        target = [1 / 256], -128
    if name == "TANH":
        target = [1 / 128], 0
    if name == "HARD_SWISH":
        target = [source[0][0] * rng.uniform(0.1, 1.0)], target[1]
    tensors = [TensorSpec("x", (1, 256), *source), TensorSpec("y", (1, 256), *target)]
    return tensors, OperatorSpec(name, [0], [1], kind, options or {})


def leaky_relu(rng: np.random.Generator) -> Spec:
    options = {"Alpha": float(np.float32(rng.uniform(0.0, 1.5)))}
    return element_wise("LEAKY_RELU", rng, "LeakyReluOptions", options)


FUNCTIONS: dict[str, Callable[[np.random.Generator], Spec]] = {
    **{
        name: partial(element_wise, name)
        for name in ("RELU", "RELU6", "LOGISTIC", "TANH", "HARD_SWISH", "QUANTIZE")
    },
    "LEAKY_RELU": leaky_relu,
}
ALL_VALUES = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_value_of_an_element_wise_function(name: str) -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        content = side_by_side(FUNCTIONS[name](rng))
        module = import_tflite(content)
        [ours], [theirs] = interpret(module, [ALL_VALUES]), oracle(content, [ALL_VALUES])
        assert np.array_equal(ours, theirs), f"seed {seed}"


SHORT_FRACTIONS = (0.0625, 0.05, 0.04, 0.1, 0.5)
"""Scales whose quotients are short fractions, so that many values lie half way between two results."""


@pytest.mark.parametrize("name", [*FUNCTIONS, "LEAKY_RELU 0.3", "LEAKY_RELU 0.5"])
def test_values_that_lie_half_way(name: str) -> None:
    name, _, alpha = name.partition(" ")
    for source, target in itertools.product(SHORT_FRACTIONS, SHORT_FRACTIONS):
        tensors, operator = FUNCTIONS[name](np.random.default_rng(0))
        if alpha:
            operator = replace(operator, options={"Alpha": float(np.float32(alpha))})
        x, y = tensors
        x = replace(x, scales=[float(np.float32(source))], zero_point=-5)
        if name == "RELU6":
            y = replace(x, name="y")
        elif name not in ("LOGISTIC", "TANH"):
            y = replace(y, scales=[float(np.float32(target))], zero_point=3)
        content = side_by_side(([x, y], operator))
        try:
            module = import_tflite(content)
        except FrontendError as error:
            assert "too far apart" in str(error)  # noqa: PT017
            continue
        [ours], [theirs] = interpret(module, [ALL_VALUES]), oracle(content, [ALL_VALUES])
        assert np.array_equal(ours, theirs), f"{source} -> {target}"


def test_the_multiplier_of_a_fully_connected_layer_is_a_product_of_doubles() -> None:
    """Biases at the edge between two results, which a product rounded to float32 moves."""
    s_in, s_w = np.float32(0.0137), np.float32(0.0113)
    s_out = np.float32(float(s_in) * float(s_w) / 1e-7)
    steps = np.arange(-100, 100)
    bias = np.round((steps + 0.5) / (float(s_in) * float(s_w) / float(s_out))).astype(np.int32)
    tensors = [
        TensorSpec("x", (1, 4), [float(s_in)], -128),
        TensorSpec("w", (200, 4), [float(s_w)], data=np.zeros((200, 4), np.int8)),
        TensorSpec("b", (200,), [float(s_in * s_w)], dtype="INT32", data=bias),
        TensorSpec("y", (1, 200), [float(s_out)], 0),
    ]
    operator = OperatorSpec("FULLY_CONNECTED", [0, 1, 2], [3], "FullyConnectedOptions", {})
    assert differing_bytes(write(tensors, [operator]), 1) == 0


@pytest.mark.parametrize("size", [(7, 75, 21), (31, 61, 3), (300, 280, 2)])
def test_a_mean_of_many_pixels(size: tuple[int, int, int]) -> None:
    for seed in SEEDS:
        content = side_by_side(mean(np.random.default_rng(seed), size))
        assert differing_bytes(content, 5) == 0, f"seed {seed}"


@pytest.mark.parametrize("axes", [(1,), (3,), (1, 2, 3)])
def test_a_mean_over_other_axes_is_refused(axes: tuple[int, ...]) -> None:
    (x, _, y), operator = mean(np.random.default_rng(0))
    others = TensorSpec("axes", (len(axes),), dtype="INT32", data=np.array(axes, np.int32))
    with pytest.raises(FrontendError, match="only height and width are supported"):
        import_tflite(side_by_side(([x, others, y], operator)))


def test_a_mean_keeps_its_sum_in_32_bits() -> None:
    spec = mean(np.random.default_rng(0), (4096, 4096, 1))
    with pytest.raises(FrontendError, match="more than 8421504 pixels"):
        import_tflite(side_by_side(spec))


def test_relu_n1_to_1_clamps_to_one() -> None:
    """TensorFlow Lite Micro has no such kernel; the values are those of TensorFlow Lite's."""
    tensors = [
        TensorSpec("x", (1, 256), [0.0625], 0),
        TensorSpec("y", (1, 256), [0.03125], -3),
    ]
    module = import_tflite(write(tensors, [OperatorSpec("RELU_N1_TO_1", [0], [1])]))
    [y] = interpret(module, [ALL_VALUES])
    expected = np.clip(2 * np.arange(-128, 128) - 3, -35, 29)
    assert np.array_equal(y, expected.astype(np.int8).reshape(1, 256))
