# SPDX-License-Identifier: Apache-2.0
"""fold-batch-norm: the results stay, the batch normalizations go, or one line says why not."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import nn
from sparsec.passes.fold_batch_norm import FoldBatchNormPass
from sparsec.quantization.window import Pool, Window
from sparsec.rewriting.constants import check_constants
from tests.passes.nets import Net, expect_same_results, op_names, ops, run


def after_convolution() -> ModuleOp:
    net = Net((1, 6, 5, 3))
    return net.done(net.batch_norm(net.conv(net.inputs[0], 4, window=Window((2, 1)))))


def after_depthwise_with_multiplier() -> ModuleOp:
    net = Net((1, 6, 5, 3))
    return net.done(net.batch_norm(net.depthwise(net.inputs[0], 2)))


def after_groups() -> ModuleOp:
    net = Net((1, 6, 5, 4))
    return net.done(net.batch_norm(net.grouped(net.inputs[0], 6, groups=2)))


def after_transposed() -> ModuleOp:
    net = Net((1, 3, 4, 4))
    return net.done(net.batch_norm(net.transposed(net.inputs[0], 6, groups=2)))


def after_linear() -> ModuleOp:
    net = Net((1, 7))
    return net.done(net.batch_norm(net.linear(net.inputs[0], 5)))


def twice() -> ModuleOp:
    net = Net((1, 7))
    return net.done(net.batch_norm(net.batch_norm(net.linear(net.inputs[0], 5))))


def after_a_signal() -> ModuleOp:
    net = Net((1, 1, 9, 3))
    x = net.conv(net.inputs[0], 4, (1, 3))
    return net.done(net.batch_norm(net.reshape(x, 1, 7, 4)))


def after_a_mean() -> ModuleOp:
    net = Net((1, 6, 6, 3))
    x = net.pool(net.conv(net.inputs[0], 4), Pool((2, 2), kernel=(2, 2)), average=True)
    return net.done(net.batch_norm(net.reshape(x, 1, 4, 4)))


def after_the_largest() -> ModuleOp:
    net = Net((1, 6, 6, 3))
    x = net.pool(net.conv(net.inputs[0], 4), Pool((2, 2), kernel=(2, 2)))
    return net.done(scaled(net, x, [1.0, 2.0, 0.5, 3.0]))


def scaled(net: Net, x: SSAValue, factors: list[float]) -> SSAValue:
    """A batch normalization with these factors."""
    count = len(factors)
    gamma, one = net.constant(np.array(factors)), net.constant(np.ones(count))
    return net.add_op(nn.BatchNormOp(x, gamma, net.random(count), net.random(count), one, 0.0))


@pytest.mark.parametrize(
    "build",
    [
        *(after_a_signal, after_a_mean, after_the_largest),
        *(after_convolution, after_depthwise_with_multiplier, after_groups, after_transposed),
        *(after_linear, twice),
    ],
)
def test_into_the_layer_before(build: Callable[[], ModuleOp]) -> None:
    module = expect_same_results(build(), FoldBatchNormPass())
    left = [name for name in op_names(module) if "pool" not in name and name != "reshape"]
    assert len(left) == 1


def after_a_sequence() -> ModuleOp:
    """As a convolution of a sequence is imported: [1, C, T] between its layers."""
    net = Net((1, 1, 9, 3))
    x = net.conv(net.inputs[0], 4, (1, 3))
    x = net.transpose(net.reshape(x, 1, 7, 4), (0, 2, 1))
    return net.done(net.transpose(net.batch_norm(net.transpose(x, (0, 2, 1))), (0, 2, 1)))


def after_rows() -> ModuleOp:
    net = Net((1, 6, 5))
    x = net.transpose(net.linear(net.inputs[0], 4), (0, 2, 1))
    return net.done(net.batch_norm(net.transpose(x, (0, 2, 1))))


def after_pixels_in_a_row() -> ModuleOp:
    net = Net((1, 6, 5, 3))
    return net.done(net.batch_norm(net.reshape(net.conv(net.inputs[0], 4), 1, 12, 4)))


@pytest.mark.parametrize("build", [after_a_sequence, after_rows, after_pixels_in_a_row])
def test_into_the_layer_before_what_moves_its_channels(build: Callable[[], ModuleOp]) -> None:
    module = expect_same_results(build(), FoldBatchNormPass())
    assert len(ops(module, nn.WeightedOp)) == 1


def of_another_axis() -> ModuleOp:
    net = Net((1, 6, 5))
    return net.done(net.batch_norm(net.transpose(net.linear(net.inputs[0], 6), (0, 2, 1))))


def of_two_axes() -> ModuleOp:
    net = Net((1, 6, 5, 3))
    return net.done(net.batch_norm(net.reshape(net.conv(net.inputs[0], 4), 1, 4, 12)))


@pytest.mark.parametrize("build", [of_another_axis, of_two_axes])
def test_not_into_a_layer_whose_channels_it_does_not_see(build: Callable[[], ModuleOp]) -> None:
    module = expect_same_results(build(), FoldBatchNormPass())
    assert len(ops(module, nn.WeightedOp)) == 2


def test_constants_keep_their_names_and_old_ones_go() -> None:
    net = Net((1, 3))
    weights, bias = net.constant(np.eye(3), "fc.weight"), net.constant(np.ones(3), "fc.bias")
    x = net.add_op(nn.LinearOp(net.inputs[0], weights, bias, net.inputs[0].type), "fc")
    module = run(net.done(net.batch_norm(x)), FoldBatchNormPass())
    assert [c.name_in_model for c in ops(module, nn.ConstantOp)] == ["fc.weight", "fc.bias"]


def test_shared_weights_are_not_changed_for_the_other_layer() -> None:
    net = Net((1, 3))
    weights, bias = net.random(3, 3), net.random(3)
    one = net.add_op(nn.LinearOp(net.inputs[0], weights, bias, net.inputs[0].type))
    two = net.add_op(nn.LinearOp(net.inputs[0], weights, bias, net.inputs[0].type))
    module = expect_same_results(net.done(net.batch_norm(one), two), FoldBatchNormPass())
    assert op_names(module) == ["linear", "linear"]


def test_into_the_linear_layers_after() -> None:
    net = Net((1, 6))
    x = net.batch_norm(net.inputs[0])
    module = expect_same_results(net.done(net.linear(x, 3), net.linear(x, 2)), FoldBatchNormPass())
    assert op_names(module) == ["linear", "linear"]


def test_into_the_convolutions_after() -> None:
    net = Net((1, 6, 6, 4))
    x = net.batch_norm(net.inputs[0])
    results = net.conv(x, 3), net.depthwise(x, 2), net.grouped(x, 6, groups=2)
    module = expect_same_results(net.done(*results), FoldBatchNormPass())
    assert op_names(module) == ["conv2d", "depthwise_conv2d", "conv2d"]


def test_not_into_a_convolution_that_sees_a_border() -> None:
    net = Net((1, 6, 6, 4))
    x = net.batch_norm(net.inputs[0])
    results = net.conv(x, 3), net.conv(x, 3, window=Window((1, 1), (1, 1, 1, 1)))
    module = expect_same_results(net.done(*results), FoldBatchNormPass())
    assert op_names(module) == ["depthwise_conv2d", "conv2d", "conv2d"]


def test_what_is_added_before_it_joins_it() -> None:
    """As images are normalised: (x - mean) / spread."""
    net = Net((1, 6, 6, 3))
    x = net.add(net.inputs[0], net.random(1, 1, 1, 3))
    module = expect_same_results(net.done(net.conv(net.batch_norm(x), 2)), FoldBatchNormPass())
    assert op_names(module) == ["conv2d"]


def test_what_is_added_to_each_element_does_not() -> None:
    net = Net((1, 2, 2, 3))
    x = net.add(net.inputs[0], net.random(1, 2, 2, 3))
    module = expect_same_results(net.done(net.batch_norm(x)), FoldBatchNormPass())
    assert op_names(module) == ["add", "depthwise_conv2d"]


def test_the_largest_are_others_where_a_factor_is_negative() -> None:
    net = Net((1, 6, 6, 3))
    x = net.pool(net.conv(net.inputs[0], 2), Pool((2, 2), kernel=(2, 2)))
    module = expect_same_results(net.done(scaled(net, x, [1.0, -1.0])), FoldBatchNormPass())
    assert op_names(module) == ["conv2d", "max_pool2d", "depthwise_conv2d"]


def test_a_result_that_others_read_makes_a_depthwise_convolution() -> None:
    net = Net((1, 6, 6, 3))
    x = net.conv(net.inputs[0], 3)
    module = expect_same_results(net.done(net.batch_norm(x), x), FoldBatchNormPass())
    assert op_names(module) == ["conv2d", "depthwise_conv2d"]


def test_after_a_clamped_convolution() -> None:
    net = Net((1, 6, 6, 3))
    x = net.clamp(net.conv(net.inputs[0], 3))
    module = expect_same_results(net.done(net.batch_norm(x)), FoldBatchNormPass())
    assert op_names(module) == ["conv2d", "clamp", "depthwise_conv2d"]


@pytest.mark.parametrize("shape", [(1, 4, 4, 3), (1, 5, 3), (1, 6)])
def test_as_first_layer(shape: tuple[int, ...]) -> None:
    net = Net(shape)
    x = net.clamp(net.batch_norm(net.inputs[0]))
    module = expect_same_results(net.done(x), FoldBatchNormPass())
    assert "depthwise_conv2d" in op_names(module)
    (convolution,) = ops(module, nn.DepthwiseConv2dOp)
    assert isinstance(convolution.weights.owner, nn.ConstantOp)
    assert convolution.weights.owner.name_in_model == "batch_norm1.weight"


def test_after_a_pool() -> None:
    net = Net((1, 4, 4, 3))
    x = net.pool(net.inputs[0], Pool((2, 2), kernel=(2, 2)))
    module = expect_same_results(net.done(net.batch_norm(x)), FoldBatchNormPass())
    assert op_names(module) == ["max_pool2d", "depthwise_conv2d"]


def with_statistics(gamma: float, variance: float) -> ModuleOp:
    net = Net((1, 2))
    one = np.ones(2)
    zero, scale, spread = (net.constant(one * v) for v in (0.0, gamma, variance))
    x = net.linear(net.inputs[0], 2)
    return net.done(net.add_op(nn.BatchNormOp(x, scale, zero, zero, spread, 0.0), "stem.bn"))


@pytest.mark.parametrize(
    ("gamma", "variance", "message"),
    [
        (np.nan, 1.0, "stem.bn: its batch normalization has NaN or infinity"),
        (1.0, 0.0, "stem.bn: its variance plus epsilon is not above 0"),
    ],
)
def test_statistics_that_are_no_numbers(gamma: float, variance: float, message: str) -> None:
    with pytest.raises(PassFailedException, match=re.escape(message)):
        run(with_statistics(gamma, variance), FoldBatchNormPass())


def test_weights_that_float32_does_not_hold() -> None:
    """They are infinite then, and refused before they are rounded to int8."""
    module = run(with_statistics(1e38, 1e-30), FoldBatchNormPass())
    with pytest.raises(PassFailedException, match="holds NaN or infinity"):
        check_constants(module)
