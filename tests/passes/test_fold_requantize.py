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
from tests.passes.dead_networks import ZERO, Planter
from tests.passes.exact import apply_exactly, names

IDENTITY = Rescale(5, 2**30, 1, 5)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_chain_is_one_operation(data: st.DataObject):
    drawing = Drawing(data.draw)
    x = drawing.net.input((1, 256))
    for _ in range(data.draw(st.integers(1, 4))):
        x = data.draw(st.sampled_from([lookup, rescale]))(drawing, x, []) or x
    module = drawing.net.module([x])
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
        (Rescale(0, 2**30, 2, 3), ["rescale"]),  # half and then double, after a shift of nothing
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
    planter = Planter(lambda _: False)  # type: ignore
    planter.clamp = lambda: (-128, 127)
    x = planter.net.input((1, 4, 4, 2))
    y = planter.net.layer(qnn.RescaleOp(planter.add(x, x), Rescale(0, 2**30, 1, 0, (ZERO, 90))))
    relu = planter.net.constant(np.maximum(np.arange(-128, 128), 4).astype(np.int8))
    module = planter.net.module([planter.net.layer(qnn.LookupOp(y, relu))])
    assert names(apply_exactly(module, FoldRequantizePass())) == ["add"]
    (add,) = [op for op in module.walk() if isinstance(op, qnn.AddOp)]
    assert add.params.data.clamp == (4, 90)


def test_a_producer_that_others_read_keeps_its_clamp():
    planter = Planter(lambda _: False)  # type: ignore
    planter.clamp = lambda: (-128, 127)
    x = planter.net.input((1, 4, 4, 2))
    y = planter.add(x, x)
    z = planter.net.layer(qnn.RescaleOp(y, Rescale(0, 2**30, 1, 0, (ZERO, 90))))
    module = planter.net.module([y, z])
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
