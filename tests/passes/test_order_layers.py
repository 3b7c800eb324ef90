# SPDX-License-Identifier: Apache-2.0
"""`order-layers`: fewer bytes live at once, byte for byte the same results, and nothing moved for nothing."""

from dataclasses import replace
from math import prod

from hypothesis import given, note, settings
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.analysis.memory.block_dataflow import dataflow_of, layers_of
from sparsec.analysis.memory.live_bytes import live_tensors
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.passes.order_layers import OrderLayersPass
from sparsec.planning.dataflow import Dataflow, Operation
from sparsec.planning.order import least_order
from sparsec.quantization.params import Requant, Rescale
from sparsec.quantization.window import Border, Pool
from sparsec.targets.cpu import cpu_named
from tests.end_to_end.building import Builder
from tests.end_to_end.networks import modules
from tests.passes.exact import apply_exactly, names
from tests.shown import Shown

FEW = settings(
    max_examples=40,
)


def flow_of(module: ModuleOp) -> Dataflow:
    return dataflow_of(main_function(module).body.block, cpu_named("cortex-m4"))


def peak(module: ModuleOp) -> int:
    flow = flow_of(module)
    return flow.peak(range(len(flow.operations)))


def rounded(value: SSAValue) -> int:
    """The bytes of a tensor up to the next multiple of four."""
    return -(-prod(shape_of(value.type)) // 4) * 4


@FEW
@given(modules())
def test_random_networks(module: ModuleOp) -> None:
    """Several side by side, so that there is something to order."""
    note(Shown(module))
    before, text, layers = peak(module), str(module), sorted(names(module))
    least = least_order(flow_of(module))
    assert least.is_proven
    apply_exactly(module, OrderLayersPass())
    assert peak(module) == least.peak <= before
    assert sorted(names(module)) == layers
    assert (str(module) == text) == (least.peak == before)


@FEW
@given(modules())
def test_the_same_tensors_are_live_as_everybody_counts_them(module: ModuleOp) -> None:
    block = main_function(module).body.block
    flow = dataflow_of(block, cpu_named("cortex-m4"))
    bare = replace(
        flow, operations=tuple(replace(op, scratch=0, shares={}) for op in flow.operations)
    )
    live = live_tensors(block)
    expected = [sum(rounded(v) for v in live[op]) for op in layers_of(block)]
    assert bare.live(range(len(expected))) == expected


def test_a_branch_is_over_before_the_other_begins() -> None:
    net = Builder()
    x = net.input((1, 4, 4, 1))
    border = Border((0, 0, 0, 0), (0, 4, 4, 0))
    grown = [net.layer(qnn.PadOp(x, value, border)) for value in (3, 4)]
    pixel = TensorType(i8, (1, 1, 1, 1))
    pool = Pool(kernel=(8, 8))
    ends = [net.layer(qnn.MaxPool2dOp(image, pool, Requant(), pixel)) for image in grown]
    module = net.module(ends)
    assert peak(module) == 16 + 64 + 64
    assert names(apply_exactly(module, OrderLayersPass())) == ["pad", "max_pool2d"] * 2
    assert peak(module) == 16 + 64 + 4


def test_what_runs_in_place_and_what_takes_scratch_memory_is_known() -> None:
    net = Builder()
    x = net.input((1, 2, 2, 4))
    y = net.layer(qnn.RescaleOp(x, Rescale(0, 2**30, 1)))
    z = net.layer(qnn.ReshapeOp(y, (1, 4, 1, 4)))
    pixel = TensorType(i8, (1, 1, 1, 4))
    w = net.layer(qnn.AvgPool2dOp(z, Pool(kernel=(4, 1)), Requant(), pixel))
    flow = flow_of(net.module([w]))
    assert (flow.sizes, flow.inputs, flow.outputs) == ((16, 16, 4), (0,), (2,))
    assert flow.operations == (Operation((0,), (1,), 0, {0: 16}), Operation((1,), (2,), 16))
