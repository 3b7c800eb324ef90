# SPDX-License-Identifier: Apache-2.0
"""correct-biases: rounded layers get the mean of the float ones back, and nothing but biases changes."""

from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.passes.calibrate import calibrate
from sparsec.passes.correct_biases import correct_biases
from sparsec.passes.quantize import LinearWeights, quantized_copy
from sparsec.quantization.observers import MinMaxObserver
from sparsec.quantization.scheme import Bounds
from tests.passes.nets import Net, ops, random_inputs

RELU = Bounds(0.0, np.inf)


def network() -> ModuleOp:
    net = Net((1, 8, 8, 3))
    x = net.conv(net.inputs[0], 8, bounds=RELU)
    x = net.clamp(net.depthwise(x))
    return net.done(net.linear(net.reshape(x, 1, 128), 4))


def coarse(module: ModuleOp) -> ModuleOp:
    """`module` with one large weight in each layer, so that rounding costs the others much."""
    for op in ops(module, nn.ConstantOp):
        if len(op.result.type.get_shape()) > 1:
            array = op.array.copy()
            array.reshape(-1)[:: array.size // 4] *= 30
            new = nn.ConstantOp(array, op.label)
            op.parent_block().insert_op_before(new, op)  # pyright: ignore[reportOptionalMemberAccess]
            op.result.replace_all_uses_with(new.result)
            op.detach()
    return module


def shifts(module: ModuleOp, rounded: ModuleOp, inputs: list[Any]) -> list[float]:
    """For each output by how much its mean is off."""
    [expected], [got] = interpret(module, inputs), interpret(rounded, inputs)
    return [float(each) for each in np.abs((got - expected).mean(axis=0))]


@pytest.mark.parametrize("linear_weights", ["per-channel", "per-tensor"])
def test_means_come_back(linear_weights: LinearWeights) -> None:
    module = coarse(network())
    inputs = random_inputs(module, samples=32)
    calibrate(module, inputs, MinMaxObserver)
    corrected = module.clone()
    correct_biases(corrected, inputs, linear_weights)
    corrected.verify()
    before = shifts(module, quantized_copy(module, linear_weights), inputs)
    after = shifts(module, quantized_copy(corrected, linear_weights), inputs)
    assert max(after) < 0.2 * max(before)


def test_only_biases_change() -> None:
    module = coarse(network())
    inputs = random_inputs(module, samples=8)
    calibrate(module, inputs, MinMaxObserver)
    corrected = module.clone()
    correct_biases(corrected, inputs, "per-channel")
    layers = zip(ops(module, nn.WeightedOp), ops(corrected, nn.WeightedOp), strict=True)
    for old, new in layers:
        np.testing.assert_array_equal(constant_array(old.weights), constant_array(new.weights))
        assert old.attributes == new.attributes
        assert np.any(constant_array(old.bias) != constant_array(new.bias))
    assert [op.name for op in module.walk()] == [op.name for op in corrected.walk()]


def test_what_is_exact_stays() -> None:
    net = Net((1, 4))
    weights, bias = net.constant(np.eye(4)), net.constant(np.zeros(4))
    layer = nn.LinearOp(net.inputs[0], weights, bias, net.inputs[0].type)
    module = net.done(net.add_op(layer))
    inputs = [np.arange(-127, 129, dtype=np.float32).reshape(64, 4)]
    calibrate(module, inputs, MinMaxObserver)
    correct_biases(module, inputs, "per-channel")
    [op] = ops(module, nn.LinearOp)
    bias = constant_array(op.bias)
    assert bias is not None
    np.testing.assert_allclose(bias, 0, atol=1e-5)


def test_without_ranges_it_says_so() -> None:
    module = network()
    with pytest.raises(PassFailedException, match="has no measured range"):
        correct_biases(module, random_inputs(module), "per-channel")
