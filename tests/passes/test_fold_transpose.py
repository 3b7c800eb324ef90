# SPDX-License-Identifier: Apache-2.0
"""fold-transpose: the results stay, the transposes go where nobody needs them."""

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.ir import SSAValue

from sparsec.ir import nn
from sparsec.ir.shapes import shape_of
from sparsec.passes.fold_transpose import FoldTransposePass
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.window import Border
from tests.passes.nets import TO_NCHW, TO_NHWC, Net, expect_same_results, op_names, ops


def test_inverse_pair_cancels() -> None:
    net = Net((1, 4, 5, 3))
    x = net.transpose(net.transpose(net.inputs[0], TO_NCHW), TO_NHWC)
    assert op_names(expect_same_results(net.done(net.clamp(x)), FoldTransposePass())) == ["clamp"]


def test_consecutive_ones_merge() -> None:
    net = Net((1, 4, 5, 3))
    x = net.transpose(net.transpose(net.inputs[0], (0, 2, 1, 3)), (0, 3, 1, 2))
    module = expect_same_results(net.done(x), FoldTransposePass())
    (transpose,) = ops(module, nn.TransposeOp)
    assert transpose.permutation.get_values() == (0, 3, 2, 1)


@pytest.mark.parametrize(
    ("shape", "kept"), [((1, 1, 4, 5), 0), ((1, 3, 1, 1), 0), ((1, 3, 4, 1), 1)]
)
def test_one_that_moves_no_data_is_a_reshape(shape: tuple[int, ...], kept: int) -> None:
    net = Net(shape)
    module = expect_same_results(
        net.done(net.transpose(net.inputs[0], TO_NHWC)), FoldTransposePass()
    )
    assert op_names(module) == [["reshape"], ["transpose"]][kept]


SINKS: dict[str, Callable[[Net, SSAValue], SSAValue]] = {
    "clamp": lambda net, x: net.clamp(x),
    "activation": lambda net, x: net.activation(x, "tanh(x)"),
    "slice": lambda net, x: net.slice(x, (0, 1, 1, 2), (1, 1, 1, -1), (1, 2, 1, 3)),
    "gather": lambda net, x: net.add_op(nn.GatherOp(x, net.indices(2, 0), 1)),
    "pad": lambda net, x: net.add_op(nn.PadOp(x, 1.0, Border((0, 0, 1, 2), (0, 1, 0, 0)))),
    "add": lambda net, x: net.add(x, net.transpose(net.conv(net.inputs[0], 3), TO_NCHW)),
    "add to itself": lambda net, x: net.clamp(net.add(x, net.constant(np.ones((1, 3, 2, 3))))),
    "concat": lambda net, x: net.concat(
        x, net.transpose(net.conv(net.inputs[0], 2), TO_NCHW), net.random(1, 2, 2, 3), axis=1
    ),
}


@pytest.mark.parametrize("name", SINKS)
def test_sinks_to_its_inverse(name: str) -> None:
    net = Net((1, 4, 5, 3))
    x = SINKS[name](net, net.transpose(net.conv(net.inputs[0], 3), TO_NCHW))
    module = expect_same_results(net.done(net.transpose(x, TO_NHWC)), FoldTransposePass())
    assert "transpose" not in op_names(module)


def test_one_that_a_layer_needs_stays() -> None:
    net = Net((1, 4, 5, 3))
    x = net.conv(net.inputs[0], 3)
    y = net.softmax(net.transpose(x, TO_NCHW))
    module = expect_same_results(net.done(y, net.add(x, x)), FoldTransposePass())
    assert op_names(module).count("transpose") == 1


def test_one_at_the_entry_stays_before_its_pad() -> None:
    net = Net((1, 3, 4, 5))
    x = net.conv(net.pad(net.transpose(net.inputs[0], TO_NHWC)), 2)
    module = expect_same_results(net.done(net.transpose(x, TO_NCHW)), FoldTransposePass())
    assert op_names(module) == ["transpose", "pad", "conv2d", "transpose"]


def test_flattening_permutes_the_columns_of_every_reader() -> None:
    net = Net((1, 6, 5, 3))
    x = net.flatten(net.conv(net.inputs[0], 4))
    module = expect_same_results(
        net.done(net.linear(net.clamp(x), 3), net.linear(net.activation(x, "tanh(x)"), 2)),
        FoldTransposePass(),
    )
    assert op_names(module) == ["conv2d", "reshape", "clamp", "linear", "activation", "linear"]


def test_flattened_branches_of_a_concat() -> None:
    net = Net((1, 6, 5, 3))
    one, two = net.flatten(net.conv(net.inputs[0], 4)), net.flatten(net.conv(net.inputs[0], 2))
    x = net.concat(one, two, one, axis=1)
    module = expect_same_results(net.done(net.linear(x, 3)), FoldTransposePass())
    assert "transpose" not in op_names(module)


def test_shared_weights_are_permuted_for_each_reader() -> None:
    net = Net((1, 4, 4, 2))
    weights, bias = net.random(3, 8), net.random(3)
    result = nn.float_type((1, 3))
    x = net.flatten(net.conv(net.inputs[0], 2))
    y = net.reshape(net.conv(net.inputs[0], 2), 1, 8)
    one = net.add_op(nn.LinearOp(x, weights, bias, result))
    two = net.add_op(nn.LinearOp(y, weights, bias, result))
    module = expect_same_results(net.done(one, two), FoldTransposePass())
    assert "transpose" not in op_names(module)


def test_quantized_weights_are_permuted_in_int8() -> None:
    net = Net((1, 4, 4, 2))
    scheme = Quantization((0.05,), 3)
    x = net.flatten(net.conv(net.inputs[0], 2))
    x = net.add_op(nn.DequantizeOp(net.add_op(nn.QuantizeOp(x, scheme)), scheme))
    stored = nn.ConstantOp(net.rng.integers(-128, 127, (3, 8), np.int8), "fc.weight")
    net.block.add_op(stored)
    weights = net.add_op(nn.DequantizeOp(stored.result, Quantization((0.1, 0.2, 0.3), 0, 0)))
    result = nn.float_type((1, 3))
    y = net.add_op(nn.LinearOp(x, weights, net.random(3), result))
    module = expect_same_results(net.done(y), FoldTransposePass())
    assert "transpose" not in op_names(module)
    assert [c.name_in_model for c in ops(module, nn.ConstantOp)].count("fc.weight") == 1


def test_a_flattened_result_keeps_its_order() -> None:
    net = Net((1, 4, 5, 3))
    x = net.flatten(net.conv(net.inputs[0], 2))
    module = expect_same_results(net.done(net.linear(x, 3), x), FoldTransposePass())
    assert op_names(module).count("transpose") == 1
    assert shape_of(ops(module, nn.LinearOp)[0].weights.type) == (3, 12)
