# SPDX-License-Identifier: Apache-2.0
"""Our fully connected kernels against CMSIS-NN's, which knows one scale per tensor.

Where every output has its own scale, CMSIS-NN's 1x1 convolution of one pixel is the same layer.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.formats import Delta8
from tests.runtime.kernel_library import (
    Activation,
    Context,
    ConvParams,
    Dims,
    FcParams,
    Guarded,
    Int8,
    Int32,
    KernelLibrary,
    PerTensorQuantParams,
    Tile,
    context,
    fold_input_offset,
    per_channel,
)

Kernel = Literal["delta8", "dense"]
BOTH_KERNELS = pytest.mark.parametrize("kernel", ["delta8", "dense"])


@dataclass(frozen=True)
class FullyConnected:
    input: Int8
    weights: Int8
    bias: Int32
    multipliers: Int32
    shifts: Int32
    input_offset: int
    output_offset: int
    clamp: tuple[int, int]


def our_output(runtime: KernelLibrary, layer: FullyConnected, kernel: Kernel) -> Int8:
    outputs, inputs = layer.weights.shape
    output = Guarded(outputs)
    params = FcParams(layer.input_offset, 0, layer.output_offset, Activation(*layer.clamp))
    quant = per_channel(layer.multipliers, layer.shifts)
    bias = fold_input_offset(layer.bias, layer.weights, layer.input_offset)
    if kernel == "delta8":
        components = Delta8().pack(layer.weights)
        weights = (components["entries"], components["counts"])
    else:
        weights = (Dims(inputs, 1, 1, outputs), layer.weights)
    function = "delta8" if kernel == "delta8" else "per_channel"
    runtime.call(
        f"sparsec_fully_connected_{function}_s8",
        params, quant, layer.input, *weights, bias, Dims(1, 1, 1, outputs), output,
    )  # fmt: skip
    return output.bytes


def per_tensor_output(cmsis_nn: KernelLibrary, layer: FullyConnected) -> Int8:
    outputs, inputs = layer.weights.shape
    output = Guarded(outputs)
    status = cmsis_nn.call(
        "arm_fully_connected_s8",
        Context(None, 0),
        FcParams(layer.input_offset, 0, layer.output_offset, Activation(*layer.clamp)),
        PerTensorQuantParams(int(layer.multipliers[0]), int(layer.shifts[0])),
        Dims(1, 1, 1, inputs), layer.input, Dims(inputs, 1, 1, outputs), layer.weights,
        Dims(1, 1, 1, outputs), layer.bias, Dims(1, 1, 1, outputs), output,
    )  # fmt: skip
    assert status == 0
    return output.bytes


def per_channel_output(cmsis_nn: KernelLibrary, layer: FullyConnected) -> Int8:
    outputs, inputs = layer.weights.shape
    output = Guarded(outputs)
    one, zero = Tile(1, 1), Tile(0, 0)
    status = cmsis_nn.call(
        "arm_convolve_s8",
        context(Guarded(4 * (inputs + 3))),
        ConvParams(layer.input_offset, layer.output_offset, one, zero, one, Activation(*layer.clamp)),
        per_channel(layer.multipliers, layer.shifts),
        Dims(1, 1, 1, inputs), layer.input, Dims(outputs, 1, 1, inputs), layer.weights,
        Dims(1, 1, 1, outputs), layer.bias, Dims(1, 1, 1, outputs), output,
    )  # fmt: skip
    assert status == 0
    return output.bytes


def random_layer(
    seed: int,
    outputs: int,
    inputs: int,
    sparsity: float,
    shift: int | None = None,
    clamp: tuple[int, int] = (-128, 127),
) -> FullyConnected:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (outputs, inputs)).astype(np.int8)
    weights[rng.random(weights.shape) < sparsity] = 0
    weights[rng.random(outputs) < 0.2] = 0
    usual = -8 - int(np.log2(1 + inputs * (1 - sparsity)) / 2)
    return FullyConnected(
        input=rng.integers(-128, 128, inputs).astype(np.int8),
        weights=weights,
        bias=rng.integers(-20_000, 20_000, outputs).astype(np.int32),
        multipliers=rng.integers(2**30, 2**31, outputs).astype(np.int32),
        shifts=np.full(outputs, usual, np.int32) + rng.integers(-1, 2, outputs).astype(np.int32)
        if shift is None
        else np.full(outputs, shift, np.int32),
        input_offset=int(rng.integers(-127, 129)),
        output_offset=int(rng.integers(-20, 20)),
        clamp=clamp,
    )


def assert_equal(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: FullyConnected, kernel: Kernel
) -> Int8:
    expected = per_channel_output(cmsis_nn, layer)
    np.testing.assert_array_equal(our_output(runtime, layer, kernel), expected)
    uniform = replace(
        layer,
        multipliers=np.full_like(layer.multipliers, layer.multipliers[0]),
        shifts=np.full_like(layer.shifts, layer.shifts[0]),
    )
    np.testing.assert_array_equal(
        our_output(runtime, uniform, kernel), per_tensor_output(cmsis_nn, uniform)
    )
    return expected


@BOTH_KERNELS
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5, 7, 10, 64])
@pytest.mark.parametrize("inputs", [1, 3, 4, 15, 16, 17, 64, 784])
def test_shapes(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    inputs: int,
    outputs: int,
    sparsity: float,
    kernel: Kernel,
) -> None:
    expected = assert_equal(runtime, cmsis_nn, random_layer(3, outputs, inputs, sparsity), kernel)
    if outputs == 64 and inputs == 784 and sparsity < 1:
        assert len(np.unique(expected)) > 30


@BOTH_KERNELS
@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**32 - 1),
    outputs=st.integers(1, 9),
    inputs=st.integers(1, 600),
    sparsity=st.sampled_from([0.0, 0.6, 0.95]),
    shift=st.one_of(st.none(), st.integers(-31, 8)),
    clamp=st.sampled_from([(-128, 127), (-128, 100), (0, 127), (-20, 20), (5, 5)]),
)
def test_any_layer(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    seed: int,
    outputs: int,
    inputs: int,
    sparsity: float,
    shift: int | None,
    clamp: tuple[int, int],
    kernel: Kernel,
) -> None:
    layer = random_layer(seed, outputs, inputs, sparsity, shift, clamp)
    assert_equal(runtime, cmsis_nn, layer, kernel)


@BOTH_KERNELS
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shift", [2, 0, -1, -12, -31])
@pytest.mark.parametrize("bias", [0, 2**30, -(2**30), 2_000_000_000, -2_000_000_000])
def test_largest_accumulators(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    bias: int,
    shift: int,
    sign: int,
    kernel: Kernel,
) -> None:
    layer = random_layer(4, 6, 400, 0.5, shift)
    weights = np.where(layer.weights > 0, 127, np.where(layer.weights < 0, -128, 0)).astype(np.int8)
    matched = np.where(weights[0] >= 0, 127, -128).astype(np.int8)
    layer = replace(
        layer,
        weights=weights,
        input=matched if sign > 0 else ~matched,
        bias=np.full(6, bias, np.int32),
    )
    assert_equal(runtime, cmsis_nn, layer, kernel)


def test_gaps_longer_than_a_step(runtime: KernelLibrary, cmsis_nn: KernelLibrary) -> None:
    layer = random_layer(5, 6, 3000, 0.0)
    layer.weights[:] = 0
    for row, gap in enumerate((254, 255, 256, 257, 510, 511)):
        layer.weights[row, gap::gap] = -128
    assert_equal(runtime, cmsis_nn, layer, "delta8")
