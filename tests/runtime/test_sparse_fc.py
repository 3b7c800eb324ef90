# SPDX-License-Identifier: Apache-2.0
"""The sparse fully connected kernels against the numpy oracle and CMSIS-NN, here and as each core compiles them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.formats.base import Components
from sparsec.layouts.linear import (
    FULL_CLAMP,
    ColumnBlockLayout,
    DenseLayout,
    FcLayout,
    RowBlockLayout,
    RowNumbers,
    TableLayout,
    is_saturating,
    pack_proven,
)
from sparsec.layouts.linear_vectors import ContiguousLayout, GatherLayout, WordLayout
from sparsec.quantization import int8
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    Activation,
    Dims,
    FcParams,
    Guarded,
    Int8,
    Int32,
    KernelLibrary,
    context,
    fold_input_offset,
)
from tests.runtime.kernel_project import KernelProject, dims
from tests.runtime.test_fully_connected import FullyConnected, per_channel_output, random_layer

KERNELS: dict[str, FcLayout] = {
    "table": TableLayout(),
    "1x4": RowBlockLayout(),
    "4x1": ColumnBlockLayout(),
    "4x1_w16": ColumnBlockLayout(weight_bytes=2),
    "dense": DenseLayout(),
    "gather": GatherLayout(),
    "gather_1x4": WordLayout(),
    "1x16": ContiguousLayout(),
}
BLOCKS = {
    "table": (1, 1),
    "1x4": (1, 4),
    "gather": (1, 1),
    "gather_1x4": (1, 4),
    "1x16": (1, 16),
}
"""Of those that do not have 4x1."""

WITH_SCRATCH = "gather_1x4"
EACH_KERNEL = pytest.mark.parametrize("kernel", KERNELS)


def numbers_of(layer: FullyConnected) -> RowNumbers:
    bias = fold_input_offset(layer.bias, layer.weights, layer.input_offset)
    return RowNumbers(bias, layer.multipliers, layer.shifts)


def packed(layer: FullyConnected, kernel: str) -> tuple[int, Components]:
    """Whether the layer is saturating, and its arrays."""
    numbers = numbers_of(layer)
    saturating = is_saturating(layer.weights, numbers, layer.clamp)
    return int(saturating), pack_proven(KERNELS[kernel], layer.weights, numbers)


def fitted(layer: FullyConnected, kernel: str) -> FullyConnected:
    """What the layout of dense weights refuses made smaller, and what that of vectors does made wider."""
    missing = 16 - layer.weights.shape[1]
    if kernel == "1x16" and missing > 0:
        wider = np.pad(layer.weights, ((0, 0), (0, missing)), mode="wrap")
        return replace(layer, weights=wider, input=np.pad(layer.input, (0, missing), mode="wrap"))
    if kernel != "dense":
        return layer
    weights = np.maximum(layer.weights, -127)
    if weights.shape[1] * 127 >= 65536:
        weights = weights // 4
    return replace(layer, weights=weights)


def our_output(runtime: KernelLibrary, layer: FullyConnected, kernel: str) -> Int8:
    outputs, inputs = layer.weights.shape
    saturating, arrays = packed(layer, kernel)
    output = Guarded(outputs)
    scratch = [context(Guarded(inputs))] if kernel == WITH_SCRATCH else []
    runtime.call(
        f"sparsec_fully_connected_{kernel}_s8", *scratch,
        FcParams(layer.input_offset, 0, layer.output_offset, Activation(*layer.clamp)),
        saturating, layer.input, Dims(inputs, 1, 1, outputs), *arrays.values(),
        Dims(1, 1, 1, outputs), output,
    )  # fmt: skip
    return output.bytes


def oracle(layer: FullyConnected) -> Int8:
    return int8.fully_connected(
        layer.input[np.newaxis],
        layer.weights,
        layer.bias,
        input_zp=-layer.input_offset,
        output_zp=layer.output_offset,
        multiplier=layer.multipliers,
        shift=layer.shifts,
        clamp=layer.clamp,
    )[0]


def blocked(layer: FullyConnected, rows: int, columns: int, sparsity: float) -> FullyConnected:
    """Zeros in whole blocks."""
    height, width = layer.weights.shape
    blocks = np.random.default_rng(height * width).random(
        (-(-height // rows), -(-width // columns))
    )
    mask = np.kron(blocks >= sparsity, np.ones((rows, columns), bool))[:height, :width]
    return replace(layer, weights=np.where(mask, layer.weights, 0).astype(np.int8))


@EACH_KERNEL
@pytest.mark.parametrize("inputs", [4, 5, 15, 256, 257, 1024, 1028, 1031])
def test_shapes(runtime: KernelLibrary, cmsis_nn: KernelLibrary, inputs: int, kernel: str) -> None:
    blocks = BLOCKS.get(kernel, (4, 1))
    for outputs in (1, 4, 7):
        dense = fitted(random_layer(outputs, outputs, inputs, 0.0), kernel)
        for (rows, columns), sparsity in (
            (blocks, 0.0),
            (blocks, 0.6),
            (blocks, 1.0),
            ((1, 1), 0.9),
        ):
            layer = blocked(dense, rows, columns, sparsity)
            expected = per_channel_output(cmsis_nn, layer)
            np.testing.assert_array_equal(oracle(layer), expected)
            np.testing.assert_array_equal(our_output(runtime, layer, kernel), expected)


@EACH_KERNEL
@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    outputs=st.integers(1, 9),
    inputs=st.integers(4, 600),
    sparsity=st.floats(0.0, 1.0),
    shift=st.one_of(st.none(), st.integers(-31, 8)),
    clamp=st.sampled_from([FULL_CLAMP, (-128, 100), (0, 127), (-20, 20), (5, 5)]),
)
def test_any_layer(
    runtime: KernelLibrary,
    seed: int,
    outputs: int,
    inputs: int,
    sparsity: float,
    shift: int | None,
    clamp: tuple[int, int],
    kernel: str,
) -> None:
    layer = fitted(random_layer(seed, outputs, inputs, sparsity, shift, clamp), kernel)
    np.testing.assert_array_equal(our_output(runtime, layer, kernel), oracle(layer))


@pytest.mark.parametrize("kernel", [kernel for kernel in KERNELS if kernel != "dense"])
def test_longest_rows(runtime: KernelLibrary, kernel: str) -> None:
    """No count of entries is too small for a row."""
    columns = 65535 if kernel in ("gather", "gather_1x4", "1x16") else 65536
    layer = random_layer(1, 1, columns, 0.0, shift=-16)
    layer = replace(layer, weights=np.where(layer.weights == 0, 1, layer.weights))
    layer = replace(layer, input=np.where(layer.weights[0] > 0, 127, -128).astype(np.int8))
    np.testing.assert_array_equal(our_output(runtime, layer, kernel), oracle(layer))


def extreme_layers() -> list[FullyConnected]:
    """Weights of the largest magnitude, and inputs that match the signs of a row or oppose them."""
    base = random_layer(4, 6, 100, 0.5)
    weights = np.where(base.weights > 0, 127, np.where(base.weights < 0, -128, 0)).astype(np.int8)
    matched = np.where(weights[0] >= 0, 127, -128).astype(np.int8)
    return [
        replace(
            base,
            weights=weights,
            input=matched if bias >= 0 else ~matched,
            input_offset=0,
            bias=np.full(6, bias, np.int32),
            shifts=np.full(6, shift, np.int32),
        )
        for shift in (2, 0, -1, -12, -22, -23, -31)
        for bias in (0, 2**29, -(2**30), 2_000_000_000)
    ]


def ties(shift: int, multiplier: int) -> Int32:
    """Accumulators whose scaled values lie on a tie, beside it, and at the ends of what is saturating."""
    one = 2 ** (31 - shift) / max(multiplier, 1)
    wished = [(n + 0.5) * one for n in (-130, -129, -2, -1, 0, 1, 126, 127)]
    near = [int(np.clip(round(value), -(2**30) + 3, 2**30 - 4)) for value in wished]
    ends = [-(2**30) + 1, -1, 0, 1, 2**30 - 1]
    return np.array(ends + [value + d for value in near for d in (-1, 0, 1)], np.int32)


def tie_layers() -> list[FullyConnected]:
    """No weight, and biases as accumulators: the requantization alone."""
    layers: list[FullyConnected] = []
    for multiplier, offset in (
        (2**30, -128),
        (2**31 - 1, 127),
        (1_431_655_765, -3),
        (1, 0),
        (0, 5),
    ):
        parts = [ties(shift, multiplier) for shift in range(-22, 0)]
        bias = np.concatenate(parts)
        layers.append(
            FullyConnected(
                input=np.zeros(4, np.int8),
                weights=np.zeros((len(bias), 4), np.int8),
                bias=bias,
                multipliers=np.full(len(bias), multiplier, np.int32),
                shifts=np.repeat(np.arange(-22, 0), len(parts[0])).astype(np.int32),
                input_offset=0,
                output_offset=offset,
                clamp=FULL_CLAMP,
            )
        )
    return layers


@EACH_KERNEL
def test_extremes(runtime: KernelLibrary, cmsis_nn: KernelLibrary, kernel: str) -> None:
    for layer in (fitted(each, kernel) for each in [*extreme_layers(), *tie_layers()]):
        expected = per_channel_output(cmsis_nn, layer)
        np.testing.assert_array_equal(our_output(runtime, layer, kernel), expected)


def test_what_is_saturating() -> None:
    assert all(is_saturating(a.weights, numbers_of(a), a.clamp) for a in tie_layers())
    saturating = [is_saturating(a.weights, numbers_of(a), a.clamp) for a in extreme_layers()]
    assert 0 < sum(saturating) < len(saturating)


def device_layers() -> list[FullyConnected]:
    layers = [*extreme_layers(), *tie_layers()]
    # Every number of left-over entries and blocks, narrow and wide.
    for inputs, outputs in ((4, 1), (6, 3), (40, 9), (256, 4), (261, 7), (1100, 4)):
        dense = random_layer(inputs + outputs, outputs, inputs, 0.0)
        layers += [blocked(dense, 1, 1, 0.9), blocked(dense, 1, 4, 0.8), blocked(dense, 4, 1, 0.7)]
        layers.append(blocked(dense, 1, 16, 0.6))
        layers.append(replace(layers[-1], clamp=(-20, 90)))
    for left in range(1, 17):
        layer = random_layer(left, 4, 24, 0.0)
        layer.weights[:, left:] = 0
        layers.append(layer)
    return layers


def add(project: KernelProject, layer: FullyConnected, kernel: str) -> None:
    outputs, inputs = layer.weights.shape
    saturating, arrays = packed(layer, kernel)
    low, high = layer.clamp
    project.call(
        f"sparsec_fully_connected_{kernel}_s8",
        [
            *(["&scratch"] if kernel == WITH_SCRATCH else []),
            f"&(cmsis_nn_fc_params){{{layer.input_offset}, 0, {layer.output_offset}, {{{low}, {high}}}}}",
            str(saturating),
            # Every second input is not aligned.
            f"{project.array(np.append(layer.input[:1], layer.input))} + 1"
            if outputs % 2
            else project.array(layer.input),
            dims(inputs, 1, 1, outputs),
            *(project.array(array) for array in arrays.values()),
            dims(1, 1, 1, outputs),
        ],
        outputs,
    )


def only_sources(directory: Path, names: Sequence[str]) -> None:
    """Leave out the kernels that the project does not call."""
    for path in directory.glob("sparsec_*.c"):
        if path.stem not in names:
            path.unlink()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = KernelProject()
    for kernel in KERNELS:
        for layer in device_layers():
            add(result, fitted(layer, kernel), kernel)
    directory = result.write(tmp_path_factory.mktemp("sparse_fc"))
    only_sources(
        directory,
        [f"sparsec_fully_connected_{name}_s8" for name in KERNELS],
    )
    return directory


@pytest.fixture(scope="module")
def expected() -> Int8:
    return np.concatenate(
        [oracle(fitted(layer, kernel)) for kernel in KERNELS for layer in device_layers()]
    )


def outputs_on(project: Path, cpu: str, cmsis_nn_dir: Path, sanitize: bool = False) -> Int8:
    unused = np.zeros((1, 1), np.int8)
    result = run_project(
        project, cpu, [unused], cmsis_nn=cmsis_nn_dir, sanitize=sanitize, counting=False
    )
    return result.outputs[0][0]


def test_host_with_sanitizers(project: Path, expected: Int8, cmsis_nn_dir: Path) -> None:
    np.testing.assert_array_equal(
        outputs_on(project, "host", cmsis_nn_dir, sanitize=True), expected
    )


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_core(project: Path, expected: Int8, cmsis_nn_dir: Path, cpu: str) -> None:
    np.testing.assert_array_equal(outputs_on(project, cpu, cmsis_nn_dir), expected)
