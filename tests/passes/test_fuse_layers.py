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
    "transpose_conv2d": lambda net, x: net.transposed(x, 2),
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


def test_a_clamp_passes_a_slice_to_a_layer_that_takes_it() -> None:
    net = Net((1, 6, 5, 3))
    x = net.slice(net.add(net.inputs[0], net.inputs[0]), (0, 1, 0, 2), (1, 2, 1, 1), (1, 2, 5, 1))
    module = expect_same_results(net.done(net.clamp(x)), FuseLayersPass())
    assert op_names(module) == ["add", "slice"]
    (add,) = ops(module, nn.AddOp)
    assert add.bounds is not None


@pytest.mark.parametrize("others", [False, True])
def test_a_clamp_of_a_slice_that_nobody_takes_stays_behind_it(others: bool) -> None:
    net = Net((1, 4, 4, 2))
    x = net.conv(net.inputs[0], 2) if others else net.inputs[0]
    y = net.clamp(net.slice(x, (0, 1, 0, 0), (1, 1, 1, 1), (1, 1, 2, 2)))
    module = expect_same_results(net.done(y, net.softmax(x)), FuseLayersPass())
    assert op_names(module) == [*["conv2d"] * others, "slice", "clamp", "softmax"]


CUTS: list[tuple[Window, tuple[int, int], tuple[int, int], tuple[int, ...] | None]] = [
    (Window((1, 1), (2, 2, 2, 2)), (0, 0), (6, 5), (2, 2, 0, 0)),
    (Window((1, 1), (2, 2, 2, 2)), (1, 2), (7, 5), (1, 0, 2, 2)),
    (Window((2, 1), (2, 2, 3, 2)), (1, 0), (3, 7), (0, 2, 1, 2)),
    (Window((1, 1), (2, 4, 2, 0), (1, 2)), (0, 0), (8, 5), (2, 4, 2, 0)),
    (Window((1, 1), (1, 1, 1, 1)), (2, 0), (4, 5), None),
    (Window((1, 1), (1, 1, 1, 1)), (0, 0), (6, 3), None),
]
"""Of an image of 6x5: a window, what is cut out of its result, and the padding that does without."""


@pytest.mark.parametrize(("window", "begin", "size", "padding"), CUTS)
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_convolution_does_without_padding_that_is_cut_off(
    window: Window,
    begin: tuple[int, int],
    size: tuple[int, int],
    padding: tuple[int, ...] | None,
    depthwise: bool,
) -> None:
    net = Net((1, 6, 5, 2))
    x = net.inputs[0]
    y = net.depthwise(x, 1, window) if depthwise else net.conv(x, 2, (3, 3), window)
    y = net.slice(y, (0, *begin, 0), (1, 1, 1, 1), (1, *size, 2))
    module = expect_same_results(net.done(y), FuseLayersPass())
    if padding is None:
        assert op_names(module)[1:] == ["slice"]
        return
    assert len(op_names(module)) == 1
    (layer,) = (op for op in module.walk() if isinstance(op, nn.ConvolutionOp))
    assert layer.window.data.padding == padding


def test_channels_and_steps_are_cut_off_behind_the_convolution() -> None:
    net = Net((1, 6, 5, 2))
    x = net.conv(net.inputs[0], 3, (3, 3), Window((1, 1), (1, 1, 1, 1)))
    y = net.slice(x, (0, 0, 0, 1), (1, 1, 1, 1), (1, 6, 5, 2))
    z = net.slice(net.conv(net.inputs[0], 3), (0, 0, 0, 0), (1, 2, 1, 1), (1, 2, 3, 3))
    module = expect_same_results(net.done(y, z), FuseLayersPass())
    assert op_names(module).count("slice") == 2


def test_a_slice_and_a_border_pass_axes_of_one_element() -> None:
    net = Net((1, 1, 6, 3))
    x = net.reshape(net.conv(net.inputs[0], 2, (1, 3)), 1, 4, 2)
    y = net.slice(x, (0, 3, 0), (1, -1, 1), (1, 3, 2))
    z = net.add_op(nn.PadOp(x, 0.5, Border((0, 1, 0), (0, 0, 1))))
    other = net.add_op(nn.PadOp(net.reshape(x, 1, 4, 1, 2), 0.5, Border((0, 0, 1, 0), (0,) * 4)))
    module = expect_same_results(net.done(y, z, other), FuseLayersPass())
    assert op_names(module) == [
        *("conv2d", "slice", "reshape", "pad", "reshape"),
        *("reshape", "pad"),
    ]


def test_a_slice_of_another_shape_stays_behind_the_reshape() -> None:
    net = Net((1, 4, 6))
    x = net.slice(net.reshape(net.inputs[0], 1, 6, 4), (0, 1, 0), (1, 1, 1), (1, 3, 4))
    module = expect_same_results(net.done(x), FuseLayersPass())
    assert op_names(module) == ["reshape", "slice"]


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


AFFINE: dict[str, Build] = {
    "scaled": lambda net, x: net.add_op(nn.MulOp(x, net.random(1, 1, 1, 4))),
    "scaled_first": lambda net, x: net.add_op(nn.MulOp(net.random(4), x)),
    "less": lambda net, x: net.add_op(nn.SubOp(x, net.random(1, 1, 1, 4))),
    "from": lambda net, x: net.add_op(nn.SubOp(net.random(1, 1, 1, 4), x)),
    "by_a_number": lambda net, x: net.add_op(nn.MulOp(x, net.random(1))),
    "normalised": lambda net, x: net.add_op(
        nn.MulOp(net.add_op(nn.SubOp(x, net.random(4))), net.random(1, 1, 1, 4))
    ),
}
READERS: dict[str, Build] = {
    "conv2d": lambda net, x: net.conv(x, 3),
    "groups": lambda net, x: net.grouped(x, 6, 2),
    "multiplied": lambda net, x: net.depthwise(x, 2),
    "linear": lambda net, x: net.linear(x, 3),
}
WRITERS: dict[str, Build] = {
    "conv2d": lambda net, x: net.conv(x, 4),
    "depthwise": lambda net, x: net.depthwise(x),
    "transposed": lambda net, x: net.transposed(x, 4, groups=2),
    "linear": lambda net, x: net.linear(x, 4),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("affine", AFFINE)
def test_constants_before_a_layer_become_its_own(affine: str, reader: str) -> None:
    net = Net((1, 6, 5, 4))
    x = READERS[reader](net, AFFINE[affine](net, net.inputs[0]))
    module = expect_same_results(net.done(x), FuseLayersPass())
    assert len(op_names(module)) == 1


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("affine", AFFINE)
def test_constants_behind_a_layer_become_its_own(affine: str, writer: str) -> None:
    net = Net((1, 6, 5, 4))
    x = net.clamp(AFFINE[affine](net, WRITERS[writer](net, net.inputs[0])))
    module = expect_same_results(net.done(x), FuseLayersPass())
    assert len(op_names(module)) == 1


PADDED = Window(padding=(1, 1, 1, 1))
KEPT: dict[str, tuple[Build, int]] = {
    "a shift beside padding": (
        lambda net, x: net.conv(AFFINE["less"](net, x), 3, window=PADDED),
        2,
    ),
    "a factor beside padding goes": (
        lambda net, x: net.conv(AFFINE["scaled"](net, x), 3, window=PADDED),
        1,
    ),
    "another number for each pixel": (
        lambda net, x: net.conv(net.add_op(nn.MulOp(x, net.random(1, 6, 5, 4))), 3),
        2,
    ),
    "a clamp between": (lambda net, x: net.conv(net.clamp(AFFINE["scaled"](net, x)), 3), 2),
    "behind a clamp": (lambda net, x: AFFINE["scaled"](net, net.clamp(net.conv(x, 4))), 2),
    "one channel becomes many": (
        lambda net, x: net.add_op(nn.MulOp(net.conv(x, 1), net.random(4))),
        2,
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_constants_that_a_layer_cannot_take(name: str) -> None:
    build, left = KEPT[name]
    net = Net((1, 6, 5, 4))
    module = expect_same_results(net.done(build(net, net.inputs[0])), FuseLayersPass())
    assert len(op_names(module)) == left
