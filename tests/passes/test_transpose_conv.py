# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions in the analyses of channels, and in `eliminate-dead-channels`."""

from typing import Any, TypeAlias

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.analysis.values.dead_channels import read_elements
from sparsec.analysis.values.weighted_layer import WeightedLayer, weighted_layer
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.passes.eliminate_dead_channels import EliminateDeadChannelsPass
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from tests.end_to_end.building import Builder
from tests.passes.exact import apply_exactly

Array: TypeAlias = np.ndarray[Any, Any]


def same_window(kernel: tuple[int, int], strides: tuple[int, int]) -> Window:
    """What TensorFlow adds for SAME where the result is `strides` as large as the input."""
    totals = [max(0, k - s) for k, s in zip(kernel, strides, strict=True)]
    top, left = (total // 2 for total in totals)
    return Window(strides, (top, left, totals[0] - top, totals[1] - left))


class Net(Builder):
    """A network of layers that requantize by 2^-5, or 2^-9 of a transposed convolution's."""

    def convolve(self, x: SSAValue, weights: Array) -> SSAValue:
        """A 1x1 convolution, weights [O, I]."""
        _, height, width, _ = shape_of(x.type)
        shape = (1, height, width, len(weights))
        operands = self.operands(weights[:, np.newaxis, np.newaxis], -5)
        type = TensorType(i8, shape)
        return self.layer(qnn.Conv2dOp(x, *operands, Requant(4, 4), Window(), type))

    def transposed(
        self, x: SSAValue, weights: Array, strides: tuple[int, int], bias: Array | None = None
    ) -> SSAValue:
        """SAME, and a result that is `strides` as large."""
        _, height, width, _ = shape_of(x.type)
        shape = (1, height * strides[0], width * strides[1], len(weights))
        window = same_window((weights.shape[1], weights.shape[2]), strides)
        operands = self.operands(weights, -9, bias)
        return self.layer(
            qnn.TransposeConv2dOp(x, *operands, Requant(4, -6), window, TensorType(i8, shape))
        )

    def operands(
        self, weights: Array, shift: int, bias: Array | None = None
    ) -> tuple[SSAValue, SSAValue, SSAValue, SSAValue]:
        channels = len(weights)
        bias = np.arange(channels) * 700 - 900 if bias is None else bias
        arrays = bias, np.full(channels, 3 << 29), np.full(channels, shift)
        bias_, multiplier, shift_ = (self.constant(a.astype(np.int32)) for a in arrays)
        return self.constant(weights.astype(np.int8)), bias_, multiplier, shift_


def one_layer(
    seed: int, kernel: tuple[int, int], strides: tuple[int, int]
) -> tuple[ModuleOp, WeightedLayer, qnn.TransposeConv2dOp]:
    """A network of one transposed convolution with many zeros among its weights."""
    rng = np.random.default_rng(seed)
    net = Net()
    weights = rng.integers(-128, 128, (2, *kernel, 3)) * (rng.random((2, *kernel, 3)) < 0.2)
    module = net.module([net.transposed(net.input((1, 3, 4, 3)), weights, strides)])
    (op,) = (op for op in module.walk() if isinstance(op, qnn.TransposeConv2dOp))
    layer = weighted_layer(op)
    assert layer is not None
    return module, layer, op


GEOMETRIES = pytest.mark.parametrize(
    ("kernel", "strides"),
    [((1, 1), (1, 1)), ((2, 2), (2, 2)), ((3, 4), (2, 1)), ((1, 2), (3, 3)), ((4, 3), (2, 2))],
)


@GEOMETRIES
def test_accumulators_are_those_of_the_interpreter(
    kernel: tuple[int, int], strides: tuple[int, int]
) -> None:
    module, layer, _ = one_layer(1, kernel, strides)
    image = np.random.default_rng(2).integers(-128, 128, (3, 4, 3)).astype(np.int8)
    low, high = layer.accumulate(image, image)
    np.testing.assert_array_equal(low, high)
    [result] = interpret(module, [image[np.newaxis]])
    np.testing.assert_array_equal(layer.results(low), result[0])
    assert layer.macs == 3 * 4 * layer.weights.size


@GEOMETRIES
def test_inputs_that_meet_no_weight_change_nothing_and_others_do(
    kernel: tuple[int, int], strides: tuple[int, int]
) -> None:
    module, layer, op = one_layer(3, kernel, strides)
    read = read_elements(main_function(module).body.block)[op.input][0]
    image = np.zeros((3, 4, 3), np.int8)
    before, _ = layer.accumulate(image, image)
    for place in np.ndindex(*image.shape):
        changed = image.copy()
        changed[place] = 1
        after, _ = layer.accumulate(changed, changed)
        assert read[place] == bool((after != before).any())


def test_dead_inputs_and_outputs_go() -> None:
    rng = np.random.default_rng(4)
    net = Net()
    x = net.convolve(net.input((1, 3, 3, 2)), rng.integers(1, 128, (6, 2)))
    weights = rng.integers(1, 128, (5, 4, 4, 6))
    weights[..., [1, 4]] = 0  # dead inputs
    weights[3] = 0  # a constant, which the next bias takes
    columns = rng.integers(1, 128, (2, 5))
    columns[:, 0] = 0  # a dead output
    out = net.convolve(net.transposed(x, weights, (2, 2)), columns)
    module = apply_exactly(net.module([out]), EliminateDeadChannelsPass())
    (op,) = (op for op in module.walk() if isinstance(op, qnn.TransposeConv2dOp))
    assert shape_of(op.weights.type) == (3, 4, 4, 4)
    assert shape_of(op.result.type) == (1, 6, 6, 3)


@pytest.mark.parametrize(("kernel", "folds"), [((2, 2), True), ((3, 3), False)])
def test_a_constant_input_folds_where_every_pixel_meets_the_same_weights(
    kernel: tuple[int, int], folds: bool
) -> None:
    net = Net()
    filters = np.array([[3, -5], [0, 0]])  # the second channel is a constant
    x = net.convolve(net.input((1, 4, 4, 2)), filters)
    out = net.transposed(x, np.full((1, *kernel, 2), 9), (2, 2))
    module = apply_exactly(net.module([out]), EliminateDeadChannelsPass())
    (op,) = (op for op in module.walk() if isinstance(op, qnn.TransposeConv2dOp))
    assert shape_of(op.weights.type)[3] == (1 if folds else 2)


def test_random_networks() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        kernel, strides = ((int(a), int(b)) for a, b in rng.integers(1, 4, (2, 2)))
        net = Net()
        x = net.input((1, 2, 3, 2))
        for channels, transposed in ((4, True), (5, False), (4, True), (3, False)):
            depth = shape_of(x.type)[3]
            shape = (channels, *kernel, depth) if transposed else (channels, depth)
            weights = rng.integers(-128, 128, shape)
            weights[rng.random(channels) < 0.3] = 0
            weights[..., rng.random(depth) < 0.3] = 0
            x = net.transposed(x, weights, strides) if transposed else net.convolve(x, weights)
        apply_exactly(net.module([x]), EliminateDeadChannelsPass())
