# SPDX-License-Identifier: Apache-2.0
"""Kernels for dense weights compete: what wins is written on the layer, and the lowering obeys."""

from collections.abc import Iterator

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr

from sparsec.analysis.choice.candidates import others
from sparsec.analysis.choice.format_choice import Problem
from sparsec.analysis.choice.format_goal import Goal, Objective
from sparsec.backends.cortex_m.convert_qnn_to_kernels import ConvertQnnToKernelsPass
from sparsec.ir import cmsis, qnn, rt
from sparsec.ir.attributes import KERNEL
from sparsec.ir.kernel import KernelOp
from sparsec.kernels.code import code_of
from sparsec.kernels.layer import Layer
from sparsec.kernels.library import NoWay, ways
from sparsec.passes.select_sparse_formats import SelectSparseFormatsPass
from sparsec.recipe import Recipe, parse_recipe
from sparsec.targets.cpu import cpu_named
from tests.analysis.choice.sparse_networks import Spec, network

M4 = cpu_named("cortex-m4")
DENSE = Spec("depthwise", 16, 16, 12, 3, keep=1.0)
TINY = Spec("depthwise", 16, 16, 1, 3, keep=1.0)
EMPTY = Spec("depthwise", 16, 16, 12, 3, keep=0.0)
CMSIS_NN = cmsis.DepthwiseConvOp.C_FUNCTION
OURS = rt.DepthwiseConvolve3x3Op.C_FUNCTION
HELIUM = rt.DepthwiseConvolveLanesOp.C_FUNCTION
SPARSE = rt.DepthwiseConvolveDelta8Op.C_FUNCTION


def layers(module: ModuleOp) -> Iterator[qnn.WeightedOp]:
    return (op for op in module.walk() if isinstance(op, qnn.WeightedOp))


def winner(spec: Spec, objective: Objective = "latency", recipe: str = "") -> str:
    goal = Goal(objective, recipe=parse_recipe(recipe) if recipe else Recipe())
    (layer,) = Problem(network([spec]), M4, goal).decide().layers
    return layer.winner.kernel


@pytest.mark.parametrize(
    ("spec", "kernel"), [(DENSE, OURS), (TINY, CMSIS_NN), (EMPTY, SPARSE)], ids=str
)
def test_the_fastest_kernel_wins(spec: Spec, kernel: str) -> None:
    assert winner(spec) == kernel


def test_the_smallest_network_wins() -> None:
    """CMSIS-NN's constants are smaller and our code is: where other layers need CMSIS-NN's anyway, it takes this one too."""
    assert winner(DENSE, "flash") == OURS
    wide = Spec("depthwise", 16, 16, 12, 5, keep=1.0, seed=1)
    decision = Problem(network([DENSE, wide]), M4, Goal("flash")).decide()
    assert [layer.winner.kernel for layer in decision.layers] == [CMSIS_NN, CMSIS_NN]
    code = code_of("cortex-m4")
    ours, both = ([OURS, CMSIS_NN], [CMSIS_NN, CMSIS_NN])
    assert code.bytes(ours) - code.bytes(both) > 4000


def test_nothing_is_slower_than_what_dense_weights_would_take() -> None:
    """The sparse kernel is there for one layer anyway: its code is free for the others, but not their cycles."""
    module = network([DENSE, EMPTY, Spec("depthwise", 23, 23, 7, 3, keep=0.18, seed=2)])
    problem = Problem(module, M4, Goal())
    for group in problem.groups:
        by = {way.kernel: way.cycles for way in group.ways}
        assert by[OURS] < by[CMSIS_NN]
    decision = problem.decide()
    dense = Problem(module, M4, Goal(recipe=parse_recipe("*: dense"))).decide()
    assert {layer.winner.kernel for layer in dense.layers} == {OURS}
    for chosen, other in zip(decision.layers, dense.layers, strict=True):
        assert chosen.winner.cost is not None and other.winner.cost is not None
        assert chosen.winner.cost.cycles <= other.winner.cost.cycles
    (reason,) = (v.reason for v in decision.layers[2].verdicts if v.label == "delta8")
    assert reason.endswith(f"cycles more than dense by {OURS}")


def test_what_is_to_be_dense_may_be_run_by_any_kernel() -> None:
    assert winner(DENSE, recipe="*: dense") == OURS
    assert winner(EMPTY, recipe="*: dense") == OURS


@pytest.mark.parametrize("objective", ["latency", "flash", "balanced"])
def test_a_point_of_the_front_is_what_its_recipe_gives(objective: Objective) -> None:
    """Whatever the recipe is compiled for: bytes and cycles are those that the front promises."""
    module = network([DENSE, EMPTY, Spec("conv2d", 16, 8, 12, keep=0.2, seed=4)])
    front = Problem(module, M4, Goal()).front()
    assert len(front) > 3
    for point in front:
        recipe = parse_recipe("; ".join(f"{layer}: {way}" for layer, way in point.formats))
        assert parse_recipe(recipe.text) == recipe
        decision = Problem(module, M4, Goal(objective, recipe=recipe)).decide()
        costs = [layer.winner.cost for layer in decision.layers]
        assert decision.flash == point.flash
        assert sum(cost.cycles for cost in costs if cost is not None) == point.cycles


def test_a_kernel_can_be_asked_for() -> None:
    assert winner(DENSE, recipe=f"*: dense by {CMSIS_NN}") == CMSIS_NN
    assert winner(DENSE, "flash", recipe=f"*: dense by {OURS}") == OURS
    with pytest.raises(ValueError, match="stored as dense by sparsec_slice_s8, which .* asks for"):
        winner(DENSE, recipe="*: dense by sparsec_slice_s8")


def test_a_choice_in_a_hurry_is_the_same() -> None:
    for spec in (DENSE, TINY, EMPTY):
        (layer,) = Problem(network([spec]), M4, Goal(), explained=False).decide().layers
        assert layer.winner.kernel == winner(spec)


@pytest.mark.parametrize(
    ("cpu", "kernels"),
    [("cortex-m4", [OURS]), ("cortex-m7", [OURS]), ("cortex-m3", []), ("cortex-m55", [HELIUM])],
)
def test_others_are_those_of_the_core(cpu: str, kernels: list[str]) -> None:
    (op,) = layers(network([DENSE]))
    assert [other.kernel for other in others(Layer(op), cpu_named(cpu))] == kernels
    assert not any(other.preferred for other in others(Layer(op), cpu_named(cpu)))
    assert list(others(Layer(op), M4, lambda layer, way: True)) == []


def test_what_was_chosen_is_written_down_and_lowered() -> None:
    module = network([DENSE, TINY])
    SelectSparseFormatsPass().apply(Context(), module)
    chosen = [op.attributes.get(KERNEL) for op in layers(module)]
    assert chosen == [StringAttr(OURS), None]
    ConvertQnnToKernelsPass().apply(Context(), module)
    calls = [op.C_FUNCTION for op in module.walk() if isinstance(op, KernelOp)]
    assert calls == [OURS, CMSIS_NN]


def test_a_chosen_kernel_that_cannot_run_a_layer_is_an_error() -> None:
    (op,) = layers(network([DENSE]))
    op.attributes[KERNEL] = StringAttr(OURS)
    found = ways(Layer(op), cpu_named("cortex-m3"))
    assert isinstance(found, NoWay)
    assert found.reason == f"{OURS} is no kernel on cortex-m3"
    op.attributes[KERNEL] = StringAttr("nothing")
    found = ways(Layer(op), M4)
    assert isinstance(found, NoWay)
    assert found.reason == "nothing is no kernel for qnn.depthwise_conv2d of this shape"
