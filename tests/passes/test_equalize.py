# SPDX-License-Identifier: Apache-2.0
"""equalize: channels get ranges alike and the network stays what it is."""

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.passes.equalize import LARGEST_FACTOR, equalize, pairs
from sparsec.passes.fuse_layers import FuseLayersPass
from sparsec.quantization.scheme import Bounds
from sparsec.quantization.window import Pool
from tests.passes.nets import Net, ops, random_inputs

RELU = Bounds(0.0, np.inf)


def uneven(module: ModuleOp) -> ModuleOp:
    """`module` with channels of the first layer that are some hundred times others."""
    first = next(op for op in module.walk() if isinstance(op, nn.WeightedOp))
    for operand in (first.weights, first.bias):
        constant = operand.owner
        assert isinstance(constant, nn.ConstantOp)
        array = constant_array(operand)
        assert array is not None
        by = np.geomspace(0.02, 8.0, len(array)).reshape(-1, *[1] * (array.ndim - 1))
        new = nn.ConstantOp((array * by).astype(np.float32), constant.label)
        constant.parent_block().insert_op_before(new, constant)  # pyright: ignore[reportOptionalMemberAccess]
        operand.replace_all_uses_with(new.result)
        constant.detach()
    return module


def largest(module: ModuleOp, inputs: list[np.ndarray]) -> np.ndarray:
    """Of each channel of the first layer."""
    seen: list[np.ndarray] = []
    interpret(
        module,
        inputs,
        listener=lambda op, found: seen.append(found[0]) if isinstance(op, nn.WeightedOp) else None,
    )
    return np.abs(seen[0]).reshape(-1, seen[0].shape[-1]).max(axis=0)


Second = Callable[[Net, SSAValue], SSAValue]
SECONDS: dict[str, Second] = {
    "depthwise": lambda net, x: net.depthwise(x),
    "multiplied": lambda net, x: net.depthwise(x, 2),
    "conv2d": lambda net, x: net.conv(x, 5),
    "pooled": lambda net, x: net.conv(net.pool(x, Pool(strides=(2, 2), kernel=(2, 2))), 5, (2, 2)),
    "linear": lambda net, x: net.linear(
        net.reshape(net.pool(x, Pool(kernel=(6, 6)), average=True), 1, 8), 3
    ),
}


@pytest.mark.parametrize("bounds", [None, RELU])
@pytest.mark.parametrize("second", SECONDS)
def test_channels_become_alike_and_outputs_stay(second: str, bounds: Bounds | None) -> None:
    net = Net((1, 8, 8, 3))
    module = uneven(net.done(SECONDS[second](net, net.conv(net.inputs[0], 8, bounds=bounds))))
    inputs = random_inputs(module, samples=4)
    [expected] = interpret(module, inputs)
    before = largest(module, inputs)
    assert equalize(module, inputs) == 1
    module.verify()
    [got] = interpret(module, inputs)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    after = largest(module, inputs)
    assert after.max() / after.min() < 0.2 * before.max() / before.min()
    if second in ("depthwise", "multiplied") and after.max() < LARGEST_FACTOR * before.min():
        np.testing.assert_allclose(after, after.max(), rtol=1e-5)


def shared(net: Net) -> tuple[SSAValue, ...]:
    x = net.conv(net.inputs[0], 8)
    return net.conv(x, 2), net.clamp(x)


def bounded(net: Net) -> tuple[SSAValue, ...]:
    return (net.conv(net.conv(net.inputs[0], 8, bounds=Bounds(0.0, 6.0)), 2),)


def flattened(net: Net) -> tuple[SSAValue, ...]:
    return (net.linear(net.reshape(net.conv(net.inputs[0], 8), 1, 288), 2),)


def in_groups(net: Net) -> tuple[SSAValue, ...]:
    return (net.grouped(net.conv(net.inputs[0], 8), 8, 2),)


def behind_a_curve(net: Net) -> tuple[SSAValue, ...]:
    return (net.conv(net.activation(net.conv(net.inputs[0], 8), "tanh(x)"), 2),)


@pytest.mark.parametrize("build", [shared, bounded, flattened, in_groups, behind_a_curve])
def test_what_does_not_commute_stays(build: Callable[[Net], tuple[SSAValue, ...]]) -> None:
    net = Net((1, 8, 8, 3))
    module = net.done(*build(net))
    text = str(module)
    assert pairs(module) == []
    assert equalize(module, random_inputs(module)) == 0
    assert str(module) == text


def test_a_chain_and_a_channel_that_is_always_0() -> None:
    net = Net((1, 8, 8, 3))
    module = uneven(
        net.done(net.conv(net.depthwise(net.conv(net.inputs[0], 8, bounds=RELU)), 4, (1, 1)))
    )
    first = ops(module, nn.Conv2dOp)[0]
    bias = constant_array(first.bias)
    assert bias is not None
    bias = bias.copy()
    bias[3] = -1e6
    new = nn.ConstantOp(bias, "bias")
    first.parent_block().insert_op_before(new, first)  # pyright: ignore[reportOptionalMemberAccess]
    first.operands[2] = new.result
    inputs = random_inputs(module, samples=4)
    [expected] = interpret(module, inputs)
    assert equalize(module, inputs) == 2
    [got] = interpret(module, inputs)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def clamped_pool(net: Net) -> tuple[SSAValue, ...]:
    pool = Pool(strides=(2, 2), kernel=(2, 2))
    x = net.clamp(net.pool(net.conv(net.inputs[0], 8), pool), -1.0, 1.0)
    return (net.conv(x, 2, (2, 2)),)


def test_a_pool_that_clamps_does_not_commute() -> None:
    net = Net((1, 8, 8, 3))
    module = net.done(*clamped_pool(net))
    FuseLayersPass().apply(Context(), module)
    assert len(ops(module, nn.MaxPool2dOp)) == 1 and not ops(module, nn.ClampOp)
    assert pairs(module) == []
