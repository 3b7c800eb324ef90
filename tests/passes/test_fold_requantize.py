# SPDX-License-Identifier: Apache-2.0
"""`fold-requantize`: fewer operations, the same bytes."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from sparsec.ir import qnn
from sparsec.passes.fold_requantize import FoldRequantizePass
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams, MulParams, PreluParams, Rescale
from tests.end_to_end.building import Builder
from tests.end_to_end.networks import Drawing, lookup, modules, rescale
from tests.passes.dead_networks import ZERO, addition
from tests.passes.exact import apply_exactly, names
from tests.shown import Shown

Operate: TypeAlias = Callable[[SSAValue, SSAValue], Any]

IDENTITY = Rescale(5, 2**30, 1, 5)


@st.composite
def chains(draw: st.DrawFn) -> ModuleOp:
    drawing = Drawing(draw)
    x = drawing.net.input((1, 256))
    for _ in range(draw(st.integers(1, 4))):
        x = draw(st.sampled_from([lookup, rescale]))(drawing, x, []) or x
    return drawing.net.module([x])


@settings(max_examples=80)
@given(chains())
def test_a_chain_is_one_operation(module: ModuleOp):
    note(Shown(module))
    assert len(names(apply_exactly(module, FoldRequantizePass()))) <= 1


@settings(
    max_examples=60,
)
@given(modules(most=1))
def test_random_networks(module: ModuleOp):
    note(Shown(module))
    apply_exactly(module, FoldRequantizePass())


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (Rescale(0, 2**30, 2, 3), ["rescale"]),  # once and then twice
        (Rescale(0, 2**30, 1, 7, (-20, 50)), ["rescale"]),
        (Rescale(4, 1518500250, 0, 7), ["lookup"]),  # rounds twice
    ],
)
def test_two_rescales(second: Rescale, expected: list[str]):
    net = Builder()
    x = net.input((1, 256))
    y = net.layer(qnn.RescaleOp(x, Rescale(-2, 2**30, 1, 0)))
    module = net.module([net.layer(qnn.RescaleOp(y, second))])
    assert names(apply_exactly(module, FoldRequantizePass())) == expected


def test_a_clamp_goes_into_its_producer():
    net = Builder()
    a, b = net.input((1, 4, 4, 2)), net.input((1, 4, 4, 2))
    y = net.layer(qnn.RescaleOp(net.layer(addition(a, b)), Rescale(0, 2**30, 1, 0, (ZERO, 90))))
    relu = net.constant(np.maximum(np.arange(-128, 128), 4).astype(np.int8))
    module = net.module([net.layer(qnn.LookupOp(y, relu))])
    assert names(apply_exactly(module, FoldRequantizePass())) == ["add"]
    (add,) = [op for op in module.walk() if isinstance(op, qnn.AddOp)]
    assert add.params.data.clamp == (4, 90)


def test_a_producer_that_others_read_keeps_its_clamp():
    net = Builder()
    a, b = net.input((1, 4, 4, 2)), net.input((1, 4, 4, 2))
    y = net.layer(addition(a, b))
    z = net.layer(qnn.RescaleOp(y, Rescale(0, 2**30, 1, 0, (ZERO, 90))))
    module = net.module([y, z])
    assert names(apply_exactly(module, FoldRequantizePass())) == ["add", "rescale"]


def numbers(net: Builder, *values: int) -> SSAValue:
    """A vector, or without axes a single number."""
    return net.constant(np.array(values if len(values) > 1 else sum(values), np.int8))


SUM = AddParams(**add_params(0.1, 0.07, 0.12), input1_zp=4, input2_zp=-9, output_zp=ZERO)
PRODUCT = MulParams(3, -5, 2**30 + 99, -5, 7)
SLOPE = PreluParams(3, 1, 2**30, 1, 2**30, -6, 3)


MAPS: list[Operate] = [
    lambda x, c: qnn.MulOp(x, c, PRODUCT, x.type),
    lambda x, c: qnn.MulOp(c, x, PRODUCT, x.type),
    lambda x, c: qnn.SubOp(x, c, SUM, x.type),
    lambda x, c: qnn.SubOp(c, x, SUM, x.type),
    lambda x, c: qnn.BroadcastAddOp(x, c, SUM, x.type),
    lambda x, c: qnn.PreluOp(x, c, SLOPE),
    lambda x, _: qnn.MulOp(x, x, PRODUCT, x.type),
    lambda x, _: qnn.AddOp(x, x, SUM),
    lambda x, _: qnn.SubOp(x, x, SUM, x.type),
]


@pytest.mark.parametrize("operation", MAPS)
def test_with_one_number_or_itself_it_is_a_table(operation: Operate):
    for values, expected in (((77,), ["lookup"]), ((77, 77), ["lookup"]), ((77, 76), None)):
        net = Builder()
        x = net.input((1, 128, 2))
        op = operation(x, numbers(net, *values))
        own = [op.name.removeprefix("qnn.")]
        if op.operands[0] is op.operands[1]:
            expected = ["lookup"]
        module = net.module([net.layer(op)])
        assert names(apply_exactly(module, FoldRequantizePass())) == (expected or own)


def test_a_number_goes_into_the_table_before_it():
    net = Builder()
    x = net.input((1, 128, 2))
    y = net.layer(qnn.MulOp(x, numbers(net, 90), PRODUCT, x.type))
    y = net.layer(qnn.BroadcastAddOp(y, numbers(net, -20), SUM, x.type))
    module = net.module([net.layer(qnn.MaximumOp(y, numbers(net, 4), x.type))])
    assert names(apply_exactly(module, FoldRequantizePass())) == ["lookup"]


def test_a_number_that_is_repeated_itself_is_no_table():
    net = Builder()
    x = net.input((1, 1, 2))
    c = net.constant(np.full((1, 4, 2), 9, np.int8))
    module = net.module([net.layer(qnn.MulOp(x, c, PRODUCT, c.type))])
    assert names(apply_exactly(module, FoldRequantizePass())) == ["mul"]


PRODUCERS: list[Operate] = [
    lambda a, b: qnn.MulOp(a, b, PRODUCT, a.type),
    lambda a, b: qnn.SubOp(a, b, SUM, a.type),
    lambda a, b: qnn.PreluOp(a, b, SLOPE),
    lambda a, _: qnn.RescaleOp(a, Rescale(5, 2**30 + 99, 0, 9)),
]


@pytest.mark.parametrize("producer", PRODUCERS)
def test_extremes_with_one_number_are_clamps_of_the_producer(producer: Operate):
    net = Builder()
    a, b = net.input((1, 4, 4, 2)), net.input((1, 4, 4, 2))
    y = net.layer(producer(a, b))
    own = y.owner.name.removeprefix("qnn.") if isinstance(y.owner, Operation) else ""
    y = net.layer(qnn.ReshapeOp(y, (1, 32)))
    y = net.layer(qnn.MaximumOp(y, numbers(net, -7), y.type))
    module = net.module([net.layer(qnn.MinimumOp(numbers(net, 30), y, y.type))])
    assert names(apply_exactly(module, FoldRequantizePass())) == [own, "reshape"]


def test_a_vector_below_all_that_comes_is_no_operation():
    net = Builder()
    x = net.input((1, 128, 2))
    y = net.layer(qnn.RescaleOp(x, Rescale(5, 2**30 + 99, 0, 9, (3, 90))))
    y = net.layer(qnn.MaximumOp(y, numbers(net, -7, 3), x.type))
    y = net.layer(qnn.MinimumOp(y, numbers(net, 90, 100), x.type))
    module = net.module([net.layer(qnn.MaximumOp(y, numbers(net, 3, 4), x.type))])
    assert names(apply_exactly(module, FoldRequantizePass())) == ["rescale", "maximum"]


def test_identities_go():
    net = Builder()
    x = net.input((1, 2, 2, 3))
    y = net.layer(qnn.RescaleOp(x, IDENTITY))
    y = net.layer(qnn.TransposeOp(y, [0, 1, 2, 3]))
    y = net.layer(qnn.ConcatOp([y], 3, y.type))
    y = net.layer(qnn.ReshapeOp(net.layer(qnn.ReshapeOp(y, (1, 12))), (1, 2, 2, 3)))
    module = net.module([net.layer(qnn.ReshapeOp(y, (1, 2, 2, 3)))])
    assert names(apply_exactly(module, FoldRequantizePass())) == []
