# SPDX-License-Identifier: Apache-2.0
"""Layers of which it is told beforehand that they do not decode: against the choice among all ways."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from sparsec.analysis.choice.format_choice import Problem
from sparsec.analysis.choice.format_goal import Goal, Price, price
from sparsec.analysis.choice.layer_groups import Group, Known, groups_of, other_constants
from sparsec.analysis.choice.never_decoded import never_decoded
from sparsec.kernels.layer import Layer
from sparsec.kernels.way import Way
from sparsec.recipe import Recipe
from sparsec.targets.cpu import Cpu, cpu_named
from tests.analysis.choice.sparse_networks import Spec, network

M4 = cpu_named("cortex-m4")
FULL = Spec("conv2d", 24, 24, size=8, kernel=3, keep=1.0)
EMPTY = Spec("conv2d", 24, 24, size=8, kernel=3, keep=0.01, seed=9)


def decodes(group: Group, layer: Layer, way: Way) -> bool:
    return way.decoder is not None


def found_in(module: ModuleOp, cpu: Cpu, weights: Price) -> list[bool]:
    """For each layer whether it surely does not decode."""
    groups = groups_of(module, cpu, Recipe(), None, decodes)
    found = never_decoded(groups, other_constants(module), weights, Known(), cpu)
    return [op in found for group in groups for op in group.ops]


def balanced(module: ModuleOp, cpu: Cpu) -> Price:
    return price("balanced", *Problem(module, cpu, Goal()).dense)


def test_layers_together_pay_for_the_code_of_dense_weights() -> None:
    """One layer alone does not: where nothing else calls CMSIS-NN's convolution, its own may be left out of the image."""
    many = [replace(FULL, seed=seed) for seed in range(8)]
    module = network([*many, EMPTY])
    weights = balanced(module, M4)
    assert found_in(module, M4, weights) == [True] * 8 + [False]
    assert found_in(network([FULL, EMPTY]), M4, weights) == [False, False]


def test_what_was_not_decoded_changes_no_choice() -> None:
    many = [replace(FULL, seed=seed) for seed in range(8)]
    module = network([*many, EMPTY])
    problem = Problem(module, M4, Goal("balanced"), False, balanced(module, M4))
    labels = [{way.label for way in group.ways} for group in problem.groups]
    assert labels[0] <= {"dense", "delta8"} and "bitmap" in labels[-1]
    expected = Problem(module, M4, Goal("balanced")).decide()
    winners = [(each.winner.label, each.winner.kernel) for each in problem.decide().layers]
    assert winners == [(each.winner.label, each.winner.kernel) for each in expected.layers]


convolutions = st.lists(
    st.builds(
        Spec,
        st.just("conv2d"),
        inputs=st.sampled_from([16, 24]),
        outputs=st.just(24),
        size=st.sampled_from([1, 8]),
        kernel=st.just(3),
        keep=st.sampled_from([0.02, 0.3, 1.0, 1.0]),
        seed=st.integers(0, 1000),
    ),
    min_size=6,
    max_size=9,
    unique_by=lambda spec: spec.seed,
)
specs = st.builds(
    Spec,
    st.sampled_from(["conv2d", "linear", "depthwise"]),
    inputs=st.sampled_from([8, 24]),
    outputs=st.sampled_from([8, 24]),
    size=st.sampled_from([1, 8]),
    kernel=st.sampled_from([1, 3]),
    keep=st.sampled_from([0.02, 0.3, 1.0]),
    seed=st.integers(0, 1000),
)


@settings(max_examples=6)
@given(convolutions, st.sampled_from(["cortex-m0plus", "cortex-m4"]), st.sampled_from([1, 2, 4]))
def test_nothing_that_is_told_decodes(specs: list[Spec], target: str, cheap: int) -> None:
    """Whatever a byte is worth."""
    module, cpu = network(specs), cpu_named(target)
    weights = balanced(module, cpu)
    weights = Price(weights.byte, cheap * weights.cycle)
    told = found_in(module, cpu, weights)
    problem = Problem(module, cpu, Goal("balanced"), True, weights)
    for layer, surely in zip(problem.decide().layers, told, strict=True):
        assert not surely or layer.winner.decoder is None


@settings(max_examples=10)
@given(specs, st.sampled_from(["cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m55"]))
def test_no_way_takes_less_than_it_is_said_to_take_at_least(spec: Spec, target: str) -> None:
    cpu = cpu_named(target)
    (group,) = groups_of(network([spec]), cpu, Recipe(), None)
    for each in (each for way in group.ways for each in way.candidates):
        least = each.way.least_cost(each.layer, cpu)
        if least is not None and each.cost is not None:
            assert least.cycles <= each.cost.cycles
            assert least.instructions <= each.cost.instructions
