# SPDX-License-Identifier: Apache-2.0
"""`sparsec_transpose_conv_s8` against the definition, on this machine and as each core compiles it."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    Activation,
    Dims,
    Guarded,
    Int8,
    KernelLibrary,
    Struct,
    Tile,
    per_channel,
)
from tests.runtime.kernel_project import KernelProject, dims
from tests.runtime.kernel_project import per_channel as per_channel_text
from tests.runtime.transpose_convolution import TransposeConvolution, random_layer, scattered

PAIRS = st.tuples(st.integers(1, 5), st.integers(1, 5))


class TransposeConvParams(Struct):
    _fields_ = [
        ("input_offset", ctypes.c_int32),
        ("output_offset", ctypes.c_int32),
        ("stride", Tile),
        ("padding", Tile),
        ("padding_offsets", Tile),
        ("dilation", Tile),
        ("activation", Activation),
    ]


def our_output(runtime: KernelLibrary, layer: TransposeConvolution) -> Int8:
    output = Guarded(int(np.prod(layer.shape)))
    params = TransposeConvParams(
        layer.input_offset,
        layer.output_offset,
        Tile(*layer.stride[::-1]),
        Tile(*layer.padding[::-1]),
        Tile(0, 0),
        Tile(1, 1),
        Activation(*layer.clamp),
    )
    runtime.call(
        "sparsec_transpose_conv_s8",
        params, per_channel(layer.multipliers, layer.shifts),
        Dims(1, *layer.input.shape), layer.input, Dims(*layer.weights.shape), layer.weights,
        layer.bias, Dims(1, *layer.shape), output,
    )  # fmt: skip
    return output.bytes.reshape(layer.shape)


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32),
    size=PAIRS,
    channels=st.integers(1, 19),
    outputs=st.integers(1, 5),
    kernel=PAIRS,
    stride=PAIRS,
    same=st.booleans(),
    clamp=st.sampled_from([(-128, 127), (-30, 55)]),
)
def test_any_geometry(
    runtime: KernelLibrary,
    seed: int,
    size: tuple[int, int],
    channels: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    same: bool,
    clamp: tuple[int, int],
) -> None:
    rng = np.random.default_rng(seed)
    layer = random_layer(rng, (*size, channels), outputs, kernel, stride, same, clamp)
    np.testing.assert_array_equal(our_output(runtime, layer), scattered(layer))


def device_layers() -> list[TransposeConvolution]:
    """Channels around each vector's size, then kernels below, at and above the strides."""
    rng = np.random.default_rng(3)
    layers = [
        random_layer(rng, (2, 3, channels), 3, (3, 3), (2, 2), same=True)
        for channels in (1, 3, 4, 5, 8, 15, 16, 17, 33)
    ]
    layers += [
        random_layer(rng, (4, 5, 8), 1 + (same + stride[1]) % 4, kernel, stride, same, (-90, 100))
        for kernel in ((1, 1), (2, 2), (3, 4))
        for stride in ((1, 1), (2, 2), (1, 3))
        for same in (False, True)
    ]
    return layers


def add_call(project: KernelProject, layer: TransposeConvolution) -> None:
    tiles = ", ".join(f"{{{w}, {h}}}" for h, w in (layer.stride, layer.padding, (0, 0), (1, 1)))
    low, high = layer.clamp
    project.call(
        "sparsec_transpose_conv_s8",
        [
            f"&(cmsis_nn_transpose_conv_params){{{layer.input_offset}, {layer.output_offset}, "
            f"{tiles}, {{{low}, {high}}}}}",
            per_channel_text(project, layer.multipliers, layer.shifts),
            dims(1, *layer.input.shape),
            project.array(layer.input),
            dims(*layer.weights.shape),
            project.array(layer.weights),
            project.array(layer.bias),
            dims(1, *layer.shape),
        ],
        int(np.prod(layer.shape)),
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = KernelProject()
    for layer in device_layers():
        add_call(result, layer)
    return result.write(tmp_path_factory.mktemp("transpose_conv"))


@pytest.mark.parametrize(
    "cpu",
    [
        "host",
        pytest.param("cortex-m3", marks=pytest.mark.qemu),
        pytest.param("cortex-m4", marks=pytest.mark.qemu),
        pytest.param("cortex-m55", marks=pytest.mark.qemu),
    ],
)
def test_core(project: Path, cmsis_nn_dir: Path, cpu: str) -> None:
    unused = np.zeros((1, 1), np.int8)
    result = run_project(project, cpu, [unused], cmsis_nn=cmsis_nn_dir, sanitize=cpu == "host")
    expected = np.concatenate([scattered(layer).reshape(-1) for layer in device_layers()])
    np.testing.assert_array_equal(result.outputs[0][0], expected)
