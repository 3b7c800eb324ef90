# SPDX-License-Identifier: Apache-2.0
"""fuse-layers: each row of the table, and the neighbours that must stay two."""

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.ir import SSAValue

from sparsec.analysis.values.ranges import range_of, set_range
from sparsec.ir import nn
from sparsec.ir.layer import layer_of
from sparsec.passes.fuse_layers import FuseLayersPass
from sparsec.quantization.scheme import Bounds
from sparsec.quantization.window import Border, Pool, Window
from tests.passes.nets import Net, expect_same_results, op_names, ops, run

Build = Callable[[Net, SSAValue], SSAValue]

BOUNDED: dict[str, Build] = {
    "conv2d": lambda net, x: net.conv(x, 3),
    "depthwise_conv2d": lambda net, x: net.depthwise(x),
    "linear": lambda net, x: net.linear(x, 3),
    "add": lambda net, x: net.add(x, x),
    "max_pool2d": lambda net, x: net.pool(x, Pool(kernel=(2, 2))),
    "avg_pool2d": lambda net, x: net.pool(x, Pool(kernel=(2, 2)), average=True),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_clamps_become_bounds(name: str) -> None:
    net = Net((1, 6, 5, 3))
    x = net.clamp(net.clamp(BOUNDED[name](net, net.inputs[0]), -0.5, 0.25), 0.0)
    module = expect_same_results(net.done(x), FuseLayersPass())
    assert op_names(module) == [name]
    op = next(op for op in module.walk() if op.name == f"nn.{name}")
    assert layer_of(op).startswith(name)


def test_a_value_that_others_read_is_not_clamped() -> None:
    net = Net((1, 6, 5, 3))
    x = net.conv(net.inputs[0], 3)
    module = expect_same_results(net.done(x, net.clamp(x)), FuseLayersPass())
    assert op_names(module) == ["conv2d", "clamp"]


def test_clamps_of_an_argument_become_one() -> None:
    net = Net((1, 4))
    x = net.clamp(net.clamp(net.inputs[0], 0.0, 6.0), -1.0, 0.5)
    assert op_names(expect_same_results(net.done(x), FuseLayersPass())) == ["clamp"]


def test_a_clamp_passes_a_reshape() -> None:
    net = Net((1, 6, 5, 3))
    x = net.clamp(net.reshape(net.conv(net.inputs[0], 2), 1, 24))
    module = expect_same_results(net.done(x), FuseLayersPass())
    assert op_names(module) == ["conv2d", "reshape"]


@pytest.mark.parametrize("pixels", [(1, 2, 0, 1), (0, 0, 2, 2)])
@pytest.mark.parametrize("name", ["conv2d", "depthwise_conv2d"])
def test_a_zero_border_becomes_padding(name: str, pixels: tuple[int, int, int, int]) -> None:
    net = Net((1, 6, 5, 3))
    top, left, bottom, right = pixels
    border = Border((0, top, left, 0), (0, bottom, right, 0))
    x = net.add_op(nn.PadOp(net.inputs[0], 0.0, border))
    window = Window((2, 1), (1, 0, 0, 1), (1, 2))
    y = net.conv(x, 2, window=window) if name == "conv2d" else net.depthwise(x, 2, window)
    assert op_names(expect_same_results(net.done(y), FuseLayersPass())) == [name]


@pytest.mark.parametrize(
    ("value", "border"),
    [(1.0, Border((0, 1, 1, 0), (0, 1, 1, 0))), (0.0, Border((0, 1, 1, 1), (0, 1, 1, 0)))],
)
def test_another_border_stays(value: float, border: Border) -> None:
    net = Net((1, 6, 5, 3))
    x = net.conv(net.add_op(nn.PadOp(net.inputs[0], value, border)), 2)
    assert op_names(expect_same_results(net.done(x), FuseLayersPass())) == ["pad", "conv2d"]


def test_a_border_below_everything_becomes_padding_of_a_max_pool() -> None:
    net = Net((1, 6, 5, 3))
    x = net.pad(net.clamp(net.conv(net.inputs[0], 2), -0.1, 6.0), value=-0.1)
    x = net.pool(x, Pool((2, 2), kernel=(3, 3)))
    module = expect_same_results(net.done(x), FuseLayersPass())
    assert op_names(module) == ["conv2d", "max_pool2d"]


@pytest.mark.parametrize(
    ("pixels", "value", "pool"),
    [
        (1, 0.0, Pool(kernel=(3, 3))),
        (2, -np.inf, Pool(kernel=(2, 2), padding=(0, 0, 0, 0))),
        (1, -np.inf, Pool(kernel=(3, 3), dilations=(2, 2))),
    ],
)
def test_a_border_that_a_max_pool_may_see_stays(pixels: int, value: float, pool: Pool) -> None:
    net = Net((1, 6, 5, 3))
    x = net.pool(net.pad(net.conv(net.inputs[0], 2), pixels, value), pool)
    assert op_names(run(net.done(x), FuseLayersPass())) == ["conv2d", "pad", "max_pool2d"]


@pytest.mark.parametrize("constant_first", [False, True])
def test_a_constant_per_channel_is_added_to_the_bias(constant_first: bool) -> None:
    net = Net((1, 6, 5, 3))
    x = net.conv(net.inputs[0], 2)
    constant = net.constant(np.broadcast_to([1.5, -2.0], (1, 4, 3, 2)))
    y = net.add(constant, x) if constant_first else net.add(x, constant)
    module = expect_same_results(net.done(net.clamp(y)), FuseLayersPass())
    assert op_names(module) == ["conv2d"]


def test_a_constant_per_pixel_is_not() -> None:
    net = Net((1, 6, 5, 3))
    y = net.add(net.conv(net.inputs[0], 2), net.random(1, 4, 3, 2))
    assert op_names(expect_same_results(net.done(y), FuseLayersPass())) == ["conv2d", "add"]


def test_reshapes_become_one_or_none() -> None:
    net = Net((1, 6, 4))
    x = net.reshape(net.reshape(net.inputs[0], 1, 24), 1, 4, 6)
    y = net.reshape(net.reshape(net.inputs[0], 1, 24), 1, 6, 4)
    module = expect_same_results(net.done(x, net.softmax(y)), FuseLayersPass())
    assert op_names(module) == ["reshape", "softmax"]


@pytest.mark.parametrize(("on_clamp", "expected"), [(False, (0.0, 0.5)), (True, (0.1, 0.4))])
def test_the_range_is_that_after_the_clamp(on_clamp: bool, expected: tuple[float, float]) -> None:
    net = Net((1, 6, 5, 3))
    x = net.conv(net.inputs[0], 2)
    set_range(x, (-1.0, 0.5))
    y = net.clamp(x)
    if on_clamp:
        set_range(y, (0.1, 0.4))
    module = run(net.done(y), FuseLayersPass())
    (convolution,) = ops(module, nn.Conv2dOp)
    assert range_of(convolution.result) == expected
    assert convolution.bounds is not None and convolution.bounds.data == Bounds(0.0)
