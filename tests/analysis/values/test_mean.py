# SPDX-License-Identifier: Apache-2.0
"""What a mean reads, and which values it can take."""

import numpy as np
import pytest

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
    y = net.layer(qnn.MeanOp(x, Rescale()))
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
    y = net.layer(qnn.MeanOp(x, Rescale(0, multiplier, shift, 0, clamp)))
    known = intervals(main_function(net.module([y])).body.block)[y]
    assert (known.low.item(), known.high.item()) == expected
