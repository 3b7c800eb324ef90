# SPDX-License-Identifier: Apache-2.0
"""Slice and resize against numpy, and the loops of a slice."""

from collections.abc import Sequence
from itertools import permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.quantization.window import Slice, permutation_loops
from tests.runtime.kernel_library import Dims, Guarded, Int8, KernelLibrary, Tile
from tests.runtime.kernel_project import KernelProject, dims, struct

MANY = settings(max_examples=200)
Axis = tuple[int, int, int, int]
"""Elements, first index, stride and how many of them."""


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    n = draw(st.integers(1, 6))
    first, last = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
    stride = draw(st.integers(1, 3))
    return n, first, stride if first <= last else -stride, abs(first - last) // stride + 1


def values(shape: tuple[int, ...]) -> Int8:
    return np.random.default_rng(prod(shape)).integers(-128, 128, shape).astype(np.int8)


def six_loops(loops: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Distances of the outer two as a tile (width first), of the inner four, and how many elements each has."""
    counts, distances = zip(*[(1, 0)] * (6 - len(loops)), *loops, strict=True)
    return distances[1::-1], distances[2:], counts[1::-1], counts[2:]


@MANY
@given(st.lists(axes(), min_size=1, max_size=6))
def test_slice(runtime: KernelLibrary, found: list[Axis]) -> None:
    shape, begin, strides, sizes = zip(*found, strict=True)
    data, where = values(shape), Slice(begin, strides)
    where.check(shape, sizes)
    indices = [first + stride * np.arange(count) for _, first, stride, count in found]
    expected: Int8 = data[np.ix_(*indices)]
    np.testing.assert_array_equal(data[where.index(sizes)], expected)
    offset, loops = where.loops(shape, sizes)
    output = Guarded(expected.size)
    outer_strides, strides, outer_dims, counts = six_loops(loops)
    runtime.call(
        "sparsec_slice_s8",
        offset,
        Tile(*outer_strides),
        Dims(*strides),
        data,
        Tile(*outer_dims),
        Dims(*counts),
        output,
    )
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))


def transposed(runtime: KernelLibrary, data: Int8, permutation: Sequence[int]) -> None:
    """Compare a permutation with numpy's."""
    expected = data.transpose(permutation)
    outer_strides, strides, outer_dims, counts = six_loops(
        permutation_loops(data.shape, permutation)
    )
    output = Guarded(data.size)
    runtime.call(
        "sparsec_transpose_s8",
        Tile(*outer_strides),
        Dims(*strides),
        data,
        Tile(*outer_dims),
        Dims(*counts),
        output,
    )
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))


@pytest.mark.parametrize("permutation", list(permutations(range(4))), ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 7, 1, 19), (1, 1, 1, 1)], ids=str)
def test_transpose_of_four_axes(
    runtime: KernelLibrary, permutation: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    transposed(runtime, values(shape), permutation)


@MANY
@given(st.data())
def test_transpose(runtime: KernelLibrary, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    shape[-1] *= data.draw(st.sampled_from([1, 4]))
    transposed(runtime, values(tuple(shape)), data.draw(st.permutations(range(len(shape)))))


def test_axes_that_stay_together_are_one_loop() -> None:
    assert permutation_loops((1, 4, 5, 3), (0, 3, 1, 2)) == [(3, 1), (20, 3)]
    assert permutation_loops((2, 3, 4), (1, 0, 2)) == [(3, 4), (2, 12), (4, 1)]
    assert permutation_loops((4, 3, 2, 2, 5), (0, 2, 1, 3, 4)) == [
        (4, 60),
        (2, 10),
        (3, 20),
        (10, 1),
    ]
    assert permutation_loops((1, 7, 1), (2, 1, 0)) == [(7, 1)]
    assert permutation_loops((1, 1), (1, 0)) == []


def test_what_lies_together_is_one_loop() -> None:
    shape = (1, 6, 5, 8)
    assert Slice((0, 2, 0, 0), (1, 1, 1, 1)).loops(shape, (1, 3, 5, 8)) == (80, [(120, 1)])
    assert Slice((0, 0, 0, 3), (1, 1, 1, 1)).loops(shape, (1, 6, 5, 2)) == (3, [(30, 8), (2, 1)])
    assert Slice((0, 5, 0, 0), (1, -1, 1, 1)).loops(shape, (1, 6, 5, 8)) == (
        200,
        [(6, -40), (40, 1)],
    )
    assert Slice((0, 1, 2, 3), (1, 1, 1, 1)).loops(shape, (1, 1, 1, 1)) == (59, [])


INDICES = st.lists(st.integers(0, 4), min_size=1, max_size=9)


@MANY
@given(rows=INDICES, columns=INDICES, channels=st.sampled_from([1, 2, 3, 17]))
def test_resize_nearest(
    runtime: KernelLibrary, rows: list[int], columns: list[int], channels: int
) -> None:
    data = values((1, 5, 5, channels))
    expected: Int8 = data[:, rows][:, :, columns]
    output = Guarded(expected.size)
    runtime.call(
        "sparsec_resize_nearest_s8",
        Dims(*data.shape),
        data,
        np.array(rows, np.uint16),
        np.array(columns, np.uint16),
        Dims(*expected.shape),
        output,
    )
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))


@MANY
@given(
    indices=INDICES,
    axis=st.integers(0, 2),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 2, 3, 5, 9])),
)
def test_gather(
    runtime: KernelLibrary, indices: list[int], axis: int, shape: tuple[int, ...]
) -> None:
    data = values((*shape[:axis], 5, *shape[axis:]))
    expected: Int8 = data.take(indices, axis)
    output, run = Guarded(expected.size), prod(shape[axis:])
    runtime.call(
        "sparsec_gather_s8",
        prod(shape[:axis]),
        5 * run,
        run,
        data,
        np.array(indices, np.uint16),
        len(indices),
        output,
    )
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))


@MANY
@given(
    indices=st.lists(st.integers(-3, 9) | st.sampled_from([-(2**31), 2**31 - 1]), max_size=9),
    row=st.sampled_from([1, 3, 8, 33]),
)
def test_embedding(runtime: KernelLibrary, indices: list[int], row: int) -> None:
    table, places = values((7, row)), np.array(indices, np.int32)
    expected: Int8 = table[np.clip(places, 0, 6)]
    output = Guarded(expected.size)
    runtime.call("sparsec_embedding_s8", 7, row, table, places, len(indices), output)
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))


@pytest.mark.parametrize("size", [0, 1, 3, 4, 256, 1023])
def test_from_uint8(runtime: KernelLibrary, size: int) -> None:
    data, output = np.arange(size).astype(np.uint8), Guarded(size)
    runtime.call("sparsec_from_uint8_s8", size, data, output)
    np.testing.assert_array_equal(output.bytes, data.astype(np.int16) - 128)


SLICES = [
    (Slice((0, 1, 2, 3), (1, 2, 1, 1)), (1, 3, 3, 5)),
    (Slice((0, 5, 4, 7), (1, -1, -2, -3)), (1, 6, 3, 3)),
    (Slice((0, 2, 0, 0), (1, 1, 1, 1)), (1, 3, 5, 9)),
    (Slice((0, 0, 0, 8), (1, 1, 1, 1)), (1, 6, 5, 1)),
]
"""Of a tensor of SLICED, with the sizes of the result."""
SLICED = (1, 6, 5, 9)
PERMUTATIONS = [
    ((1, 6, 7, 5), (0, 3, 1, 2)),
    ((3, 2, 33), (1, 0, 2)),
    ((2, 3, 2, 2, 3, 2), (3, 1, 5, 0, 4, 2)),
]
RESIZES = [([0, 0, 1, 1, 4], [3, 2, 2, 0, 1, 4], 7), ([4, 0, 0], [1, 1, 2], 1), ([2], [3, 0], 33)]
"""Rows, columns and channels of images of 5x5."""
GATHERS = [([4, 0, 0, 2], 1), ([3, 1], 7), ([1, 2, 2], 20)]
"""Indices among 5 elements of 3 blocks, and bytes of an element."""


def add_calls(project: KernelProject) -> list[Int8]:
    """Calls of both kernels for every core; gives the bytes they write."""
    expected: list[Int8] = []
    for where, sizes in SLICES:
        data = values(SLICED)
        expected.append(data[where.index(sizes)].reshape(-1))
        offset, loops = where.loops(SLICED, sizes)
        outer_strides, strides, outer_dims, counts = six_loops(loops)
        arguments = [
            str(offset),
            struct("cmsis_nn_tile", *outer_strides),
            dims(*strides),
            project.array(data),
            struct("cmsis_nn_tile", *outer_dims),
            dims(*counts),
        ]
        project.call("sparsec_slice_s8", arguments, expected[-1].size)
    for shape, permutation in PERMUTATIONS:
        data = values(shape)
        expected.append(data.transpose(permutation).reshape(-1))
        outer_strides, strides, outer_dims, counts = six_loops(
            permutation_loops(shape, permutation)
        )
        arguments = [
            struct("cmsis_nn_tile", *outer_strides),
            dims(*strides),
            project.array(data),
            struct("cmsis_nn_tile", *outer_dims),
            dims(*counts),
        ]
        project.call("sparsec_transpose_s8", arguments, expected[-1].size)
    for rows, columns, channels in RESIZES:
        data: NDArray[np.int8] = values((1, 5, 5, channels))
        expected.append(data[:, rows][:, :, columns].reshape(-1))
        arguments = [
            dims(*data.shape),
            project.array(data),
            project.array(np.array(rows, np.uint16)),
            project.array(np.array(columns, np.uint16)),
            dims(1, len(rows), len(columns), channels),
        ]
        project.call("sparsec_resize_nearest_s8", arguments, expected[-1].size)
    for indices, run in GATHERS:
        data = values((3, 5, run))
        expected.append(data[:, indices].reshape(-1))
        places = project.array(np.array(indices, np.uint16))
        arguments = ["3", str(5 * run), str(run), project.array(data), places, str(len(indices))]
        project.call("sparsec_gather_s8", arguments, expected[-1].size)
    return expected
