# SPDX-License-Identifier: Apache-2.0
"""What reductions read, and which values they can take."""

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, i8

from sparsec.analysis.values.dead_channels import read_elements, removable_channels
from sparsec.analysis.values.intervals import intervals
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.quantization.params import FULL_RANGE, Clamp, Rescale
from sparsec.quantization.window import Slice
from tests.end_to_end.building import Builder


def test_channels_go_one_to_one():
    net = Builder()
    x = net.layer(qnn.RescaleOp(net.constant(np.zeros((1, 2, 3, 3), np.int8)), Rescale()))
    y = net.layer(qnn.MeanOp(x, Rescale(), TensorType(i8, (1, 1, 1, 3))))
    part = net.layer(qnn.SliceOp(y, Slice((0, 0, 0, 1), (1, 1, 1, 1)), (1, 1, 1, 1)))
    # A slice that takes all: what is read of y is what is read of x.
    block = main_function(net.module([part])).body.block
    read = read_elements(block)
    np.testing.assert_array_equal(read[x], np.broadcast_to([False, True, False], (1, 2, 3, 3)))
    gone = removable_channels(block, read)
    np.testing.assert_array_equal(gone[x], [True, False, True])
    np.testing.assert_array_equal(gone[y], gone[x])


@pytest.mark.parametrize(
    ("multiplier", "shift", "clamp", "expected"),
    [
        (1 << 30, 0, FULL_RANGE, (2, 2)),  # (1 + 2 + .. + 3) / 2
        (1 << 30, 0, (-5, 1), (1, 1)),
        (1 << 30, 22, (-5, 9), (-5, 9)),  # a sum shifted so far left may wrap
        (-(1 << 30), 0, (-5, 9), (-5, 9)),
    ],
)
def test_interval(multiplier: int, shift: int, clamp: Clamp, expected: Clamp):
    net = Builder()
    x = net.constant(np.array([[-2, 1], [2, 3]], np.int8).reshape(1, 2, 2, 1))
    params = Rescale(0, multiplier, shift, 0, clamp)
    y = net.layer(qnn.MeanOp(x, params, TensorType(i8, (1, 1, 1, 1))))
    known = intervals(main_function(net.module([y])).body.block)[y]
    assert (known.low.item(), known.high.item()) == expected


def test_the_largest_of_intervals():
    net = Builder()
    x, bound = net.input((1, 2, 2)), net.constant(np.array([[[-3, 4], [9, -7]]], np.int8))
    y = net.layer(qnn.MaximumOp(x, bound, x.type))
    row = TensorType(i8, (1, 1, 2))
    largest, smallest = (net.layer(make(y, row)) for make in (qnn.ReduceMaxOp, qnn.ReduceMinOp))
    known = intervals(main_function(net.module([largest, smallest])).body.block)
    assert known[largest].low.tolist() == [[[9, 4]]]
    assert known[smallest].low.tolist() == [[[-3, -7]]]
    assert known[largest].high.tolist() == [[[127, 127]]]


def test_a_reduction_of_channels_needs_them_all():
    net = Builder()
    x = net.layer(qnn.RescaleOp(net.input((1, 2, 3)), Rescale()))
    y = net.layer(qnn.ReduceMaxOp(x, TensorType(i8, (1, 2, 1))))
    block = main_function(net.module([y])).body.block
    read = read_elements(block)
    assert read[x].all()
    assert not removable_channels(block, read)
