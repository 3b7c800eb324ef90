# SPDX-License-Identifier: Apache-2.0
"""Where the elements of a slice or a resized image come from."""

import numpy as np
import pytest

from sparsec.analysis.values.dead_channels import read_elements
from sparsec.analysis.values.intervals import intervals
from sparsec.analysis.values.movement import channels_read
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.quantization.window import Slice
from tests.end_to_end.building import Builder


def test_a_slice_reads_what_it_takes():
    net = Builder()
    x = net.input((1, 4, 5, 3))
    part = qnn.SliceOp(x, Slice((0, 3, 0, 1), (1, -2, 1, 1)), (1, 2, 5, 2))
    module = net.module([net.layer(part)])
    read = read_elements(main_function(module).body.block)[x]
    expected = np.zeros((1, 4, 5, 3), np.bool_)
    expected[:, [1, 3], :, 1:] = True
    np.testing.assert_array_equal(read, expected)


def test_a_resize_reads_its_rows_and_columns():
    net = Builder()
    x = net.input((1, 4, 5, 2))
    rows, columns = (net.constant(np.array(found, np.uint16)) for found in ([1, 1, 3], [4, 0]))
    module = net.module([net.layer(qnn.ResizeNearestOp(x, rows, columns))])
    read = read_elements(main_function(module).body.block)[x]
    expected = np.zeros((1, 4, 5, 2), np.bool_)
    for row in (1, 3):
        expected[0, row, [0, 4]] = True
    np.testing.assert_array_equal(read, expected)


def test_a_gather_reads_its_indices():
    net = Builder()
    x = net.input((1, 4, 5, 2))
    op = qnn.GatherOp(x, net.constant(np.array([4, 1, 4], np.uint16)), 2)
    module = net.module([net.layer(op)])
    read = read_elements(main_function(module).body.block)[x]
    expected = np.zeros((1, 4, 5, 2), np.bool_)
    expected[:, :, [1, 4]] = True
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(("axis", "expected"), [(1, [0, 1, 2]), (2, None)])
def test_channels_that_are_gathered_stay(axis: int, expected: list[int] | None):
    net = Builder()
    op = qnn.GatherOp(net.input((1, 4, 3)), net.constant(np.array([2, 0, 2], np.uint16)), axis)
    found = channels_read(op)
    assert (None if found is None else found.tolist()) == expected


def test_the_interval_of_each_element_moves_with_it():
    net = Builder()
    x = net.constant(np.arange(24, dtype=np.int8).reshape(1, 3, 4, 2))
    rows, columns = (net.constant(np.array(found, np.uint16)) for found in ([2, 0], [3, 1, 1]))
    resized = net.layer(qnn.ResizeNearestOp(x, rows, columns))
    turned = net.layer(qnn.GatherOp(resized, net.constant(np.array([1, 1], np.uint16)), 3))
    part = net.layer(qnn.SliceOp(turned, Slice((0, 1, 0, 1), (1, -1, 2, 1)), (1, 2, 2, 1)))
    module = net.module([part])
    known = intervals(main_function(module).body.block)[part]
    np.testing.assert_array_equal(known.low.reshape(-1), [7, 3, 23, 19])
    np.testing.assert_array_equal(known.high, known.low)


@pytest.mark.parametrize(
    ("begin", "stride", "count", "expected"),
    [(1, 1, 3, [1, 2, 3]), (4, -1, 3, [4, 3, 2]), (0, 2, 2, None)],
)
def test_channels_go_together_where_none_is_skipped(
    begin: int, stride: int, count: int, expected: list[int] | None
):
    net = Builder()
    op = qnn.SliceOp(net.input((1, 5)), Slice((0, begin), (1, stride)), (1, count))
    found = channels_read(op)
    assert (found if found is None else found.tolist()) == expected
