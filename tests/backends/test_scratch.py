# SPDX-License-Identifier: Apache-2.0
"""Scratch sizes against CMSIS-NN's own functions, compiled for the host: those of the release in use."""

import ctypes
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from sparsec.kernels.convolve_delta8 import scratch_bytes as delta8_scratch
from sparsec.layouts.depthwise_rows import pack_depthwise, plane_for
from sparsec.layouts.packed_rows import pack_rows, slab_for
from sparsec.quantization.window import Window
from sparsec.run.object_cache import Folders
from sparsec.targets import scratch
from sparsec.targets.cmsis_nn import Release, read_release
from sparsec.targets.cpu import VectorUnit
from sparsec.targets.runtime import runtime_dir
from tests.shared_library import shared_library

SUFFIXES: dict[VectorUnit, str] = {"scalar": "", "dsp": "_dsp", "mve": "_mve"}


def struct(*fields: Any) -> type[ctypes.Structure]:
    members: list[Any] = [(f, ctypes.c_int32) if isinstance(f, str) else f for f in fields]
    return type("Struct", (ctypes.Structure,), {"_fields_": members})


Tile = struct("w", "h")
Dims = struct("n", "h", "w", "c")
TILES = (("stride", Tile), ("padding", Tile), ("dilation", Tile), ("activation", Tile))
Conv = struct("input_offset", "output_offset", *TILES)
Depthwise = struct("input_offset", "output_offset", "ch_mult", *TILES)


@pytest.fixture(scope="module")
def getters(cmsis_nn: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    sources = [
        *(cmsis_nn / "Source").rglob("*get_buffer_sizes_s8.c"),
        runtime_dir() / "src" / "sparsec_convolve_delta8_s8_get_buffer_size.c",
        runtime_dir() / "src" / "sparsec_convolve_packed_s8_get_buffer_size.c",
        runtime_dir() / "src" / "sparsec_depthwise_convolve_delta8_s8_get_buffer_size.c",
    ]
    library = tmp_path_factory.mktemp("scratch") / "getters.so"
    folders = Folders((cmsis_nn / "Include", runtime_dir() / "include"))
    shared_library(sources, ("-std=c11", "-w"), folders, library, ["-Wl,-z,lazy"])
    return ctypes.CDLL(str(library), mode=ctypes.RTLD_LOCAL)


@pytest.fixture(scope="module")
def release(cmsis_nn: Path) -> Release:
    return read_release(cmsis_nn / "Include")


def call(getters: ctypes.CDLL, name: str, *arguments: Any) -> int:
    function = getattr(getters, name)
    return function(*(a if isinstance(a, int) else ctypes.byref(a) for a in arguments))


sizes = st.integers(1, 12)
images = st.tuples(st.just(1), st.just(1) | sizes, sizes, st.just(1) | st.integers(1, 300))
kernels = st.tuples(st.integers(1, 5), st.integers(1, 5)) | st.sampled_from(
    [(1, 1), (3, 3), (1, 3)]
)
ones = st.just((1, 1))
windows = st.builds(
    Window,
    ones | st.tuples(sizes, sizes),
    st.just((0, 0, 0, 0)) | st.tuples(*[st.integers(0, 3)] * 4),
    ones | st.tuples(sizes, sizes),
)
units = st.sampled_from(sorted(SUFFIXES))


def params(record: type[ctypes.Structure], window: Window) -> Any:
    result: Any = record()
    (result.stride.h, result.stride.w), (result.dilation.h, result.dilation.w) = (
        window.strides,
        window.dilations,
    )
    result.padding.h, result.padding.w = window.padding[:2]
    return result


def outputs(window: Window, input: tuple[int, ...], kernel: tuple[int, int], channels: int) -> Any:
    """The dimensions of the output of a layer whose window fits."""
    try:
        height, width = window.output_size((input[1], input[2]), kernel)
    except ValueError:
        reject()
    return Dims(1, height, width, channels)


@settings(max_examples=400)
@given(data=st.data(), unit=units, window=windows, input=images, kernel=kernels)
def test_convolve(
    getters: ctypes.CDLL,
    release: Release,
    data: st.DataObject,
    unit: VectorUnit,
    window: Window,
    input: tuple[int, ...],
    kernel: tuple[int, int],
) -> None:
    weights = (data.draw(sizes), *kernel, input[3])
    name = "arm_convolve_wrapper_s8_get_buffer_size" + SUFFIXES[unit]
    output = outputs(window, input, kernel, weights[0])
    expected = call(getters, name, params(Conv, window), Dims(*input), Dims(*weights), output)
    assert scratch.convolve(unit, window, input, weights, release) == expected


@settings(max_examples=400)
@given(
    unit=units,
    window=windows,
    input=images,
    kernel=kernels,
    multiplier=st.sampled_from([1, 1, 2, 4, 16]),
)
def test_depthwise_convolve(
    getters: ctypes.CDLL,
    release: Release,
    unit: VectorUnit,
    window: Window,
    input: tuple[int, ...],
    kernel: tuple[int, int],
    multiplier: int,
) -> None:
    weights = (1, *kernel, input[3] * multiplier)
    name = "arm_depthwise_conv_wrapper_s8_get_buffer_size" + SUFFIXES[unit]
    output = outputs(window, input, kernel, weights[3])
    expected = call(getters, name, params(Depthwise, window), Dims(*input), Dims(*weights), output)
    assert scratch.depthwise_convolve(unit, window, input, weights, release) == expected


@given(unit=units, input=images, width=sizes)
def test_avg_pool(
    getters: ctypes.CDLL, unit: VectorUnit, input: tuple[int, ...], width: int
) -> None:
    name = "arm_avgpool_s8_get_buffer_size" + SUFFIXES[unit]
    assert scratch.avg_pool(unit, input) == call(getters, name, width, input[3])


@given(input=images, kernel=kernels)
def test_convolve_delta8(
    getters: ctypes.CDLL, input: tuple[int, ...], kernel: tuple[int, int]
) -> None:
    name = "sparsec_convolve_delta8_s8_get_buffer_size"
    expected = call(getters, name, Dims(*input), Dims(1, *kernel, input[3]))
    assert delta8_scratch(prod(kernel) * input[3]) == expected


@given(
    output=images,
    kernel=kernels,
    channels=st.integers(1, 20),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
)
def test_convolve_packed(
    getters: ctypes.CDLL,
    output: tuple[int, ...],
    kernel: tuple[int, int],
    channels: int,
    stride: int,
    dilation: int,
) -> None:
    window = Window((1, stride), (0, 0, 0, 0), (1, dilation))
    slab = slab_for(window, (output[1], output[2]), kernel, channels)
    one = np.zeros(1, np.int32)
    rows = pack_rows(np.zeros((1, *kernel, channels), np.int8), one, one, one, window, slab)
    name = "sparsec_convolve_packed_s8_get_buffer_size"
    stream = (ctypes.c_int32 * len(rows))(*rows.tolist())
    expected = call(getters, name, Dims(1, 1, 1, channels), Dims(1, *kernel, channels), stream)
    assert slab_for(window, (output[1], output[2]), kernel, channels).bytes == expected


@given(
    output=images,
    kernel=kernels,
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_depthwise_convolve_delta8(
    getters: ctypes.CDLL,
    output: tuple[int, ...],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> None:
    window = Window(strides, (0, 0, 0, 0), dilations)
    plane = plane_for(window, (output[1], output[2]), kernel)
    one = np.zeros(1, np.int32)
    rows = pack_depthwise(np.zeros((*kernel, 1), np.int8), one, one, one, window, plane)
    params = Depthwise(
        stride=Tile(strides[1], strides[0]), dilation=Tile(dilations[1], dilations[0])
    )
    stream = (ctypes.c_int32 * len(rows))(*rows.tolist())
    shapes = (Dims(1, 1, 1, 1), Dims(1, *kernel, 1), stream, Dims(*output))
    name = "sparsec_depthwise_convolve_delta8_s8_get_buffer_size"
    expected = call(getters, name, params, *shapes)
    assert plane_for(window, (output[1], output[2]), kernel).bytes == expected
