# SPDX-License-Identifier: Apache-2.0
"""quantize: which values get which quantization, and that the int8 network means what fold-qdq makes."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.values.ranges import set_range
from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.passes.calibrate import calibrate
from sparsec.passes.fold_batch_norm import FoldBatchNormPass
from sparsec.passes.fold_qdq import FoldQdqPass
from sparsec.passes.fold_transpose import FoldTransposePass
from sparsec.passes.fuse_layers import FuseLayersPass
from sparsec.passes.quantize import QuantizePass, quantization_for
from sparsec.quantization.observers import MinMaxObserver
from sparsec.quantization.ranges import dequantize, quantize
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.window import Pool
from sparsec.tools.rounding import SemanticsError, check_fold, check_quantize
from tests.passes.nets import TO_NHWC, Net, op_names, ops, random_inputs, run

UNIT = Quantization((1 / 256,), -128)


def quantized(net: Net, *results: SSAValue, **options: str) -> ModuleOp:
    """The network calibrated with random data and quantized, every value within what its scale allows."""
    module = net.done(*results)
    inputs = random_inputs(module)
    calibrate(module, inputs, MinMaxObserver)
    before = module.clone()
    run(module, QuantizePass(**options))  # pyright: ignore[reportArgumentType]
    check_quantize(before, module, [array[:1] for array in inputs])
    return module


def scheme_of(value: SSAValue) -> Quantization:
    """The quantization of the pair after `value`, or of the dequantize that makes it."""
    if isinstance(value.owner, nn.DequantizeOp):
        return value.owner.quantization.data
    (user,) = {use.operation for use in value.uses}
    assert isinstance(user, nn.QuantizeOp)
    return user.quantization.data


def test_every_layer_stands_between_pairs() -> None:
    net = Net((1, 6, 5, 3))
    module = quantized(net, net.linear(net.reshape(net.conv(net.inputs[0], 2), 1, 24), 3))
    assert op_names(module) == [
        *("quantize", "dequantize", "dequantize", "conv2d"),
        *("quantize", "dequantize", "reshape"),
        *("quantize", "dequantize", "dequantize", "linear", "quantize", "dequantize"),
    ]


WEIGHTED: list[tuple[Callable[[Net, SSAValue], SSAValue], int, int]] = [
    (lambda net, x: net.conv(x, 4), 0, 4),
    (lambda net, x: net.depthwise(x, 2), 3, 6),
    (lambda net, x: net.linear(x, 5), 0, 5),
]


@pytest.mark.parametrize(("layer", "axis", "scales"), WEIGHTED)
def test_weights_are_int8_per_channel_under_their_name(
    layer: Callable[[Net, SSAValue], SSAValue], axis: int, scales: int
) -> None:
    net = Net((1, 6, 5, 3))
    module = quantized(net, layer(net, net.inputs[0]))
    op = next(op for op in module.walk() if isinstance(op, nn.WeightedOp))
    dequantize = op.weights.owner
    assert isinstance(dequantize, nn.DequantizeOp)
    assert dequantize.quantization.data.axis == axis
    assert len(dequantize.quantization.data.scales) == scales
    constant = dequantize.input.owner
    assert isinstance(constant, nn.ConstantOp)
    assert constant.array.dtype == np.int8 and constant.name_in_model == "c"
    assert constant.array.min() >= -127
    assert isinstance(op.bias.owner, nn.ConstantOp)
    assert {c.array.dtype.name for c in ops(module, nn.ConstantOp)} == {"int8", "float32"}


def test_linear_weights_per_tensor() -> None:
    net = Net((1, 6))
    module = quantized(net, net.linear(net.inputs[0], 5), linear_weights="per-tensor")
    (linear,) = ops(module, nn.LinearOp)
    assert scheme_of(linear.weights).axis is None


@pytest.mark.parametrize("linear_weights", ["per-channel", "per-tensor"])
def test_a_large_bias_enlarges_the_weight_scale(linear_weights: str) -> None:
    net = Net((1, 2))
    weights, bias = net.constant(np.full((2, 2), 1e-9)), net.constant(np.array([1e3, 0.0]))
    result = nn.float_type((1, 2))
    x = net.add_op(nn.LinearOp(net.inputs[0], weights, bias, result))
    module = quantized(net, x, linear_weights=linear_weights)
    (linear,) = ops(module, nn.LinearOp)
    scale = scheme_of(linear.weights).scales[0] * scheme_of(net.inputs[0]).scale
    assert 2**29 < 1e3 / scale < 2**30
    run(module, FoldQdqPass())


def test_a_layer_that_reads_another_value_is_seen() -> None:
    net = Net((1, 6))
    first = net.linear(net.inputs[0], 6)
    module = net.done(net.linear(first, 6))
    inputs = random_inputs(module)
    calibrate(module, inputs, MinMaxObserver)
    before = module.clone()
    run(module, QuantizePass())
    one, two = ops(module, nn.LinearOp)
    two.operands[0] = one.input
    with pytest.raises(SemanticsError, match="pass quantize changed what linear2 reads"):
        check_quantize(before, module, [inputs[0][:1]])


KEEPING: list[Callable[[Net, SSAValue], SSAValue]] = [
    lambda net, x: net.pool(x, Pool(kernel=(2, 2))),
    lambda net, x: net.pool(x, Pool(kernel=(2, 2)), average=True),
    lambda net, x: net.reshape(x, 1, 90),
    lambda net, x: net.transpose(x, TO_NHWC),
    lambda net, x: net.pad(x),
]


@pytest.mark.parametrize("layer", KEEPING)
def test_layers_that_keep_the_quantization(layer: Callable[[Net, SSAValue], SSAValue]) -> None:
    net = Net((1, 6, 5, 3))
    x = layer(net, net.inputs[0])
    quantized(net, x)
    assert scheme_of(x) == scheme_of(net.inputs[0])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("softmax", UNIT),
        ("sigmoid", UNIT),
        ("hardsigmoid", UNIT),
        ("tanh", Quantization((1 / 128,), 0)),
    ],
)
def test_functions_of_fixed_range(function: str, expected: Quantization) -> None:
    net = Net((1, 6))
    x = net.inputs[0]
    y = net.softmax(x) if function == "softmax" else net.activation(x, f"{function}(x)")
    quantized(net, y)
    assert scheme_of(y) == expected


def test_other_functions_use_their_range() -> None:
    net = Net((1, 6))
    y = net.activation(net.inputs[0], "gelu(x)")
    module = net.done(y)
    set_range(net.inputs[0], (-1.0, 1.0))
    set_range(y, (-0.2, 2.0))
    run(module, QuantizePass())
    assert scheme_of(y) == quantization_for((-0.2, 2.0))


def test_what_only_a_concat_reads_is_produced_as_it_wants() -> None:
    net = Net((1, 6, 5, 3))
    one = net.conv(net.inputs[0], 2)
    moved = net.pool(net.conv(net.inputs[0], 4, (2, 2)), Pool(kernel=(2, 2)))
    inner = net.concat(net.conv(net.inputs[0], 3), net.depthwise(net.inputs[0]))
    y = net.concat(one, moved, inner)
    module = quantized(net, y)
    wanted = scheme_of(y)
    assert len({scheme_of(v) for v in (one, moved, inner, y)}) == 1
    assert all(scheme_of(op.result) == wanted for op in ops(module, nn.Conv2dOp))


@pytest.mark.parametrize("kind", ["read by others", "fixed", "average", "argument", "constant"])
def test_other_operands_of_a_concat_are_quantized_again(kind: str) -> None:
    net = Net((1, 6, 5, 3))
    one = net.conv(net.inputs[0], 2)
    shared = net.conv(net.inputs[0], 2)
    others: dict[str, Callable[[], SSAValue]] = {
        "read by others": lambda: shared,
        "fixed": lambda: net.softmax(shared),
        "average": lambda: net.pool(net.conv(net.inputs[0], 2, (2, 2)), Pool(kernel=(2, 2)), True),
        "argument": lambda: net.inputs[1],
        "constant": lambda: net.random(1, 4, 3, 1),
    }
    if kind == "argument":
        net = Net((1, 6, 5, 3), (1, 4, 3, 1))
        one = net.conv(net.inputs[0], 2)
    y = net.concat(one, others[kind]())
    results = (y,) if kind in ("argument", "constant") else (y, net.softmax(shared))
    module = quantized(net, *results)
    (concat,) = ops(module, nn.ConcatOp)
    assert {scheme_of(value) for value in concat.inputs} == {scheme_of(y)}
    if kind == "read by others":
        assert scheme_of(shared) != scheme_of(y)


def test_a_border_beyond_the_range_of_its_input_has_a_number() -> None:
    net = Net((1, 6, 5, 3))
    x = net.softmax(net.inputs[0])
    y = net.pad(x, value=-3.0)
    quantized(net, y)
    scheme = scheme_of(y)
    stored = quantize(-3.0, scheme.scale, scheme.zero_point)
    assert abs(dequantize(stored, scheme.scale, scheme.zero_point) + 3.0) <= scheme.scale / 2


def test_a_border_before_a_concat_is_produced_as_the_concat_wants() -> None:
    net = Net((1, 6, 5, 3))
    x = net.conv(net.inputs[0], 2)
    padded = net.pad(x, value=-30.0)
    y = net.concat(padded, net.constant(np.full((1, 6, 5, 1), 50.0)))
    module = quantized(net, y)
    assert {scheme_of(v) for v in (x, padded, y)} == {quantization_for((-30.0, 50.0))}
    assert len(ops(module, nn.QuantizeOp)) == 4


def test_a_graph_that_has_pairs_is_left_alone() -> None:
    net = Net((1, 6, 5, 3))
    scheme = Quantization((0.1,), 5)

    def pair(x: SSAValue) -> SSAValue:
        return net.add_op(nn.DequantizeOp(net.add_op(nn.QuantizeOp(x, scheme)), scheme))

    x = pair(net.conv(pair(net.inputs[0]), 2))
    y = pair(net.reshape(x, 1, 24))
    text = op_names(run(net.done(y), QuantizePass()))
    assert text == [
        *("quantize", "dequantize", "dequantize", "conv2d", "quantize", "dequantize"),
        *("reshape", "quantize", "dequantize"),
    ]


def test_the_gaps_of_a_graph_that_has_pairs_are_filled() -> None:
    net = Net((1, 3, 6, 5))
    scheme, other = Quantization((0.1,), 5), Quantization((0.2,), 1)

    def pair(x: SSAValue, scheme: Quantization) -> SSAValue:
        return net.add_op(nn.DequantizeOp(net.add_op(nn.QuantizeOp(x, scheme)), scheme))

    x = pair(net.transpose(net.inputs[0], TO_NHWC), scheme)
    x = net.pool(net.conv(x, 2), Pool(kernel=(2, 2)))
    x = net.reshape(pair(x, other), 1, 12)
    y = pair(net.linear(x, 2), scheme)
    module = run(net.done(y), QuantizePass())
    (convolution,), (linear,) = ops(module, nn.Conv2dOp), ops(module, nn.LinearOp)
    assert scheme_of(net.inputs[0]) == scheme
    assert scheme_of(convolution.result) == other
    assert scheme_of(linear.input) == other
    run(module, FoldQdqPass())


def test_a_missing_range_names_the_layer_and_the_remedy() -> None:
    net = Net((1, 6))
    x = net.add_op(nn.AddOp(net.inputs[0], net.inputs[0]), "block.0.sum")
    module = net.done(x)
    with pytest.raises(
        PassFailedException, match="input 0 has no measured range: give --calibrate"
    ):
        run(module, QuantizePass())
    set_range(net.inputs[0], (0.0, 1.0))
    message = "block.0.sum (nn.add) has no measured range: give --calibrate FILE.npz, or export"
    with pytest.raises(PassFailedException, match=re.escape(message)):
        run(module, QuantizePass())


def test_batch_norm_must_be_folded_first() -> None:
    net = Net((1, 6))
    with pytest.raises(PassFailedException, match="batch_norm1: .* run fold-batch-norm first"):
        quantized(net, net.batch_norm(net.inputs[0]))


def residual(net: Net) -> SSAValue:
    x = net.transpose(net.inputs[0], TO_NHWC)
    x = net.clamp(net.batch_norm(net.conv(net.pad(x), 8)))
    y = net.batch_norm(net.conv(net.pad(x), 8))
    x = net.clamp(net.add(x, y))
    x = net.pool(x, Pool((2, 2), kernel=(2, 2)))
    x = net.clamp(net.linear(net.flatten(x), 16), 0.0, 6.0)
    return net.linear(x, 5)


def dense_block(net: Net) -> SSAValue:
    x = net.clamp(net.conv(net.transpose(net.inputs[0], TO_NHWC), 4))
    y = net.clamp(net.conv(net.pad(x), 4))
    x = net.concat(x, y)
    x = net.clamp(net.batch_norm(x))
    x = net.activation(net.depthwise(x, 2), "hardswish(x)")
    x = net.pool(x, Pool(kernel=(4, 4)), average=True)
    return net.softmax(net.linear(net.reshape(x, 1, 16), 4))


@pytest.mark.parametrize("build", [residual, dense_block])
@pytest.mark.parametrize("linear_weights", ["per-channel", "per-tensor"])
def test_the_int8_network_is_close_to_the_float_one(
    build: Callable[[Net], SSAValue], linear_weights: str
) -> None:
    net = Net((1, 3, 8, 8))
    module = net.done(build(net))
    inputs = random_inputs(module, samples=20)
    (expected,) = interpret(module, inputs)
    run(module, FoldBatchNormPass(), FoldTransposePass(), FuseLayersPass())
    calibrate(module, inputs, MinMaxObserver)
    measured = module.clone()
    run(module, QuantizePass(linear_weights))  # pyright: ignore[reportArgumentType]
    check_quantize(measured, module, [inputs[0][:1]])
    paired = module.clone()
    (fake,) = interpret(module, inputs)
    span = float(expected.max() - expected.min())
    assert float(np.abs(fake - expected).max()) < 0.05 * span
    entry = scheme_of(net.inputs[0])
    returned = ops(module, nn.DequantizeOp)[-1].quantization.data
    run(module, FoldQdqPass())
    stored = quantize(inputs[0], entry.scale, entry.zero_point)
    check_fold(paired, module, [inputs[0][:1]], [stored[:1]])
    (real,) = interpret(module, [stored])
    assert real.dtype == np.int8
    result = dequantize(real, returned.scale, returned.zero_point)
    assert float(np.abs(result - fake).max()) <= 2.5 * returned.scale
