# SPDX-License-Identifier: Apache-2.0
"""sparsec_convolve_pixels_s8 gives CMSIS-NN's bytes, its gaps hold padding, and the conversions of activations move every
byte to its place."""

import ctypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsec.layouts.activations import ChannelMajor
from sparsec.layouts.linear_rows import RowNumbers
from sparsec.layouts.pixel_rows import pack_pixel_rows, taps_of, unpack_pixel_rows
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    Dims,
    Guarded,
    Int8,
    KernelLibrary,
    Struct,
    fold_input_offset,
)
from tests.runtime.kernel_project import KernelProject, dims, struct
from tests.runtime.test_convolve_delta8 import Convolution, dense_output, random_layer


class Planes(Struct):
    _fields_ = [(name, ctypes.c_int32) for name in ("first", "pitch", "plane", "fill")]


def planes_of(layout: ChannelMajor, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    return layout.first(shape), layout.pitch(shape), layout.plane(shape), layout.fill


def layouts_of(layer: Convolution) -> tuple[ChannelMajor, ChannelMajor]:
    """What the kernel reads and leaves: as wide a gap as the padding of all sides needs, and the same rows."""
    span = [layer.dilation[i] * (layer.weights.shape[1 + i] - 1) for i in (0, 1)]
    behind = [
        layer.output[i] - 1 + span[i] - layer.padding[i] - (layer.input.shape[i] - 1)
        for i in (0, 1)
    ]
    rows, columns = (max(layer.padding[i], behind[i], 0) for i in (0, 1))
    read = ChannelMajor(rows, columns, -layer.input_offset if rows or columns else 0)
    more = layer.input.shape[1] + columns - layer.output[1]
    assert more >= 0
    return read, ChannelMajor(rows, more, layer.output_offset if rows or more else 0)


def arrays_of(layer: Convolution, read: ChannelMajor) -> dict[str, NDArray[Any]]:
    bias = fold_input_offset(layer.bias, layer.weights, layer.input_offset)
    numbers = RowNumbers(bias, layer.multipliers, layer.shifts)
    taps = taps_of(read, (1, *layer.input.shape), layer.weights.shape[1:3], layer.dilation)
    arrays = pack_pixel_rows(layer.weights, numbers, taps)
    weights, found = unpack_pixel_rows(arrays["rows"], arrays["steps"], arrays["values"], taps)
    np.testing.assert_array_equal(weights, layer.weights)
    assert found.equals(numbers)
    return arrays


def start_of(layer: Convolution, read: ChannelMajor) -> int:
    shape = (1, *layer.input.shape)
    return read.first(shape) - layer.padding[0] * read.pitch(shape) - layer.padding[1]


def checked(memory: Int8, layout: ChannelMajor, shape: tuple[int, ...], expected: Int8) -> None:
    np.testing.assert_array_equal(layout.view(memory, shape).reshape(-1), expected)
    assert layout.gaps_hold(memory, shape)


def add(project: KernelProject, layer: Convolution) -> tuple[ChannelMajor, tuple[int, ...]]:
    """What the output is."""
    read, left = layouts_of(layer)
    arrays = arrays_of(layer, read)
    shape = (1, *layer.output, len(layer.weights))
    low, high = layer.clamp
    project.call(
        "sparsec_convolve_pixels_s8",
        [
            f"&(cmsis_nn_conv_params){{{layer.input_offset}, {layer.output_offset}, {{1, 1}}, {{{layer.padding[1]}, {layer.padding[0]}}}, {{1, 1}}, {{{low}, {high}}}}}",
            struct("sparsec_planes", *planes_of(read, (1, *layer.input.shape))),
            project.array(read.pack(layer.input[None])),
            *(project.array(arrays[name]) for name in ("rows", "steps", "values")),
            dims(*shape),
            struct("sparsec_planes", *planes_of(left, shape)),
        ],
        left.bytes(shape),
    )
    return left, shape


def layers() -> list[Convolution]:
    rng = np.random.default_rng(5)

    def layer(*args: object, **other: object) -> Convolution:
        return random_layer(rng, *args, **other)  # pyright: ignore[reportArgumentType]

    # Blocks of every size, and several of them; windows of all kinds.
    found = [layer((1, pixels, 9), 4, (1, 1), 0.6) for pixels in (*range(1, 34), 57, 113)]
    found += [
        layer((5, 5, 64), 20, (1, 1), 0.9),
        layer((8, 8, 16), 12, (3, 3), 0.9, padding=(1, 1)),
        layer((7, 5, 300), 4, (1, 1), 0.5),
        layer((6, 9, 4), 5, (3, 2), 0.3, padding=(2, 1), dilation=(2, 1), output=(6, 10 - 1)),
        layer((6, 5, 3), 3, (5, 5), 0.5, padding=(2, 2)),
        layer((9, 4, 3), 3, (3, 3), 0.5),
        layer((4, 3, 8), 3, (1, 1), 1.0),
    ]  # fmt: skip
    wide = layer((2, 7, 13), 6, (1, 1), 0.4, clamp=(-100, 90))
    shifts = np.array([0, 3, -1, -22, -23, -31], np.int32)
    found += [wide, replace(wide, clamp=(-128, 127), shifts=shifts), replace(wide, shifts=shifts)]
    return found


def test_any_layer_on_the_host(runtime: KernelLibrary, cmsis_nn: KernelLibrary) -> None:
    for layer in layers():
        read, left = layouts_of(layer)
        arrays = arrays_of(layer, read)
        shape = (1, *layer.output, len(layer.weights))
        memory, output = read.pack(layer.input[None]), Guarded(left.bytes(shape))
        runtime.call(
            "sparsec_convolve_pixels_s8",
            layer.params(), Planes(*planes_of(read, (1, *layer.input.shape))), memory, arrays["rows"], arrays["steps"],
            arrays["values"], Dims(*shape), Planes(*planes_of(left, shape)), output,
        )  # fmt: skip
        checked(output.bytes, left, shape, dense_output(cmsis_nn, layer))


MOVED = [((h, w, c), gaps) for h, w, c in ((5, 5, 64), (1, 33, 12), (3, 16, 4), (4, 7, 5), (2, 1, 3)) for gaps in (ChannelMajor(), ChannelMajor(1, 1, -7), ChannelMajor(2, 3, 127))]  # fmt: skip


def test_conversions_on_the_host(runtime: KernelLibrary) -> None:
    rng = np.random.default_rng(3)
    for size, layout in MOVED:
        shape = (1, *size)
        image = rng.integers(-128, 128, shape).astype(np.int8)
        planes = Planes(*planes_of(layout, shape))
        there, back = Guarded(layout.bytes(shape)), Guarded(image.size)
        runtime.call("sparsec_to_channel_major_s8", Dims(*shape), image, planes, there)
        checked(there.bytes, layout, shape, image.reshape(-1))
        runtime.call("sparsec_from_channel_major_s8", Dims(*shape), planes, there, back)
        np.testing.assert_array_equal(back.bytes, image.reshape(-1))


def moves(project: KernelProject) -> list[Int8]:
    """Add conversions there and back; the images, and where the calls write."""
    rng = np.random.default_rng(3)
    images: list[Int8] = []
    for size, layout in MOVED:
        shape = (1, *size)
        image = rng.integers(-128, 128, shape).astype(np.int8)
        planes = struct("sparsec_planes", *planes_of(layout, shape))
        words = image.reshape(-1).view(np.int32) if size[2] % 4 == 0 else image
        project.output_bytes += -project.output_bytes % 4
        there = project.output_bytes
        project.call(
            "sparsec_to_channel_major_s8",
            [dims(*shape), f"(const int8_t *){project.array(words)}", planes],
            layout.bytes(shape),
        )
        project.output_bytes += -project.output_bytes % 4
        project.call(
            "sparsec_from_channel_major_s8", [dims(*shape), planes, f"arena + {there}"], image.size
        )
        images.append(image)
    return images


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_core(cmsis_nn_dir: Path, cmsis_nn: KernelLibrary, tmp_path: Path, cpu: str) -> None:
    project = KernelProject()
    images = moves(project)
    starts: list[int] = []
    for layer in layers():
        starts.append(project.output_bytes)
        add(project, layer)
    project.write(tmp_path, "sparsec_*_[pm]*_s8")
    unused = np.zeros((1, 1), np.int8)
    written = run_project(tmp_path, cpu, [unused], cmsis_nn=cmsis_nn_dir).outputs[0][0].reshape(-1)
    for layer, start in zip(layers(), starts, strict=True):
        _, left = layouts_of(layer)
        shape = (1, *layer.output, len(layer.weights))
        memory = written[start : start + left.bytes(shape)]
        checked(memory, left, shape, dense_output(cmsis_nn, layer))
    place = 0
    for image, (_, layout) in zip(images, MOVED, strict=True):
        place += -place % 4
        memory = written[place : place + layout.bytes(image.shape)]
        checked(memory, layout, image.shape, image.reshape(-1))
        place += memory.size + -memory.size % 4
        np.testing.assert_array_equal(written[place : place + image.size], image.reshape(-1))
        place += image.size
