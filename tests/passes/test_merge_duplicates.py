# SPDX-License-Identifier: Apache-2.0
"""`merge-duplicates`: what is there twice under two names is there once, byte for byte the same."""

import numpy as np
from hypothesis import given, note, settings
from xdsl.dialects.builtin import ModuleOp

from sparsec.ir import qnn
from sparsec.passes.merge_duplicates import MergeDuplicatesPass
from sparsec.quantization.params import Rescale
from tests.end_to_end.building import Builder
from tests.passes.dead_networks import addition, planted_modules
from tests.passes.exact import apply_exactly, names
from tests.shown import Shown


@settings(
    max_examples=40,
)
@given(planted_modules())
def test_random_networks(module: ModuleOp):
    note(Shown(module))
    before = len(names(module))
    assert len(names(apply_exactly(module, MergeDuplicatesPass()))) <= before


def constants(module: ModuleOp) -> list[str | None]:
    return [op.name_in_model for op in module.walk() if isinstance(op, qnn.ConstantOp)]


def test_branches_that_are_the_same_become_one():
    net = Builder()
    x = net.input((1, 4))
    branches = [
        net.layer(qnn.RescaleOp(net.layer(qnn.LookupOp(x, net.constant(table))), Rescale(0, 5, 1)))
        for table in (np.arange(256).astype(np.int8), np.arange(256).astype(np.int8))
    ]
    module = net.module([net.layer(addition(branches[0], branches[1]))])
    assert names(apply_exactly(module, MergeDuplicatesPass())) == ["lookup", "rescale", "add"]
    assert constants(module) == ["layer0.constant"]


def test_what_differs_in_a_number_or_an_operand_stays():
    net = Builder()
    x, y = net.input((1, 4)), net.input((1, 4))
    results = [
        net.layer(qnn.RescaleOp(x, Rescale(0, 2**30, 1))),
        net.layer(qnn.RescaleOp(x, Rescale(1, 2**30, 1))),
        net.layer(qnn.RescaleOp(y, Rescale(0, 2**30, 1))),
        net.layer(qnn.ReshapeOp(x, (1, 2, 2))),
        net.layer(qnn.ReshapeOp(x, (1, 4, 1))),
    ]
    module = net.module(results)
    before = str(module)
    apply_exactly(module, MergeDuplicatesPass())
    assert str(module) == before


def test_equal_bytes_of_another_type_stay():
    net = Builder()
    x = net.input((1, 4))
    a = net.layer(qnn.MaximumOp(x, net.constant(np.zeros(4, np.int8)), x.type))
    b = net.layer(qnn.MaximumOp(x, net.constant(np.zeros((1, 4), np.int8)), x.type))
    module = net.module([a, b])
    assert names(apply_exactly(module, MergeDuplicatesPass())) == ["maximum", "maximum"]
