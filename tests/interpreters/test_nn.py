# SPDX-License-Identifier: Apache-2.0
"""What the operations of nn mean, held against PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from xdsl.ir import Operation, SSAValue

from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.quantization.scheme import Bounds, Quantization
from sparsec.quantization.window import Border, Pool, Window
from tests.passes.nets import TO_NCHW, Net, random_inputs

BATCH = 3
Array = np.ndarray[Any, Any]


def expect(
    net: Net,
    result: SSAValue,
    expected: Callable[[Tensor], Tensor] | Callable[[Tensor, Tensor], Tensor],
) -> None:
    """`result` is what `expected` makes of the inputs, as NHWC like them; float32 rounding apart."""
    module = net.done(result)
    inputs = random_inputs(module, BATCH)
    (found,) = interpret(module, inputs)
    wanted: Array = cast(Any, expected)(*(torch.from_numpy(x) for x in inputs)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def nchw(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def tensors(op: Operation | Any) -> list[Tensor]:
    """The constants that `op` reads."""
    return [
        torch.from_numpy(v.owner.array.copy())
        for v in op.operands
        if isinstance(v.owner, nn.ConstantOp)
    ]


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
windows = st.builds(
    Window, pairs, st.tuples(*[st.integers(0, 2)] * 4), st.tuples(*[st.integers(1, 2)] * 2)
)


def border(window: Window) -> tuple[int, int, int, int]:
    """Padding in the order of torch: left, right, top, bottom."""
    top, left, bottom, right = window.padding
    return left, right, top, bottom


@settings(max_examples=40)
@given(windows, pairs, st.integers(1, 3), st.integers(1, 3))
def test_conv2d(window: Window, kernel: tuple[int, int], depth: int, channels: int) -> None:
    net = Net((1, 6, 7, depth))
    x = net.conv(net.inputs[0], channels, kernel, window, Bounds(-0.5, 0.5))
    weights, bias = tensors(x.owner)

    def expected(x: Tensor) -> Tensor:
        padded = F.pad(nchw(x), border(window))
        y = F.conv2d(padded, nchw(weights), bias, window.strides, 0, window.dilations)
        return nhwc(y).clamp(-0.5, 0.5)

    expect(net, x, expected)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolutions_in_groups(groups: int) -> None:
    window = Window((2, 1), (1, 0, 1, 0))
    net = Net((1, 5, 6, 4))
    weights, bias = net.random(8, 3, 2, 4 // groups), net.random(8)
    result = nn.float_type((1, 3, 5, 8))
    x = net.add_op(nn.Conv2dOp(net.inputs[0], weights, bias, window, result))
    taps, offsets = tensors(x.owner)
    expect(
        net,
        x,
        lambda x: nhwc(F.conv2d(nchw(x), nchw(taps), offsets, (2, 1), (1, 0), groups=groups)),
    )


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("more", [(0, 0), (1, 0)])
def test_transpose_conv2d(groups: int, more: tuple[int, int]) -> None:
    """torch's weights are (inputs, outputs of a group, ..)."""
    net = Net((1, 3, 4, 4))
    weights, bias = net.random(6, 3, 2, 4 // groups), net.random(6)
    size = (2 * 2 - 2 + 3 + more[0], 3 * 3 + 2 + more[1])
    window = Window((2, 3), (1, 0, 1 - more[0], 0))
    result = nn.float_type((1, *size, 6))
    x = net.add_op(nn.TransposeConv2dOp(net.inputs[0], weights, bias, window, result))
    taps, offsets = tensors(x.owner)
    apart = nchw(taps).reshape(groups, 6 // groups, 4 // groups, 3, 2).transpose(1, 2).flatten(0, 1)
    expect(
        net,
        x,
        lambda x: nhwc(F.conv_transpose2d(nchw(x), apart, offsets, (2, 3), (1, 0), more, groups)),
    )


@settings(max_examples=40)
@given(windows, st.integers(1, 3), st.integers(1, 3))
def test_depthwise_conv2d(window: Window, depth: int, multiplier: int) -> None:
    net = Net((1, 6, 7, depth))
    x = net.depthwise(net.inputs[0], multiplier, window)
    weights, bias = tensors(x.owner)

    def expected(x: Tensor) -> Tensor:
        padded = F.pad(nchw(x), border(window))
        taps = weights.permute(3, 0, 1, 2)
        y = F.conv2d(padded, taps, bias, window.strides, 0, window.dilations, groups=depth)
        return nhwc(y)

    expect(net, x, expected)


@pytest.mark.parametrize("shape", [(1, 5), (1, 3, 5), (1, 2, 3, 5)])
def test_linear(shape: tuple[int, ...]) -> None:
    net = Net(shape)
    x = net.linear(net.inputs[0], 4)
    weights, bias = tensors(x.owner)
    expect(net, x, lambda x: F.linear(x, weights, bias))


def test_batch_norm() -> None:
    net = Net((1, 2, 3, 4))
    x = net.batch_norm(net.inputs[0])
    gamma, beta, mean, variance = tensors(x.owner)
    expect(net, x, lambda x: nhwc(F.batch_norm(nchw(x), mean, variance, gamma, beta, eps=1e-5)))


def gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh),
        ("hardsigmoid", F.hardsigmoid),
        ("hardswish", F.hardswish),
        ("silu", F.silu),
        ("gelu", F.gelu),
        ("gelu_tanh", gelu_tanh),
    ],
)
def test_activation(function: str, expected: Callable[[Tensor], Tensor]) -> None:
    net = Net((1, 9))
    expect(net, net.activation(net.inputs[0], f"{function}(x)"), expected)


def test_softmax_clamp_and_add() -> None:
    net = Net((1, 9), (1, 9))
    x = net.softmax(net.clamp(net.add(*net.inputs), -0.5, 0.75))

    def expected(a: Tensor, b: Tensor) -> Tensor:
        return (a + b).clamp(-0.5, 0.75).softmax(-1)

    expect(net, x, expected)


POOLS = [
    Pool((2, 2), kernel=(2, 2)),
    Pool((2, 1), (1, 1, 1, 1), kernel=(3, 2)),
    Pool((1, 1), (1, 0, 1, 0), kernel=(3, 1)),
]


@pytest.mark.parametrize("pool", [*POOLS, Pool((1, 2), (1, 1, 1, 1), (2, 2), (3, 3))])
def test_max_pool(pool: Pool) -> None:
    net = Net((1, 6, 7, 2))
    top, left, _, _ = pool.padding

    def expected(x: Tensor) -> Tensor:
        return nhwc(F.max_pool2d(nchw(x), pool.kernel, pool.strides, (top, left), pool.dilations))

    expect(net, net.pool(net.inputs[0], pool), expected)


@pytest.mark.parametrize("pool", POOLS)
def test_avg_pool_does_not_count_padding(pool: Pool) -> None:
    net = Net((1, 6, 7, 2))
    top, left, _, _ = pool.padding

    def expected(x: Tensor) -> Tensor:
        y = F.avg_pool2d(nchw(x), pool.kernel, pool.strides, (top, left), count_include_pad=False)
        return nhwc(y)

    expect(net, net.pool(net.inputs[0], pool, average=True), expected)


def test_pad() -> None:
    net = Net((1, 3, 4, 2))
    x = net.add_op(nn.PadOp(net.inputs[0], 1.5, Border((0, 1, 2, 0), (0, 0, 3, 1))))
    expect(net, x, lambda x: F.pad(x, (0, 1, 2, 3, 1, 0), value=1.5))


def test_slice() -> None:
    net = Net((1, 3, 4, 2))
    x = net.slice(net.inputs[0], (0, 2, 1, 1), (1, -1, 2, 1), (1, 3, 2, 1))
    expect(net, x, lambda x: x[:, :, 1::2, 1:].flip(1))


def test_resize_and_gather() -> None:
    net = Net((1, 3, 4, 2))
    rows, columns = net.indices(2, 0, 2), net.indices(3, 3)
    x = net.add_op(nn.ResizeNearestOp(net.inputs[0], rows, columns))
    y = net.add_op(nn.GatherOp(x, net.indices(1, 0, 0), 3))
    expect(net, y, lambda x: x[:, [2, 0, 2]][:, :, [3, 3]][..., [1, 0, 0]])


def test_data_movement_keeps_the_samples_apart() -> None:
    net = Net((1, 3, 4, 2))
    x = net.inputs[0]
    y = net.concat(net.transpose(x, TO_NCHW), net.constant(np.ones((1, 1, 3, 4))), axis=1)
    expected_one = torch.ones(BATCH, 1, 3, 4)
    expect(
        net,
        net.reshape(y, 1, 36),
        lambda x: torch.cat([nchw(x), expected_one], 1).flatten(1),
    )


def test_an_axis_that_holds_samples_and_more_comes_apart_again() -> None:
    net = Net((1, 6))
    expect(
        net,
        net.reshape(net.softmax(net.reshape(net.inputs[0], 2, 3)), 1, 6),
        lambda x: x.reshape(-1, 2, 3).softmax(-1).flatten(1),
    )


@pytest.mark.parametrize(
    "scheme", [Quantization((0.03,), 5), Quantization((0.01, 0.02, 0.5), 0, 1)]
)
def test_quantize_and_dequantize(scheme: Quantization) -> None:
    net = Net((1, 3))
    q = net.add_op(nn.QuantizeOp(net.inputs[0], scheme))

    def expected(x: Tensor) -> Tensor:
        scale = torch.tensor(scheme.scales, dtype=torch.float32)
        steps = torch.round(x / scale) + scheme.zero_point
        return (steps.clamp(-128, 127) - scheme.zero_point) * scale

    expect(net, net.add_op(nn.DequantizeOp(q, scheme)), expected)


def test_the_listener_sees_every_operation_in_order() -> None:
    net = Net((1, 3))
    module = net.done(net.clamp(net.linear(net.inputs[0], 2)))
    seen: list[tuple[str, list[tuple[int, ...]]]] = []

    def listen(op: Operation, results: Sequence[Array]) -> None:
        seen.append((op.name, [array.shape for array in results]))

    interpret(module, random_inputs(module, 2), listener=listen)
    assert seen[2:] == [
        ("nn.linear", [(2, 2)]),
        ("nn.clamp", [(2, 2)]),
        ("func.return", []),
    ]
