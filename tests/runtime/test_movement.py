# SPDX-License-Identifier: Apache-2.0
"""Slice and resize against numpy, and the loops of a slice."""

from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.quantization.window import Slice
from tests.runtime.kernel_library import Dims, Guarded, Int8, KernelLibrary
from tests.runtime.kernel_project import KernelProject, dims

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


def right_aligned(numbers: list[int], fill: int) -> tuple[int, ...]:
    return (*(fill,) * (4 - len(numbers)), *numbers)


@MANY
@given(st.lists(axes(), min_size=1, max_size=4))
def test_slice(runtime: KernelLibrary, found: list[Axis]) -> None:
    shape, begin, strides, sizes = zip(*found, strict=True)
    data, where = values(shape), Slice(begin, strides)
    where.check(shape, sizes)
    indices = [first + stride * np.arange(count) for _, first, stride, count in found]
    expected: Int8 = data[np.ix_(*indices)]
    np.testing.assert_array_equal(data[where.index(sizes)], expected)
    offset, loops = where.loops(shape, sizes)
    output = Guarded(expected.size)
    runtime.call(
        "sparsec_slice_s8",
        offset,
        Dims(*right_aligned([distance for _, distance in loops], 0)),
        data,
        Dims(*right_aligned([count for count, _ in loops], 1)),
        output,
    )
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))


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


SLICES = [
    (Slice((0, 1, 2, 3), (1, 2, 1, 1)), (1, 3, 3, 5)),
    (Slice((0, 5, 4, 7), (1, -1, -2, -3)), (1, 6, 3, 3)),
    (Slice((0, 2, 0, 0), (1, 1, 1, 1)), (1, 3, 5, 9)),
    (Slice((0, 0, 0, 8), (1, 1, 1, 1)), (1, 6, 5, 1)),
]
"""Of a tensor of SLICED, with the sizes of the result."""
SLICED = (1, 6, 5, 9)
RESIZES = [([0, 0, 1, 1, 4], [3, 2, 2, 0, 1, 4], 7), ([4, 0, 0], [1, 1, 2], 1), ([2], [3, 0], 33)]
"""Rows, columns and channels of images of 5x5."""


def add_calls(project: KernelProject) -> list[Int8]:
    """Calls of both kernels for every core; gives the bytes they write."""
    expected: list[Int8] = []
    for where, sizes in SLICES:
        data = values(SLICED)
        expected.append(data[where.index(sizes)].reshape(-1))
        offset, loops = where.loops(SLICED, sizes)
        arguments = [
            str(offset),
            dims(*right_aligned([distance for _, distance in loops], 0)),
            project.array(data),
            dims(*right_aligned([count for count, _ in loops], 1)),
        ]
        project.call("sparsec_slice_s8", arguments, expected[-1].size)
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
    return expected
