# SPDX-License-Identifier: Apache-2.0
"""The Helium convolutions of four pixels at a time give CMSIS-NN's bytes: dense, by blocks of 16 and of 4.

Their plain C runs here, between guard bytes, their vector code on QEMU, on the same layers: every number of pixels and
channels behind the fours, windows of all kinds, rows without weights, more than 256 columns, shifts to both sides.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings

from sparsec.layouts.linear_rows import RowNumbers
from sparsec.layouts.quads import Windows, pack_blocks, pack_runs
from sparsec.quantization.window import Window
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    Guarded,
    Int8,
    Int32,
    KernelLibrary,
    context,
    fold_input_offset,
)
from tests.runtime.kernel_project import KernelProject, dims, struct
from tests.runtime.test_convolve_delta8 import (
    Convolution,
    dense_output,
    layers,
    random_layer,
    sign_matched,
)

Name = Literal["runs", "1x16", "1x4"]
NAMES: tuple[Name, ...] = ("runs", "1x16", "1x4")
SIZES = {"1x16": 16, "1x4": 4}


def windows_of(layer: Convolution) -> Windows:
    height, width = layer.weights.shape[1:3]
    window = Window(layer.stride, (*layer.padding, *layer.padding), layer.dilation)
    image = (layer.input.shape[0], layer.input.shape[1], layer.input.shape[2])
    return Windows(window, image, layer.output, (height, width))


def takes(name: Name, layer: Convolution) -> bool:
    return name == "runs" or windows_of(layer).why_no_blocks(SIZES[name]) is None


def stream_of(name: Name, layer: Convolution) -> tuple[Int32, int]:
    """The rows of a layer and the bytes of scratch."""
    windows, outputs = windows_of(layer), len(layer.weights)
    matrix = layer.weights.reshape(outputs, -1)
    bias = fold_input_offset(layer.bias, layer.weights, layer.input_offset)
    numbers = RowNumbers(bias, layer.multipliers, layer.shifts)
    if name == "runs":
        runs = 1 if windows.packs(outputs) else windows.runs[0]
        return pack_runs(matrix, numbers, runs), windows.scratch_of_runs(outputs)
    size = SIZES[name]
    return pack_blocks(matrix, numbers, windows, size), windows.scratch_of_blocks(size)


def quad_output(runtime: KernelLibrary, name: Name, layer: Convolution) -> Int8:
    input_dims, filter_dims, output_dims = layer.dims()
    rows, size = stream_of(name, layer)
    packed = (int(windows_of(layer).packs(len(layer.weights))),) if name == "runs" else ()
    getter = f"sparsec_convolve_{name}_s8_get_buffer_size"
    shapes = (layer.params(), input_dims, filter_dims, *packed, output_dims)
    assert runtime.call(getter, *shapes) == size
    output = Guarded(layer.output[0] * layer.output[1] * len(layer.weights))
    runtime.call(
        f"sparsec_convolve_{name}_s8",
        context(Guarded(size)), layer.params(), input_dims, layer.input,
        filter_dims, *packed, rows, output_dims, output,
    )  # fmt: skip
    return output.bytes


SHAPES: list[tuple[tuple[int, int, int], int, tuple[int, int], dict[str, Any]]] = [
    ((25, 5, 64), 20, (1, 1), {}),
    ((3, 3, 300), 21, (1, 1), {}),
    ((7, 5, 36), 7, (1, 1), {"stride": (2, 2)}),
    ((8, 8, 16), 12, (3, 3), {"padding": (1, 1)}),
    ((7, 7, 24), 12, (3, 3), {"padding": (1, 1), "stride": (2, 2), "clamp": (-20, 77)}),
    ((9, 6, 20), 6, (3, 3), {"padding": (1, 0), "stride": (2, 1), "output": (5, 5)}),
    ((9, 9, 16), 5, (3, 2), {"dilation": (2, 3), "padding": (2, 1)}),
    ((9, 9, 3), 9, (3, 2), {"dilation": (2, 1)}),
    ((1, 40, 6), 4, (1, 5), {"padding": (0, 2)}),
    ((21, 1, 8), 4, (5, 1), {"padding": (2, 0)}),
    ((10, 12, 1), 16, (10, 4), {"stride": (2, 2), "padding": (4, 1)}),
    ((12, 10, 3), 8, (3, 3), {"stride": (2, 2), "padding": (0, 0), "output": (6, 5)}),
    ((8, 9, 40), 9, (3, 3), {}),
    ((2, 3, 4), 3, (5, 5), {"padding": (4, 4)}),
    ((1, 1, 70), 23, (1, 1), {}),
]


def cases() -> list[Convolution]:
    rng = np.random.default_rng(7)
    found = [
        random_layer(rng, image, outputs, kernel, sparsity, **other)
        for image, outputs, kernel, other in SHAPES
        for sparsity in (0.0, 0.9)
    ]
    # Every number of pixels and channels behind the fours, and of weights behind the vectors.
    found += [
        random_layer(rng, (1, pixels, 16 + pixels % 7 * 4), 1 + pixels % 6, (1, 1), 0.7)
        for pixels in range(1, 10)
    ]
    base = random_layer(rng, (4, 5, 40), 4, (2, 2), 0.3)
    weights = np.where(base.weights > 0, 127, np.where(base.weights < 0, -128, 0)).astype(np.int8)
    for shift in (2, 0, -1, -9, -31):
        for bias in (0, 2**29, -(2**29) - 1):
            shifts, biases = np.full(4, shift, np.int32), np.full(4, bias, np.int32)
            case = replace(base, weights=weights, shifts=shifts, bias=biases, input_offset=0)
            image = case.input.copy()
            image[:2, :2] = sign_matched(case, row=0)
            found.append(replace(case, input=image))
    return found


CASES: list[tuple[Name, Convolution]] = [
    (name, layer) for name in NAMES for layer in cases() if takes(name, layer)
]


def test_plain_c(runtime: KernelLibrary, cmsis_nn: KernelLibrary) -> None:
    for name, layer in CASES:
        expected = dense_output(cmsis_nn, layer)
        np.testing.assert_array_equal(quad_output(runtime, name, layer), expected)


@settings(max_examples=150)
@given(layer=layers())
def test_any_layer(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Convolution) -> None:
    expected = dense_output(cmsis_nn, layer)
    for name in NAMES:
        if takes(name, layer):
            np.testing.assert_array_equal(quad_output(runtime, name, layer), expected)


def add_call(project: KernelProject, name: Name, layer: Convolution) -> None:
    rows, _ = stream_of(name, layer)
    tiles = ", ".join(f"{{{w}, {h}}}" for h, w in (layer.stride, layer.padding, layer.dilation))
    low, high = layer.clamp
    offsets = f"{layer.input_offset}, {layer.output_offset}"
    packed = [str(int(windows_of(layer).packs(len(layer.weights))))] if name == "runs" else []
    project.call(
        f"sparsec_convolve_{name}_s8",
        [
            "&scratch",
            struct("cmsis_nn_conv_params", offsets, tiles, f"{{{low}, {high}}}"),
            dims(1, *layer.input.shape),
            project.array(layer.input),
            dims(*layer.weights.shape),
            *packed,
            project.array(rows),
            dims(1, *layer.output, len(layer.weights)),
        ],
        layer.output[0] * layer.output[1] * len(layer.weights),
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = KernelProject()
    for name, layer in CASES:
        add_call(result, name, layer)
    return result.write(tmp_path_factory.mktemp("quads"), "sparsec_convolve_[r1]*")


@pytest.mark.qemu
def test_helium(project: Path, cmsis_nn: KernelLibrary, cmsis_nn_dir: Path) -> None:
    unused = np.zeros((1, 1), np.int8)
    found = run_project(project, "cortex-m55", [unused], cmsis_nn=cmsis_nn_dir).outputs[0][0]
    at = 0
    for name, layer in CASES:
        expected = dense_output(cmsis_nn, layer)
        part = found[at : at + len(expected)]
        at += len(expected)
        np.testing.assert_array_equal(part, expected, f"{name}: {layer.weights.shape}")
