# SPDX-License-Identifier: Apache-2.0
"""sparsec_depthwise_convolve_3x3_s8 gives the bytes of CMSIS-NN and of the oracle on the same weights."""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.layouts.depthwise_3x3 import (
    ANY,
    PLAIN,
    QUICK,
    pack_depthwise_3x3,
    scratch_bytes,
    unpack_depthwise_3x3,
)
from sparsec.quantization.params import Requant
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
from tests.runtime.test_depthwise_sparse import Depthwise, dense_output, oracle
from tests.runtime.test_depthwise_sparse import random_layer as random_depthwise

FUNCTION = "sparsec_depthwise_convolve_3x3_s8"
RELU: dict[str, Any] = {"output_offset": -128}


@dataclass(frozen=True)
class Depthwise3x3(Depthwise):
    """One layer of 3x3 windows and its input."""

    @property
    def stream(self) -> Int32:
        bias = fold_input_offset(self.bias, np.moveaxis(self.weights, -1, 0), self.input_offset)
        requant = Requant(-self.input_offset, self.output_offset, self.clamp)
        return pack_depthwise_3x3(self.weights, bias, self.multipliers, self.shifts, requant)

    @property
    def scratch_bytes(self) -> int:
        height, width, _ = self.input.shape
        return scratch_bytes(self.window, (height, width), self.output)

    @property
    def kinds(self) -> set[int]:
        return set(unpack_depthwise_3x3(self.stream, self.channels).kinds.tolist())


def output_of(runtime: KernelLibrary, layer: Depthwise3x3) -> Int8:
    input_dims, _, output_dims = layer.dims()
    params, size = layer.params(), layer.scratch_bytes
    assert runtime.call(f"{FUNCTION}_get_buffer_size", params, input_dims, output_dims) == size
    output = Guarded(layer.output_bytes)
    runtime.call(
        FUNCTION, context(Guarded(size)), params, input_dims, layer.input, layer.stream, output_dims,
        output,
    )  # fmt: skip
    return output.bytes


def assert_equal(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Depthwise3x3) -> Int8:
    expected = oracle(layer)
    np.testing.assert_array_equal(output_of(runtime, layer), expected)
    # arm_depthwise_conv_3x3_s8 reads the middle of a window without asking whether it is padding.
    if max(layer.window.padding[2:]) < 2:
        np.testing.assert_array_equal(dense_output(cmsis_nn, layer), expected)
    return expected


def random_layer(
    rng: np.random.Generator, image: tuple[int, int, int], window: Window, **other: Any
) -> Depthwise3x3:
    """A layer without zeros, whose outputs spread over the int8 range, and over twice that where half is cut off."""
    layer = random_depthwise(rng, image, (3, 3), 0.0, window, **other)
    wide = Depthwise3x3(**vars(layer))
    return replace(wide, shifts=wide.shifts + np.int32(layer.output_offset == -128))


def same(stride: int = 1) -> Window:
    return Window((stride, stride), (1, 1, 1, 1))


SHAPES: list[tuple[tuple[int, int, int], Window]] = [
    ((25, 5, 64), same()),
    ((12, 12, 9), same()),
    ((6, 6, 17), same()),
    ((3, 3, 35), same()),
    ((13, 12, 8), Window((2, 2), (0, 0, 1, 1))),
    ((12, 13, 7), Window((2, 2), (1, 1, 0, 0))),
    ((7, 8, 6), Window((2, 2))),
    ((9, 5, 5), Window()),
    ((5, 6, 4), Window((1, 1), (2, 2, 2, 2))),
    ((5, 6, 4), Window((2, 2), (2, 2, 2, 2))),
    ((8, 5, 3), same()),
    ((8, 5, 2), same(2)),
    ((8, 5, 1), same()),
    ((1, 1, 5), same()),
    ((1, 9, 5), same(2)),
    ((9, 1, 5), Window((1, 1), (0, 1, 0, 1))),
]


@pytest.mark.parametrize("other", [{}, RELU], ids=["linear", "relu"])
@pytest.mark.parametrize(("image", "window"), SHAPES, ids=str)
def test_shapes(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    image: tuple[int, int, int],
    window: Window,
    other: dict[str, Any],
) -> None:
    layer = random_layer(np.random.default_rng(7), image, window, **other)
    expected = assert_equal(runtime, cmsis_nn, layer)
    if expected.size > 64:
        assert len(np.unique(expected)) > 10, "the outputs are nearly constant"


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "width"), list(product(range(1, 9), repeat=2)))
def test_every_block_and_tail(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, height: int, width: int, stride: int
) -> None:
    rng = np.random.default_rng(height * 12 + width)
    layer = random_layer(rng, (height, width, 5), same(stride), output_offset=-128 + width % 2)
    assert_equal(runtime, cmsis_nn, layer)


@st.composite
def layers(draw: st.DrawFn) -> Depthwise3x3:
    stride = draw(st.sampled_from([1, 2]))
    before, behind = (draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(2))
    height, width = (max(draw(st.integers(1, 11)), 3 - before[i] - behind[i], 1) for i in range(2))
    window = Window((stride, stride), (*before, *behind))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels = draw(st.integers(1, 11))
    layer = random_layer(rng, (height, width, channels), window)
    low, offset = draw(st.sampled_from([(-128, -128), (-128, -2), (-2, -2), (0, -7), (40, 127)]))

    def full(value: int) -> Int32:
        return np.full(channels, value, np.int32)

    mixed = rng.integers(-16, 3, channels).astype(np.int32)
    one = full(draw(st.integers(-31, 8)))
    return replace(
        layer,
        shifts=draw(st.sampled_from([layer.shifts, mixed, one])),
        multipliers=draw(st.sampled_from([layer.multipliers, full(2**31 - 1), full(2**30)])),
        bias=layer.bias * draw(st.sampled_from([1, 0, 100])),
        input_offset=draw(st.integers(-127, 128)),
        output_offset=offset,
        clamp=(low, draw(st.sampled_from([127, 127, 90, low]))),
    )


@settings(deadline=None, max_examples=300)
@given(layer=layers())
def test_any_layer(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Depthwise3x3) -> None:
    assert_equal(runtime, cmsis_nn, layer)


def extreme_layer(bias: int, shift: int, **other: Any) -> Depthwise3x3:
    """3x3 windows of extreme weights, and inputs of their signs and of the opposite ones."""
    rng = np.random.default_rng(1)
    weights = rng.choice([-128, 127], (3, 3, 4)).astype(np.int8)
    worst = np.where(weights > 0, 127, -128).astype(np.int8)
    layer = Depthwise3x3(
        input=np.concatenate([worst, ~worst, worst], axis=1),
        weights=weights,
        bias=np.full(4, bias, np.int32),
        multipliers=np.array([2**30, 2**31 - 1, 1_500_000_001, 2**30 + 1], np.int32),
        shifts=np.full(4, shift, np.int32),
        input_offset=0,
    )
    return replace(layer, **other)


def extremes() -> list[Depthwise3x3]:
    offsets: tuple[dict[str, int], ...] = (
        {"output_offset": -128, "input_offset": 128},
        {"output_offset": -2},
        {"output_offset": 127, "input_offset": -127},
    )
    shifts = (5, 2, 0, *range(-1, -15, -1), -21, -22, -23, -31)
    result = [extreme_layer(0, shift, **offset) for shift in shifts for offset in offsets]
    for bias in (2**20, -(2**21), 2**23, 2**28, -(2**28), 2**30 - 2**18, 2**30):
        result += [extreme_layer(bias, shift, **RELU) for shift in (-5, -8, -11, -22)]
    return result


@pytest.mark.parametrize("layer", extremes())
def test_extremes(runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Depthwise3x3) -> None:
    assert_equal(runtime, cmsis_nn, layer)


def near_limits() -> list[tuple[Depthwise3x3, int]]:
    """Layers whose bound is the largest below, and the smallest at, the limit of a kind, and their kind."""
    weights = 128 * 9 * 127
    return [
        (extreme_layer(sign * ((limit >> left) - weights - 1 + over), shift, **RELU), kind + over)
        for shift, left, limit, kind in (
            (-5, 8, 2**31, QUICK),
            (-11, 2, 2**31, QUICK),
            (-22, 0, 2**30, ANY),
        )
        for over in (0, 1)
        for sign in (1, -1)
    ]


@pytest.mark.parametrize(("layer", "kind"), near_limits())
def test_at_the_limits_of_kinds(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, layer: Depthwise3x3, kind: int
) -> None:
    weights = np.clip(layer.weights, -127, 127)
    layer = replace(layer, weights=weights)
    assert layer.kinds == {kind}
    assert_equal(runtime, cmsis_nn, layer)


def device_layers() -> list[Depthwise3x3]:
    rng = np.random.default_rng(11)
    result = [random_layer(rng, *shape, **other) for shape in SHAPES for other in ({}, RELU)]
    sizes = [(2, 2), (2, 3), (3, 2), (4, 5), (5, 4), (7, 7)]
    result += [
        random_layer(rng, (*size, 6), same(stride), **RELU) for size in sizes for stride in (1, 2)
    ]
    mixed = random_layer(rng, (7, 9, 23), same(), **RELU)
    shifts = rng.choice([-30, -14, -12, -9, -7, -5, 0, 1], 23).astype(np.int32)
    for window in (same(), same(2)):
        result.append(replace(mixed, shifts=shifts, window=window))
        result.append(replace(mixed, shifts=shifts, window=window, output_offset=-2))
    base = random_layer(rng, (5, 8, 8), same(), **RELU)
    clamps = ((-10, 90), (-128, 5), (0, 127), (7, 7))
    result += [replace(base, clamp=clamp) for clamp in clamps]
    return result + extremes()


def test_all_kinds_run_on_a_device() -> None:
    """Also in one group."""
    layers = device_layers()
    assert {kind for layer in layers for kind in layer.kinds} == {QUICK, ANY, PLAIN}
    assert any(layer.kinds == {QUICK, ANY, PLAIN} for layer in layers)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Int8]:
    """Calls of the kernel and what they must give."""
    result = KernelProject()
    for layer in device_layers():
        window = layer.window
        tiles = (f"{{{w}, {h}}}" for h, w, *_ in (window.strides, window.padding, window.dilations))
        clamp = f"{{{layer.clamp[0]}, {layer.clamp[1]}}}"
        numbers = (layer.input_offset, layer.output_offset, 1)
        result.call(
            FUNCTION,
            [
                "&scratch",
                struct("cmsis_nn_dw_conv_params", *numbers, *tiles, clamp),
                dims(1, *layer.input.shape),
                result.array(layer.input),
                result.array(layer.stream),
                dims(1, *layer.output, layer.channels),
            ],
            layer.output_bytes,
        )
    expected = np.concatenate([oracle(layer) for layer in device_layers()])
    return result.write(tmp_path_factory.mktemp("depthwise_3x3"), f"{FUNCTION}*"), expected


def assert_on(cpu: str, project: tuple[Path, Int8], cmsis_nn_dir: Path, sanitize: bool) -> None:
    unused = np.zeros((1, 1), np.int8)
    result = run_project(project[0], cpu, [unused], cmsis_nn=cmsis_nn_dir, sanitize=sanitize)
    np.testing.assert_array_equal(result.outputs[0][0], project[1])


def test_host_with_address_sanitizer(project: tuple[Path, Int8], cmsis_nn_dir: Path) -> None:
    assert_on("host", project, cmsis_nn_dir, sanitize=True)


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_core(project: tuple[Path, Int8], cmsis_nn_dir: Path, cpu: str) -> None:
    assert_on(cpu, project, cmsis_nn_dir, sanitize=False)
