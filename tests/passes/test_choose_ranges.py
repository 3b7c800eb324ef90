# SPDX-License-Identifier: Apache-2.0
"""choose-ranges: a range is cut where the outputs gain by it, and only there."""

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from sparsec.analysis.values.ranges import range_of
from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.passes.calibrate import calibrate
from sparsec.passes.choose_ranges import choose_ranges, noise
from sparsec.quantization.observers import MinMaxObserver
from tests.passes.nets import Net, ops

SAMPLES = 32


def network(reads: float) -> ModuleOp:
    """Two layers that turn 63 numbers and pass on another, the second only `reads` of it."""
    net = Net((1, 64))
    value = net.inputs[0]
    turned = np.linalg.qr(np.random.default_rng(2).standard_normal((63, 63)))[0]
    for first in (1.0, reads):
        weights = np.zeros((64, 64))
        weights[0, 0], weights[1:, 1:] = first, turned
        operands = net.constant(weights), net.constant(np.zeros(64))
        value = net.add_op(nn.LinearOp(value, *operands, value.type))
    return net.done(value)


def inputs() -> list[np.ndarray]:
    """Numbers around 0, and one that is far out and the first of its sample."""
    array = np.random.default_rng(1).standard_normal((SAMPLES, 64)).astype(np.float32)
    array[0, 0] = 60
    return [array]


def test_what_nobody_reads_is_cut_off() -> None:
    module = network(reads=0.0)
    given = inputs()
    calibrate(module, given, MinMaxObserver)
    first, _ = ops(module, nn.LinearOp)
    wide = range_of(first.result)
    expected = interpret(module, given)
    before = noise(module, given, expected, "per-channel")
    assert choose_ranges(module, given, "per-channel") > 0
    narrow = range_of(first.result)
    assert wide is not None and narrow is not None
    assert narrow[1] < 0.8 * wide[1]
    assert noise(module, given, expected, "per-channel") < 0.9 * before


def test_what_is_read_stays() -> None:
    module = network(reads=1.0)
    given = inputs()
    calibrate(module, given, MinMaxObserver)
    first, _ = ops(module, nn.LinearOp)
    wide = range_of(first.result)
    choose_ranges(module, given, "per-channel")
    assert range_of(first.result) == wide


def test_it_is_never_worse_and_says_the_same_again() -> None:
    net = Net((1, 8, 8, 3))
    module = net.done(
        net.softmax(net.linear(net.reshape(net.clamp(net.conv(net.inputs[0], 4)), 1, 144), 5))
    )
    given = [np.random.default_rng(0).standard_normal((8, 8, 8, 3)).astype(np.float32)]
    calibrate(module, given, MinMaxObserver)
    again = module.clone()
    expected = interpret(module, given)
    before = noise(module, given, expected, "per-channel")
    choose_ranges(module, given, "per-channel")
    choose_ranges(again, given, "per-channel")
    assert noise(module, given, expected, "per-channel") <= before
    assert str(module) == str(again)
