# SPDX-License-Identifier: Apache-2.0
"""`eliminate-dead-channels`: every byte of every result stays, and what is dead goes."""

from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, note, settings
from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, DictionaryAttr, ModuleOp, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.formats import Delta8
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.attributes import REMOVED
from sparsec.ir.constant import constant_array, dense_attribute
from sparsec.ir.moved import moves_of
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import EncodingAttr
from sparsec.passes.eliminate_dead_channels import EliminateDeadChannelsPass
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams, Clamp, Requant, Rescale
from sparsec.quantization.window import Pool, Window
from tests.end_to_end.building import Builder
from tests.fuzz import shard
from tests.passes.dead_networks import planted_modules, size_of, unread_channels
from tests.passes.exact import apply_exactly
from tests.shown import Shown

Array: TypeAlias = np.ndarray[Any, Any]

SAME = Window(padding=(1, 1, 1, 1))
SHARDS = 4


def eliminate(module: ModuleOp) -> ModuleOp:
    """`module` after the pass, whose results, size and repetition are checked."""
    size = size_of(module)
    apply_exactly(module, EliminateDeadChannelsPass())
    assert all(new <= old for new, old in zip(size_of(module), size, strict=True))
    assert unread_channels(module) == []
    return module


@pytest.mark.fuzz
@pytest.mark.parametrize("number", range(SHARDS))
def test_random_networks(number: int):
    @shard(number)
    @settings(
        max_examples=80,
    )
    @given(planted_modules())
    def check(module: ModuleOp) -> None:
        note(Shown(module))
        eliminate(module)

    check()


class Net(Builder):
    """Layers with given weights; scales are such that accumulators become results."""

    def scales(
        self, channels: int, bias: int | list[int], shift: int
    ) -> tuple[SSAValue, SSAValue, SSAValue]:
        return (
            self.constant(np.broadcast_to(np.array(bias, np.int32), channels).copy()),
            self.constant(np.full(channels, 2**30, np.int32)),
            self.constant(np.full(channels, shift, np.int32)),
        )

    def conv(
        self,
        x: SSAValue,
        weights: Array,
        *,
        bias: int | list[int] = 0,
        window: Window | None = None,
        clamp: Clamp = (-128, 127),
        shift: int = -2,
        input_zp: int = 0,
    ) -> SSAValue:
        window = window or Window()
        _, height, width, _ = shape_of(x.type)
        channels = len(weights)
        size = window.output_size((height, width), (weights.shape[1], weights.shape[2]))
        return self.layer(
            qnn.Conv2dOp(
                x,
                self.constant(weights.astype(np.int8)),
                *self.scales(channels, bias, shift),
                Requant(input_zp, 0, clamp),
                window,
                TensorType(i8, (1, *size, channels)),
            )
        )

    def depthwise(self, x: SSAValue, weights: Array, window: Window | None = None) -> SSAValue:
        window = window or Window()
        _, height, width, _ = shape_of(x.type)
        channels = weights.shape[3]
        size = window.output_size((height, width), (weights.shape[1], weights.shape[2]))
        return self.layer(
            qnn.DepthwiseConv2dOp(
                x,
                self.constant(weights.astype(np.int8)),
                *self.scales(channels, 0, -2),
                Requant(),
                window,
                TensorType(i8, (1, *size, channels)),
            )
        )

    def linear(self, x: SSAValue, weights: Array) -> SSAValue:
        scales = self.scales(len(weights), 0, -2)
        type = TensorType(i8, (1, len(weights)))
        return self.layer(
            qnn.LinearOp(x, self.constant(weights.astype(np.int8)), *scales, Requant(), type)
        )

    def add(self, a: SSAValue, b: SSAValue) -> SSAValue:
        numbers = add_params(0.1, 0.1, 0.1)
        return self.layer(
            qnn.AddOp(a, b, AddParams(**numbers, input1_zp=0, input2_zp=0, output_zp=0))
        )


def ones(*shape: int) -> Array:
    return np.arange(np.prod(shape)).reshape(shape) % 5 + 1


def without(array: Array, axis: int, *channels: int) -> Array:
    """`array` with zeros at `channels` of `axis`."""
    array = array.copy()
    np.moveaxis(array, axis, 0)[list(channels)] = 0
    return array


def shapes(module: ModuleOp) -> list[tuple[int, ...]]:
    """The shapes of what each operation gives, constants left out."""
    return [
        shape_of(op.results[0].type)
        for op in main_function(module).body.block.ops
        if op.results and not isinstance(op, qnn.ConstantOp)
    ]


def removed(module: ModuleOp, layer: str) -> dict[str, list[int]]:
    """The record of a layer."""
    record = module.attributes[REMOVED]
    assert isinstance(record, DictionaryAttr)
    entry = record.data[layer]
    assert isinstance(entry, DictionaryAttr)
    lists: dict[str, list[int]] = {}
    for key, value in entry.data.items():
        assert isinstance(value, DenseArrayBase)
        lists[key] = [int(number) for number in value.get_values()]
    return lists


def grouped(*groups: int) -> Array:
    """[3, 4 * groups]: 2:4 in the groups that are marked, zero in others."""
    return ones(3, 4 * len(groups)) * np.kron(groups, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("columns", "asked", "kept"),
    [
        # Without a wish every dead channel goes.
        (grouped(1, 1, 1), "auto", 6),
        (grouped(1, 1, 1), "nm(2:4)", 12),
        # A whole group may go, and what leaves the pattern whole.
        (grouped(1, 0, 1), "nm(2:4)", 8),
        (grouped(0, 0, 1), "nm(2:4)", 2),
        # What is no 2:4 can keep none.
        (without(ones(3, 12), 1, 1, 2, 3), "nm(2:4)", 9),
        (grouped(1, 1, 1), "delta8", 6),
    ],
)
def test_channels_that_a_pattern_needs_stay(columns: Array, asked: str, kept: int) -> None:
    net = Net()
    y = net.linear(net.input((1, 5)), ones(columns.shape[1], 5))
    module = net.module([net.linear(y, columns)])
    apply_exactly(module, EliminateDeadChannelsPass(format=asked))
    assert shapes(module) == [(1, kept), (1, 3)]
    first, second = (op for op in module.walk() if isinstance(op, qnn.LinearOp))
    gone = columns.shape[1] - kept
    what = f"eliminate-dead-channels removed {gone} of its {columns.shape[1]}"
    assert moves_of(second) == ((f"{what} inputs",) if gone else ())
    assert moves_of(first) == ((f"{what} outputs",) if gone else ())


@pytest.mark.parametrize(("channels", "kept"), [(8, 4), (6, 6)])
def test_groups_that_lie_across_pixels_stay(channels: int, kept: int) -> None:
    """Columns of a convolution are (ky, kx, channel): a group of 4 is one of channels if they are a multiple of it."""
    net = Net()
    y = net.conv(net.input((1, 4, 4, 1)), ones(channels, 1, 1, 1))
    weights = ones(2, 3, 3, channels)
    weights[..., [0, 2, *range(4, channels)]] = 0
    weights[0, 0, 0, 1] = weights[0, 0, 0, 3] = 1
    module = net.module([net.conv(y, weights)])
    recipe = EliminateDeadChannelsPass(recipe="*: nm(2:4)")
    apply_exactly(module, recipe)
    assert shapes(module)[0] == (1, 4, 4, kept)


def test_dead_inputs_go_through_everything_between():
    net = Net()
    x = net.input((1, 6, 6, 2))
    y = net.conv(x, ones(4, 3, 3, 2), window=SAME)
    y = net.depthwise(y, ones(1, 3, 3, 8), SAME)
    y = net.layer(qnn.RescaleOp(y, Rescale(0, 2**30, 1)))
    table = net.constant(np.arange(-128, 128).astype(np.int8)[::-1])
    y = net.layer(qnn.LookupOp(y, table))
    pool = Pool((2, 2), kernel=(2, 2))
    y = net.layer(qnn.MaxPool2dOp(y, pool, Requant(), TensorType(i8, (1, 3, 3, 8))))
    y = net.layer(qnn.ReshapeOp(y, (1, 72)))
    columns = without(ones(5, 9, 8), 2, 2, 3, 4).reshape(5, 72)
    module = eliminate(net.module([net.linear(y, columns)]))
    # Channels 2 and 3 come from channel 1; 4 shares channel 2 with 5, which is read.
    assert shapes(module) == [
        (1, 6, 6, 3),
        *[(1, 6, 6, 6)] * 3,
        (1, 3, 3, 6),
        (1, 54),
        (1, 5),
    ]
    assert removed(module, "conv2d1") == {
        "dead_inputs": [1],
        "weights": [72, 54],
        "macs": [2592, 1944],
    }
    assert removed(module, "depthwise_conv2d2")["dead_inputs"] == [2, 3]
    assert removed(module, "linear7") == {"weights": [360, 270], "macs": [360, 270]}


def test_a_residual_channel_goes_only_if_dead_on_every_path():
    net = Net()
    x = net.input((1, 3, 3, 2))
    a = net.conv(x, ones(4, 1, 1, 2))
    b = net.conv(a, without(ones(4, 1, 1, 4), 3, 0, 1))
    total = net.add(a, b)
    out = net.conv(total, without(ones(3, 1, 1, 4), 3, 1, 2))
    module = eliminate(net.module([out]))
    # Of 1 and 2, which the sum need not have, the second convolution reads 2.
    assert shapes(module) == [(1, 3, 3, 3), (1, 3, 3, 3), (1, 3, 3, 3), (1, 3, 3, 3)]
    assert removed(module, "conv2d1")["dead_inputs"] == [1]
    # The filter of the channel that nobody reads, but which the sum has to have, becomes zeros.
    second = [op for op in module.walk() if isinstance(op, qnn.Conv2dOp)][1]
    weights = constant_array(second.weights)
    assert weights is not None
    assert weights.any(axis=(1, 2, 3)).tolist() == [True, False, True]


def test_a_zero_filter_moves_into_biases_where_padding_lets_it():
    for bias, kept in ((0, 1), (40, 2)):
        net = Net()
        x = net.input((1, 5, 5, 2))
        y = net.conv(x, without(ones(2, 1, 1, 2), 0, 0), bias=[bias, 3])
        out = net.conv(y, ones(2, 3, 3, 2), window=SAME)
        module = eliminate(net.module([out]))
        assert shapes(module)[0] == (1, 5, 5, kept)


def test_a_zero_filter_moves_into_biases_without_padding():
    net = Net()
    x = net.input((1, 5, 5, 2))
    y = net.conv(x, without(ones(3, 1, 1, 2), 0, 0, 2), bias=[40, 3, -70])
    out = net.conv(y, ones(2, 3, 3, 3), input_zp=5)
    module = eliminate(net.module([out]))
    assert shapes(module)[0] == (1, 5, 5, 1)
    assert removed(module, "conv2d1")["dead_outputs"] == [0, 2]


def test_a_clamp_that_lets_nothing_through():
    # 8 is the largest sum of a 1x1 convolution of inputs that a clamp holds between 0 and 4.
    net = Net()
    x = net.input((1, 4, 4, 1))
    y = net.conv(x, ones(1, 1, 1, 1), clamp=(0, 4))
    weights = np.array([2, 2, -2, 1]).reshape(4, 1, 1, 1)
    z = net.conv(y, weights, bias=[1000, 0, -7, -2000], clamp=(-10, 20), shift=1)
    out = net.conv(z, ones(2, 1, 1, 4))
    module = eliminate(net.module([out]))
    assert removed(module, "conv2d2")["constant"] == [0, 3]


def test_concat_drops_an_operand_that_is_dead():
    net = Net()
    x = net.input((1, 3, 3, 2))
    a, b = net.conv(x, ones(2, 1, 1, 2)), net.conv(x, ones(3, 1, 1, 2))
    both = net.layer(qnn.ConcatOp([a, b], 3, TensorType(i8, (1, 3, 3, 5))))
    module = eliminate(net.module([net.conv(both, without(ones(2, 1, 1, 5), 3, 0, 1, 3))]))
    assert shapes(module) == [(1, 3, 3, 2), (1, 3, 3, 2)]
    assert removed(module, "conv2d1") == {
        "dead_inputs": [0, 1],
        "weights": [4, 0],
        "macs": [36, 0],
    }


def test_a_constant_network_keeps_its_shape():
    net = Net()
    x = net.input((1, 3, 3, 2))
    y = net.conv(x, ones(4, 1, 1, 2))
    module = eliminate(net.module([net.conv(y, np.zeros((3, 1, 1, 4)), bias=[1, 2, 3])]))
    assert shapes(module) == [(1, 3, 3, 1), (1, 3, 3, 3)]


def test_a_constant_branch_becomes_a_constant():
    net = Net()
    x = net.input((1, 3, 3, 2))
    y = net.conv(x, np.zeros((2, 1, 1, 2)), bias=[9, -9])
    module = eliminate(net.module([net.add(x, y)]))
    (layer,) = [op for op in module.walk() if isinstance(op, qnn.AddOp)]
    assert isinstance(layer.rhs.owner, qnn.ConstantOp)
    assert size_of(module) == (0, 0)


def test_accumulators_that_may_wrap_are_left_alone():
    net = Net()
    x = net.input((1, 2, 2, 1))
    y = net.conv(x, np.array([0, 1]).reshape(2, 1, 1, 1), bias=[40, 0])
    out = net.conv(y, ones(1, 1, 1, 2), bias=2**31 - 10)
    module = eliminate(net.module([out]))
    assert shapes(module)[0] == (1, 2, 2, 2)
    assert REMOVED not in module.attributes


def test_encoded_weights_are_left_alone():
    net = Net()
    x = net.input((1, 2, 2, 2))
    y = net.conv(x, ones(4, 1, 1, 2))
    encoded = qnn.ConstantOp(
        dense_attribute(np.zeros((3, 1, 1, 4), np.int8), EncodingAttr(Delta8()))
    )
    net.block.add_op(encoded)
    out = net.layer(
        qnn.Conv2dOp(
            y,
            encoded.result,
            *net.scales(3, 0, 0),
            Requant(),
            Window(),
            TensorType(i8, (1, 2, 2, 3)),
        )
    )
    module = net.module([out])
    before = str(module)
    EliminateDeadChannelsPass().apply(Context(), module)
    assert str(module) == before
