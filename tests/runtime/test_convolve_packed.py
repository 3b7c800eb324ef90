# SPDX-License-Identifier: Apache-2.0
"""sparsec_convolve_packed_s8 gives CMSIS-NN's bytes on the same weights with their zeros filled in."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from sparsec.layouts.packed_rows import GENERIC, NARROW, WIDE, pack_rows, slab_for, unpack_rows
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


def window_of(layer: Convolution) -> Window:
    top, left = layer.padding
    return Window(layer.stride, (top, left, top, left), layer.dilation)


def stream_of(layer: Convolution) -> tuple[Int32, int]:
    """The layer's rows and the bytes of scratch."""
    _, height, width, channels = layer.weights.shape
    window = window_of(layer)
    slab = slab_for(window, layer.output, (height, width), channels)
    bias = fold_input_offset(layer.bias, layer.weights, layer.input_offset)
    arguments = (bias, layer.multipliers, layer.shifts, window, slab)
    return pack_rows(layer.weights, *arguments), slab.bytes


def kinds_of(layer: Convolution) -> set[int]:
    return {row.kind for row in unpack_rows(stream_of(layer)[0])}


def packed_output(runtime: KernelLibrary, layer: Convolution) -> Int8:
    input_dims, filter_dims, output_dims = layer.dims()
    rows, size = stream_of(layer)
    getter = "sparsec_convolve_packed_s8_get_buffer_size"
    assert runtime.call(getter, input_dims, filter_dims, rows) == size
    output = Guarded(layer.output[0] * layer.output[1] * len(layer.weights))
    runtime.call(
        "sparsec_convolve_packed_s8",
        context(Guarded(size)), layer.params(), input_dims, layer.input,
        filter_dims, rows, output_dims, output,
    )  # fmt: skip
    return output.bytes


def assert_equal(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Convolution) -> Int8:
    expected = dense_output(cmsis_nn, layer)
    np.testing.assert_array_equal(packed_output(runtime, layer), expected)
    return expected


SHAPES: list[tuple[tuple[int, int, int], int, tuple[int, int], dict[str, Any]]] = [
    ((25, 5, 64), 20, (1, 1), {}),
    ((3, 3, 40), 20, (1, 1), {}),
    ((7, 5, 33), 7, (1, 1), {"stride": (2, 2)}),
    ((8, 1, 33), 7, (1, 1), {"stride": (2, 1)}),
    ((8, 8, 16), 12, (3, 3), {"padding": (1, 1)}),
    ((8, 8, 16), 12, (3, 3), {"padding": (1, 1), "stride": (2, 2)}),
    ((9, 7, 5), 6, (3, 3), {"padding": (1, 0), "stride": (2, 1), "output": (5, 6)}),
    ((9, 9, 3), 5, (3, 2), {"dilation": (2, 3), "padding": (2, 1)}),
    ((1, 40, 6), 4, (1, 5), {"padding": (0, 2)}),
    ((40, 1, 6), 4, (5, 1), {"padding": (2, 0)}),
    ((10, 12, 1), 8, (10, 4), {"stride": (2, 2), "padding": (4, 1)}),
    ((3, 3, 300), 4, (3, 3), {"padding": (1, 1)}),
    ((2, 3, 4), 3, (5, 5), {"padding": (4, 4)}),
    ((1, 1, 70), 23, (1, 1), {}),
]


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("image", "outputs", "kernel", "other"), SHAPES, ids=str)
def test_shapes(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    image: tuple[int, int, int],
    outputs: int,
    kernel: tuple[int, int],
    other: dict[str, Any],
    sparsity: float,
) -> None:
    layer = random_layer(np.random.default_rng(7), image, outputs, kernel, sparsity, **other)
    expected = assert_equal(runtime, cmsis_nn, layer)
    if sparsity < 1:
        assert len(np.unique(expected)) > 10, "the outputs are nearly constant"


@pytest.mark.parametrize("pixels", range(1, 36))
def test_strips_and_their_tails(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, pixels: int
) -> None:
    layer = random_layer(np.random.default_rng(pixels), (1, pixels, 20), 5, (1, 1), 0.5)
    assert_equal(runtime, cmsis_nn, layer)


@settings(max_examples=200)
@given(layer=layers())
def test_any_layer(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Convolution) -> None:
    assert_equal(runtime, cmsis_nn, layer)


def extreme_layer(nonzeros: int, bias: int, shift: int, blocks: bool) -> Convolution:
    """A 1x1 layer of four outputs and twelve pixels, each pixel the worst input for one row and sign.

    Every row has `nonzeros` weights of magnitude 127, next to each other where `blocks`.
    """
    rng = np.random.default_rng(nonzeros)
    channels = 300
    weights = np.zeros((4, 1, 1, channels), np.int8)
    for row in weights.reshape(4, -1):
        places = np.arange(nonzeros) if blocks else rng.choice(channels, nonzeros, replace=False)
        row[places] = 127 * rng.choice([-1, 1], nonzeros)
    worst = np.where(weights.reshape(4, channels) > 0, 127, -128).astype(np.int8)
    image = np.concatenate([worst, ~worst, worst]).reshape(1, 12, channels)
    return Convolution(
        input=image,
        weights=weights,
        bias=np.array([bias, -bias, bias, -bias], np.int32),
        multipliers=np.array([2**30, 2**31 - 1, 1_500_000_001, 2**30 + 1], np.int32),
        shifts=np.full(4, shift, np.int32),
        output=(1, 12),
        input_offset=0,
    )


def near_limits() -> list[tuple[Convolution, int]]:
    """Layers whose bound is the largest below, and the smallest at or above, each field's limit, and
    the kind their rows must be."""
    result: list[tuple[Convolution, int]] = []
    for limit, below, above in ((2**21, NARROW, WIDE), (2**22, WIDE, GENERIC)):
        nonzeros = limit // (128 * 127)
        rest = limit - nonzeros * 128 * 127
        for shift, blocks in product((-1, -9, -13, -22), (False, True)):
            result.append((extreme_layer(nonzeros, rest - 1, shift, blocks), below))
            result.append((extreme_layer(nonzeros, rest, shift, blocks), above))
    return result


@pytest.mark.parametrize(("layer", "kind"), near_limits())
def test_at_the_limits_of_a_field(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Convolution, kind: int
) -> None:
    assert kinds_of(layer) == {kind}
    assert_equal(runtime, cmsis_nn, layer)


def largest_accumulators(bias: int, shift: int) -> list[Convolution]:
    """3x3 rows of extreme weights, several parts of a row where a field is too small, and the worst inputs for one."""
    rng = np.random.default_rng(1)
    layer = random_layer(rng, (3, 3, 50), 4, (3, 3), 0.3, bias=np.full(4, bias, np.int32))
    weights = np.where(layer.weights > 0, 127, np.where(layer.weights < 0, -128, 0)).astype(np.int8)
    layer = replace(
        layer,
        weights=weights,
        shifts=np.full(4, shift, np.int32),
        multipliers=np.array([2**30, 2**31 - 1, 1_500_000_001, 2**30 + 1], np.int32),
        input_offset=0,
    )
    worst = sign_matched(layer, row=0)
    return [replace(layer, input=image) for image in (worst, ~worst)]


@pytest.mark.parametrize("shift", [0, -1, -9, -16, -21, -22, -23, -30, -31, 3])
@pytest.mark.parametrize("bias", [0, 2**20, -(2**21), 2**29, -(2**30), 2_100_000_000])
def test_largest_accumulators(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, bias: int, shift: int
) -> None:
    for layer in largest_accumulators(bias, shift):
        assert GENERIC in kinds_of(layer)
        assert_equal(runtime, cmsis_nn, layer)


def test_rows_of_many_parts(runtime: KernelLibrary, cmsis_nn: KernelLibrary) -> None:
    layer = random_layer(np.random.default_rng(5), (1, 2, 40_000), 1, (1, 1), 0.0)
    layer = replace(
        layer,
        weights=np.full((1, 1, 1, 40_000), -128, np.int8),
        input=np.full((1, 2, 40_000), -128, np.int8),
        shifts=np.array([-22], np.int32),
        input_offset=0,
    )
    assert_equal(runtime, cmsis_nn, layer)


def test_gaps_longer_than_a_step(runtime: KernelLibrary, cmsis_nn: KernelLibrary) -> None:
    layer = random_layer(np.random.default_rng(2), (3, 3, 400), 6, (3, 3), 0.0)
    weights = np.zeros((6, 3600), np.int8)
    for row, gap in enumerate((254, 255, 256, 257, 510, 511)):
        weights[row, ::gap] = 127
    assert_equal(runtime, cmsis_nn, replace(layer, weights=weights.reshape(layer.weights.shape)))


def device_layers() -> list[Convolution]:
    rng = np.random.default_rng(11)

    def layer(*args: Any, **other: Any) -> Convolution:
        return random_layer(rng, *args, **other)

    result = [layer((1, pixels, 19), 5, (1, 1), 0.5) for pixels in range(1, 19)]
    result += [layer(*shape, 0.6, **other) for *shape, other in SHAPES]
    result += [
        layer((4, 4, 16), 4, (1, 1), 0.0, clamp=(-10, 90)),
        layer((5, 3, 16), 5, (1, 1), 0.5, clamp=(-128, 5)),
        layer((5, 3, 16), 5, (1, 1), 0.5, clamp=(0, 127)),
        layer((1, 1, 16), 3, (1, 1), 0.5, clamp=(7, 7)),
        layer((3, 3, 300), 3, (3, 3), 0.995, padding=(1, 1)),
    ]
    # Blocks of four channels in strips of 1 to 4 words, 300 channels apart.
    for pixels in (2, 4, 6, 8, 10):
        blocks = layer((1, pixels, 600), 5, (1, 1), 0.0)
        blocks.weights[:, :, :, 8 * pixels : 300 + 4 * pixels] = 0
        result.append(blocks)
    # Rows of 0 to 9 entries.
    counts = layer((2, 4, 12), 10, (1, 1), 0.0)
    weights = counts.weights.copy()
    for row in range(10):
        weights[row, :, :, row:] = 0
    result.append(replace(counts, weights=weights))
    base = layer((2, 5, 24), 4, (1, 1), 0.3)
    for shift in (2, 0, *range(-1, -15, -1), -22, -23, -31):
        for pixels in (2, 4, 6, 8):
            image = np.ascontiguousarray(base.input.reshape(1, 10, 24)[:, :pixels])
            shifts = np.full(4, shift, np.int32)
            result.append(replace(base, input=image, output=(1, pixels), shifts=shifts))
    for bias, shift in ((0, -13), (2**20, -22), (-(2**29), -23), (2**29, 0)):
        result += largest_accumulators(bias, shift)
    return result + [layer for layer, _ in near_limits()]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Its directory and the bytes it writes."""
    result = KernelProject()
    for layer in device_layers():
        tiles = (f"{{{w}, {h}}}" for h, w in (layer.stride, layer.padding, layer.dilation))
        offsets = (layer.input_offset, layer.output_offset)
        clamp = ", ".join(map(str, layer.clamp))
        result.call(
            "sparsec_convolve_packed_s8",
            [
                "&scratch",
                struct("cmsis_nn_conv_params", *offsets, *tiles, f"{{{clamp}}}"),
                dims(1, *layer.input.shape),
                result.array(layer.input),
                dims(*layer.weights.shape),
                result.array(stream_of(layer)[0]),
                dims(1, *layer.output, len(layer.weights)),
            ],
            layer.output[0] * layer.output[1] * len(layer.weights),
        )
    return result.write(tmp_path_factory.mktemp("packed")), result.output_bytes


@pytest.fixture(scope="module")
def expected(cmsis_nn: KernelLibrary) -> Int8:
    return np.concatenate([dense_output(cmsis_nn, layer) for layer in device_layers()])


def run_on(cpu: str, project: Path, cmsis_nn_dir: Path, sanitize: bool = False) -> Int8:
    unused = np.zeros((1, 1), np.int8)
    result = run_project(project, cpu, [unused], cmsis_nn=cmsis_nn_dir, sanitize=sanitize)
    return result.outputs[0][0]


def test_host_with_address_sanitizer(
    project: tuple[Path, int], expected: Int8, cmsis_nn_dir: Path
) -> None:
    outputs = run_on("host", project[0], cmsis_nn_dir, sanitize=True)
    np.testing.assert_array_equal(outputs, expected)


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33"])
def test_core(project: tuple[Path, int], expected: Int8, cmsis_nn_dir: Path, cpu: str) -> None:
    np.testing.assert_array_equal(run_on(cpu, project[0], cmsis_nn_dir), expected)
