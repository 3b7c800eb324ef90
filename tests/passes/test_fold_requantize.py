"""`fold-requantize`: fewer operations, the same bytes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from sparsec.ir import qnn
from sparsec.passes.fold_requantize import FoldRequantizePass
from sparsec.quantization.params import Rescale
from tests.end_to_end.building import Builder
from tests.end_to_end.networks import Drawing, lookup, modules, rescale
from tests.passes.dead_networks import ZERO, addition
from tests.passes.exact import apply_exactly, names

IDENTITY = Rescale(5, 2**30, 1, 5)


@st.composite
def chains(draw: st.DrawFn) -> ModuleOp:
    drawing = Drawing(draw)
    x = drawing.net.input((1, 256))
    for _ in range(draw(st.integers(1, 4))):
        x = draw(st.sampled_from([lookup, rescale]))(drawing, x, []) or x
    return drawing.net.module([x])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chains())
def test_a_chain_is_one_operation(module: ModuleOp):
    note(str(module))
    assert len(names(apply_exactly(module, FoldRequantizePass()))) <= 1


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(modules(most=1))
def test_random_networks(module: ModuleOp):
    note(str(module))
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
    x = net.input((1, 4, 4, 2))
    y = net.layer(qnn.RescaleOp(net.layer(addition(x, x)), Rescale(0, 2**30, 1, 0, (ZERO, 90))))
    relu = net.constant(np.maximum(np.arange(-128, 128), 4).astype(np.int8))
    module = net.module([net.layer(qnn.LookupOp(y, relu))])
    assert names(apply_exactly(module, FoldRequantizePass())) == ["add"]
    (add,) = [op for op in module.walk() if isinstance(op, qnn.AddOp)]
    assert add.params.data.clamp == (4, 90)


def test_a_producer_that_others_read_keeps_its_clamp():
    net = Builder()
    x = net.input((1, 4, 4, 2))
    y = net.layer(addition(x, x))
    z = net.layer(qnn.RescaleOp(y, Rescale(0, 2**30, 1, 0, (ZERO, 90))))
    module = net.module([y, z])
    assert names(apply_exactly(module, FoldRequantizePass())) == ["add", "rescale"]


def test_identities_go():
    net = Builder()
    x = net.input((1, 2, 2, 3))
    y = net.layer(qnn.RescaleOp(x, IDENTITY))
    y = net.layer(qnn.TransposeOp(y, [0, 1, 2, 3]))
    y = net.layer(qnn.ConcatOp([y], 3, y.type))
    y = net.layer(qnn.ReshapeOp(net.layer(qnn.ReshapeOp(y, (1, 12))), (1, 2, 2, 3)))
    module = net.module([net.layer(qnn.ReshapeOp(y, (1, 2, 2, 3)))])
    assert names(apply_exactly(module, FoldRequantizePass())) == []
