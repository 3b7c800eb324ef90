# SPDX-License-Identifier: Apache-2.0
"""The choice against trying everything, and its promises against what is compiled."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from sparsec.analysis.choice.candidates import Candidate, bytes_of, candidates, others
from sparsec.analysis.choice.choice_record import record_of
from sparsec.analysis.choice.format_choice import Decision, Problem
from sparsec.analysis.choice.format_goal import (
    FEW,
    GAIN,
    LITTLE_RAM,
    MARGIN,
    RAM_GAIN,
    Goal,
    Objective,
    price,
)
from sparsec.analysis.choice.layer_groups import Needs, RamError
from sparsec.analysis.memory.layer_memory import LayerMemory
from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.backends.c.report import constants_of
from sparsec.formats import COMMON_FORMATS
from sparsec.interpreters.signature import main_function
from sparsec.ir import qnn
from sparsec.ir.layer import layer_of
from sparsec.ir.moved import note_move
from sparsec.kernels.code import code_of
from sparsec.kernels.layer import Layer
from sparsec.passes.select_sparse_formats import SelectSparseFormatsPass
from sparsec.recipe import parse_recipe, wish_for_all
from sparsec.targets.cpu import cpu_named
from tests.analysis.choice.sparse_networks import Spec, compiled, network

Combination = tuple[Candidate, ...]

specs = st.builds(
    Spec,
    st.sampled_from(["conv2d", "linear", "depthwise"]),
    inputs=st.sampled_from([3, 4, 12, 40]),
    outputs=st.sampled_from([3, 4, 10]),
    size=st.sampled_from([1, 3, 6]),
    kernel=st.sampled_from([1, 3]),
    keep=st.sampled_from([0.01, 0.1, 0.4, 0.9]),
    seed=st.integers(0, 1000),
)
networks = st.lists(specs, min_size=1, max_size=3, unique_by=lambda spec: spec.seed)
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
objectives = st.sampled_from([objective for objective in OBJECTIVES if objective != "ram"])
"""Those for which bytes and cycles are weighed; `ram` leaves out what needs memory first."""
cores = st.sampled_from(["cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m55"])


def layers_of(module: ModuleOp, target: str) -> list[list[Candidate]]:
    cpu = cpu_named(target)
    formats = (None, *COMMON_FORMATS)
    return [
        [
            c
            for c in (
                *candidates(Layer(op), cpu),
                *(other for format in formats for other in others(Layer(op), cpu, format=format)),
            )
            if isinstance(c, Candidate)
        ]
        for op in module.walk()
        if isinstance(op, qnn.WeightedOp)
    ]


def constants_in(combination: Sequence[Candidate]) -> int:
    """What is stored: equal arrays once. Sparse layers of few weights happen to have some in common."""
    return bytes_of(candidate.constants for candidate in combination)


def flash_of(combination: Sequence[Candidate], target: str) -> int:
    """The bytes of a network of these layers alone: what is stored, and the code of all that is called."""
    calls = [function for candidate in combination for function in candidate.calls]
    return constants_in(combination) + code_of(target).bytes(calls)


def cycles_of(combination: Sequence[Candidate]) -> int:
    return sum(c.cost.cycles for c in combination if c.cost is not None)


def surely_faster(candidate: Candidate, dense: Candidate) -> bool:
    if candidate is dense:
        return True
    if candidate.cost is None or dense.cost is None:
        return False
    return candidate.cost.cycles <= (1 - MARGIN) * dense.cost.cycles - FEW


def may_win(layer: Sequence[Candidate], dense: Candidate | None) -> list[Candidate]:
    """Under `latency`: dense weights, and what is surely faster without a decoder."""
    if dense is None:
        return list(layer)
    return [c for c in layer if c is dense or (c.decoder is None and surely_faster(c, dense))]


def combinations(
    layers: list[list[Candidate]], objective: Objective, dense: Sequence[Candidate]
) -> Iterator[Combination]:
    """What may win: under `flash` everything, else what has a cost, under `latency` what is not slower than `dense`."""
    allowed = layers
    if objective == "latency":
        allowed = [may_win(layer, each) for layer, each in zip(layers, dense, strict=True)]
    if objective == "balanced":
        allowed = [[c for c in layer if c is layer[0] or c.cost is not None] for layer in layers]
    yield from product(*allowed)


def winners(decision: Decision) -> list[Candidate]:
    return [layer.winner for layer in decision.layers]


def priced(
    combination: Sequence[Candidate],
    dense: Sequence[Candidate],
    target: str,
    objective: Objective,
) -> int:
    """Bytes and cycles as the objective weighs them."""
    weights = price(objective, flash_of(dense, target), cycles_of(dense))
    return weights.of(flash_of(combination, target), cycles_of(combination))


def priced_ram(
    combination: Sequence[Candidate],
    dense: Sequence[Candidate],
    target: str,
    objective: Objective,
    memory: LayerMemory,
    least: int,
) -> Fraction:
    """What RAM costs beyond that of the activations, of which some layer needs `least` in any case."""
    weights = price(objective, flash_of(dense, target), cycles_of(dense))
    enough = max(memory.activations, least, LITTLE_RAM)
    beyond = max(0, max(each.need(memory) for each in combination) - enough)
    return Fraction(beyond * weights.cycle * cycles_of(dense), RAM_GAIN * enough)


def totals_of(
    module: ModuleOp,
    layers: list[list[Candidate]],
    every: Sequence[Combination],
    target: str,
    objective: Objective,
) -> Callable[[Combination], Fraction]:
    """What each combination costs in all, one of `every`."""
    memory = LayerMemory(main_function(module).body.block)
    preferred = [layer[0] for layer in layers]
    allowed = [set(each) for each in zip(*every, strict=True)]
    enough = max(min(each.need(memory) for each in layer) for layer in allowed)

    def total(combination: Combination) -> Fraction:
        ram = priced_ram(combination, preferred, target, objective, memory, enough)
        return ram + priced(combination, preferred, target, objective)

    return total


def dense_alone(module: ModuleOp, layers: list[list[Candidate]], target: str) -> Combination:
    """What latency takes of dense weights."""
    dense = [[c for c in may_win(layer, layer[0]) if c.format is None] for layer in layers]
    every = list(product(*dense))
    return min(every, key=totals_of(module, layers, every, target, "latency"))


def expect_least_memory(
    module: ModuleOp, decision: Decision, layers: list[list[Candidate]]
) -> None:
    """No layer needs more than the one that needs most in any case."""
    memory = LayerMemory(main_function(module).body.block)
    pairs = list(zip(decision.layers, layers, strict=True))
    enough = max(min(c.need(memory) for c in layer) for layer in layers)
    for choice, layer in pairs:
        left = [c for c in layer if c.need(memory) <= enough]
        dense = layer[0] if layer[0] in left else None
        assert choice.winner.need(memory) <= enough
        known = [c for c in may_win(left, dense) if c.cost is not None]
        if known:
            assert choice.winner.label in [c.label for c in known]


@settings(max_examples=25)
@given(networks, cores, objectives)
def test_it_is_the_best_of_all(specs: list[Spec], target: str, objective: Objective) -> None:
    module = network(specs)
    layers = layers_of(module, target)
    dense = dense_alone(module, layers, target)
    every = list(combinations(layers, objective, dense))
    decision = Problem(module, cpu_named(target), Goal(objective)).decide()
    found = winners(decision)
    assert decision.flash == flash_of(found, target)
    if objective == "flash":
        assert flash_of(found, target) == min(flash_of(c, target) for c in every)
    else:
        total = totals_of(module, layers, every, target, objective)
        assert total(tuple(found)) == min(map(total, every))
    for one, other in zip(found, dense, strict=True):
        if objective == "latency" and one.cost is not None and other.cost is not None:
            assert one.cost.cycles <= other.cost.cycles
            assert one.cost.instructions <= other.cost.instructions


@settings(max_examples=15)
@given(networks, cores)
def test_what_is_smaller_is_what_balanced_takes(specs: list[Spec], target: str) -> None:
    """Found among few ways, where latency takes more flash than dense weights do."""
    module, cpu = network(specs), cpu_named(target)
    problem = Problem(module, cpu, Goal(), explained=False)
    decision = problem.decide()
    smaller = problem.smaller(decision)
    dense, _ = problem.dense
    balanced = Problem(module, cpu, Goal("balanced")).decide()
    if decision.flash <= dense or balanced.flash >= decision.flash:
        assert smaller is None
        return
    assert smaller is not None
    weights = price("balanced", *problem.dense)
    assert weights.of(decision.flash - smaller.saved, smaller.cycles) == weights.of(
        balanced.flash, balanced.cycles
    )
    assert (smaller.dense_saves, smaller.chosen_cycles) == (decision.flash - dense, decision.cycles)


def test_only_latency_names_what_is_smaller() -> None:
    module, cpu = (
        network([Spec("conv2d", 40, 40, size=16, kernel=3, keep=0.9)]),
        cpu_named("cortex-m4"),
    )
    for goal, named in ((Goal(), True), (Goal("flash"), False), (Goal(flash=10**6), False)):
        problem = Problem(module, cpu, goal)
        assert (problem.smaller(problem.decide()) is not None) == named


@settings(max_examples=10)
@given(networks, cores)
def test_the_least_memory_comes_first(specs: list[Spec], target: str) -> None:
    module = network(specs)
    decision = Problem(module, cpu_named(target), Goal("ram")).decide()
    expect_least_memory(module, decision, layers_of(module, target))


@pytest.mark.parametrize(("size", "inputs", "wins"), [(8, 52, False), (16, 32, True)])
def test_what_is_faster_has_to_be_worth_its_bytes(size: int, inputs: int, wins: bool) -> None:
    """Packed rows of weights that are no zeros nearly double the image: over few pixels for too few of the cycles."""
    module = network([Spec("conv2d", inputs, 40, size=size, kernel=3, keep=1.0, seed=1)])
    cpu, target = cpu_named("cortex-m4"), "cortex-m4"
    layer = layers_of(module, target)[0]
    dense, packed = layer[0], min(layer, key=lambda c: cycles_of([c]))
    assert packed.kernel == "sparsec_convolve_packed_s8"
    (chosen,) = winners(Problem(module, cpu, Goal()).decide())
    assert chosen.kernel == (packed if wins else dense).kernel
    grown = flash_of([packed], target) / flash_of([dense], target) - 1
    saved = 1 - cycles_of([packed]) / cycles_of([dense])
    assert saved > MARGIN and (GAIN * saved > grown) == wins
    reasons = {v.label: v.reason for v in Problem(module, cpu, Goal()).decide().layers[0].verdicts}
    if not wins:
        assert re.fullmatch(
            r"saves [\d,]+ cycles for [\d,]+ bytes more, of which each has to save [\d.]+",
            reasons[packed.label],
        )


@pytest.mark.parametrize(("keep", "wins"), [(0.95, False), (0.5, True)])
def test_scratch_memory_has_to_pay(keep: float, wins: bool) -> None:
    """Of a convolution of 1x9 the packed kernel keeps all columns, which is 75 % more than what is needed in any case: a
    few zeros save too little of the cycles for that."""
    spec = Spec("conv2d", 32, 32, size=60, kernel=9, keep=keep, row=True)
    module, cpu = network([spec]), cpu_named("cortex-m4")
    problem = Problem(module, cpu, Goal())
    (group,) = problem.groups
    needs, dense = Needs(problem.groups), group.dense
    packed = next(way for way in group.ways if way.kernel == "sparsec_convolve_packed_s8")
    assert dense is not None and needs.activations == 2 * 60 * 32 < needs.of(group, dense)
    more = needs.of(group, packed) / needs.of(group, dense) - 1
    flash, cycles = problem.dense
    saved, grown = 1 - packed.cycles / cycles, problem.totals.flash([packed]) / flash - 1
    assert saved > MARGIN and (saved > more / RAM_GAIN + grown / GAIN) == wins
    (layer,) = problem.decide().layers
    assert layer.winner.kernel == (packed if wins else dense).kernel
    if not wins:
        said = [each.reason for each in layer.verdicts if each.candidate in packed.candidates]
        assert len(said) == 1 and said[0].endswith("bytes of RAM more")
    # Who says how much memory there is has said that it may be used.
    (layer,) = Problem(module, cpu, Goal(ram=2**16)).decide().layers
    assert layer.winner.kernel == packed.kernel


def test_little_scratch_memory_is_free() -> None:
    """That of a packed kernel is several times what a tiny layer needs without."""
    module = network([Spec("conv2d", 28, 8, size=2, keep=0.25)])
    problem = Problem(module, cpu_named("cortex-m4"), Goal())
    (layer,), needs = problem.decide().layers, Needs(problem.groups)
    (group,) = problem.groups
    assert layer.winner.kernel == "sparsec_convolve_packed_s8"
    (taken,) = (way for way in group.ways if layer.winner in way.candidates)
    assert 3 * needs.activations < needs.of(group, taken) < LITTLE_RAM


@settings(max_examples=25)
@given(networks, cores, objectives, st.floats(0, 1))
def test_a_budget_of_flash_is_kept_or_refused(
    specs: list[Spec], target: str, objective: Objective, share: float
) -> None:
    """The smallest and the largest are near each other, so that a budget between them matters."""
    module = network(specs)
    layers = layers_of(module, target)
    sizes = [flash_of(combination, target) for combination in product(*layers)]
    least, most = min(sizes), max(sizes)
    budget = round(least - 1 + share * (most - least + 1))
    problem = Problem(module, cpu_named(target), Goal(objective, flash=budget))
    if budget < least:
        with pytest.raises(
            ValueError, match=rf"--flash allows {budget} .*takes {least}, code included"
        ):
            problem.decide()
        return
    decision = problem.decide()
    assert decision.flash <= budget
    dense = dense_alone(module, layers, target)
    every = combinations(layers, objective, dense)
    fitting = [c for c in every if flash_of(c, target) <= budget]
    unlimited = Problem(module, cpu_named(target), Goal(objective)).decide()
    if unlimited.flash <= budget:
        assert (decision.flash, decision.cycles) == (unlimited.flash, unlimited.cycles)
    elif fitting and objective == "latency":
        preferred = [layer[0] for layer in layers]
        best = min(priced(c, preferred, target, objective) for c in fitting)
        assert priced(winners(decision), preferred, target, objective) == best
    assert all(point.flash <= budget for point in problem.front())


SHARING = [
    Spec("conv2d", 4, 3, size=1, kernel=3, keep=1.0, seed=322),
    Spec("linear", 4, 3, size=1, keep=0.01, seed=731),
    Spec("linear", 4, 3, size=1, keep=0.01, seed=760),
]
"""Some ways to store the linear layers have an array of one byte in common: who adds up layers counts it twice."""


# Layers of next to nothing, some of whose arrays are equal by chance.
@example(SHARING, "cortex-m0plus")
@example(
    [
        Spec("linear", 4, 4, size=6, keep=0.01, seed=992),
        Spec("linear", 4, 3, size=6, keep=0.01, seed=432),
        Spec("conv2d", 4, 4, size=1, kernel=3, keep=0.01, seed=743),
    ],
    "cortex-m0plus",
)
@settings(max_examples=10)
@given(networks, cores)
def test_the_front_is_what_nothing_beats(specs: list[Spec], target: str) -> None:
    module = network(specs)
    known = [
        [c for c in layer if c.cost is not None] or layer[:1] for layer in layers_of(module, target)
    ]
    points = {(flash_of(c, target), cycles_of(c)) for c in product(*known)}
    best = [
        (flash, cycles)
        for flash, cycles in sorted(points)
        if not any(f <= flash and c <= cycles and (f, c) != (flash, cycles) for f, c in points)
    ]
    front = Problem(module, cpu_named(target), Goal()).front()
    assert [(point.flash, point.cycles) for point in front] == best
    assert [name for name, _ in front[0].formats] == [f"layer{i}" for i in range(len(specs))]


def test_a_front_counts_what_is_stored() -> None:
    """Its bytes are those of the arrays that its recipes compile to, where layers happen to share some."""
    target = "cortex-m0plus"
    front = Problem(network(SHARING), cpu_named(target), Goal()).front()
    added_up: list[bool] = []
    for point in front:
        recipe = parse_recipe("; ".join(f"{layer}: {way}" for layer, way in point.formats))
        module = network(SHARING)
        decision = Problem(module, cpu_named(target), Goal(recipe=recipe)).decide()
        SelectSparseFormatsPass(target, recipe=recipe.text).apply(Context(), module)
        stored = constants_of(compiled(module, target)).values()
        assert point.flash == decision.flash
        assert decision.constants == sum(array.nbytes for array in stored)
        added_up.append(decision.constants < sum(c.bytes for c in winners(decision)))
    assert any(added_up)


@settings(max_examples=10)
@given(networks, objectives)
def test_what_is_compiled_is_what_was_predicted(specs: list[Spec], objective: Objective) -> None:
    module = network(specs)
    decision = Problem(module, cpu_named("cortex-m4"), Goal(objective)).decide()
    memory = LayerMemory(main_function(module).body.block)
    needs = [layer.winner.need(memory) for layer in decision.layers]
    SelectSparseFormatsPass(objective=objective).apply(Context(), module)
    chosen = record_of(module)
    assert chosen is not None and chosen.objective == objective
    assert [layer.format for layer in chosen.layers] == [c.label for c in winners(decision)]
    lowered = compiled(module, "cortex-m4")
    planned = planned_function(lowered)
    assert planned is not None
    assert sum(array.nbytes for array in constants_of(lowered).values()) == decision.constants
    assert max(needs) <= planned.arena_bytes


def two_layers(recipe: str = "") -> ModuleOp:
    return network([Spec("conv2d", 16, 16, keep=0.1), Spec("conv2d", 16, 16, keep=0.1)], recipe)


def share_weights(module: ModuleOp) -> list[qnn.WeightedOp]:
    """The layers of `two_layers`, of which the second now reads all constants of the first."""
    first, second = (op for op in module.walk() if isinstance(op, qnn.WeightedOp))
    for index in range(1, 5):
        old = second.operands[index].owner
        second.operands[index] = first.operands[index]
        assert isinstance(old, qnn.ConstantOp)
        old.detach()
    return [first, second]


def equal_numbers(module: ModuleOp) -> None:
    """Bias, multiplier and shift of all layers of one shape become those of the first."""
    first: dict[Any, SSAValue] = {}
    for op in [op for op in module.walk() if isinstance(op, qnn.WeightedOp)]:
        for index in range(2, 5):
            key = (index, op.operands[index].type)
            op.operands[index] = first.setdefault(key, op.operands[index])


@settings(max_examples=25)
@given(networks, cores, objectives, st.floats(0, 1))
def test_what_layers_share_counts_once(
    specs: list[Spec], target: str, objective: Objective, share: float
) -> None:
    """A budget is refused only where no choice keeps to it, and what is counted is what is stored."""
    module = network([replace(spec, outputs=4, inputs=4) for spec in specs])
    equal_numbers(module)
    layers = layers_of(module, target)

    sizes = [flash_of(combination, target) for combination in product(*layers)]
    budget = round(min(sizes) - 1 + share * (max(sizes) - min(sizes) + 1))
    problem = Problem(module, cpu_named(target), Goal(objective, flash=budget))
    if budget < min(sizes):
        with pytest.raises(ValueError, match=rf"takes {min(sizes)}, code included"):
            problem.decide()
        return
    decision = problem.decide()
    assert decision.flash == flash_of(winners(decision), target) <= budget
    dense = dense_alone(module, layers, target)
    every = combinations(layers, objective, dense)
    fitting = [c for c in every if flash_of(c, target) <= budget]
    unlimited = Problem(module, cpu_named(target), Goal(objective)).decide()
    if unlimited.flash <= budget:
        assert (decision.flash, decision.cycles) == (unlimited.flash, unlimited.cycles)
    elif fitting and objective == "latency":
        preferred = [layer[0] for layer in layers]
        best = min(priced(c, preferred, target, objective) for c in fitting)
        assert priced(winners(decision), preferred, target, objective) == best
    if objective == "flash":
        assert decision.flash == min(sizes)
        assert Problem(module, cpu_named(target), Goal("flash")).decide().flash == min(sizes)
    if share == 1:
        SelectSparseFormatsPass(target, objective, flash=budget).apply(Context(), module)
        lowered = compiled(module, target)
        assert sum(array.nbytes for array in constants_of(lowered).values()) == decision.constants


@settings(max_examples=40)
@given(networks, cores, st.sampled_from(["", "layer0: bitmap", "*: dense; layer0: delta8"]))
def test_a_hurry_changes_no_choice(specs: list[Spec], target: str, recipe: str) -> None:
    """What cannot win is not laid out where nobody asks why it lost."""
    module = network(specs)
    goal = Goal(recipe=parse_recipe(recipe))

    def decided(explained: bool) -> list[str] | str:
        try:
            decision = Problem(module, cpu_named(target), goal, explained).decide()
        except ValueError as error:
            return str(error)
        return [f"{c.label} {c.kernel} {c.cost}" for c in winners(decision)]

    assert decided(explained=False) == decided(explained=True)


def test_what_cannot_win_is_not_laid_out() -> None:
    module = network([Spec("conv2d", 16, 16, keep=0.1)])
    cpu = cpu_named("cortex-m4")
    (group,) = Problem(module, cpu, Goal(), explained=False).groups
    assert [way.label for way in group.ways] == ["dense", "delta8"]
    for goal in (Goal("flash"), Goal(flash=10**6), Goal(ram=10**6)):
        (group,) = Problem(module, cpu, goal, explained=False).groups
        assert len(group.ways) > 10


def test_layers_that_share_weights_are_one_choice() -> None:
    module = two_layers()
    share_weights(module)
    goal = Goal("flash")
    decision = Problem(module, cpu_named("cortex-m4"), goal).decide()
    assert len({layer.winner.label for layer in decision.layers}) == 1
    SelectSparseFormatsPass(objective="flash").apply(Context(), module)
    flash = sum(array.nbytes for array in constants_of(compiled(module, "cortex-m4")).values())
    assert decision.constants == flash < 2 * decision.layers[0].winner.bytes


def test_weights_that_something_else_reads_stay_dense() -> None:
    module = two_layers()
    first, _ = (op for op in module.walk() if isinstance(op, qnn.WeightedOp))
    block = first.parent_block()
    assert block is not None
    block.insert_op_before(qnn.ReshapeOp(first.weights, (256,)), first)
    decision = Problem(module, cpu_named("cortex-m4"), Goal("latency")).decide()
    assert [layer.winner.label for layer in decision.layers] == ["dense", "delta8"]
    reasons = {verdict.label: verdict.reason for verdict in decision.layers[0].verdicts}
    assert reasons["delta8"] == "not only layers read these weights"


def test_what_ram_forbids_is_left_out() -> None:
    """The scratch memory of dense weights fits, that of the sparse kernel does not."""
    module = network([Spec("conv2d", 16, 16, size=6, kernel=3, keep=0.1)])
    cpu = cpu_named("cortex-m4")
    (free,) = Problem(module, cpu, Goal()).decide().layers
    (dense,) = Problem(module, cpu, Goal(weights=wish_for_all("dense"))).decide().layers
    assert free.winner.scratch > dense.winner.scratch
    memory = LayerMemory(main_function(module).body.block)
    least = dense.winner.need(memory)
    # In strips of a row, which also read the row above.
    assert least == 576 + 2 * 6 * 16 + dense.winner.scratch
    ram = free.winner.need(memory) - 1
    assert least < ram
    (kept,) = Problem(module, cpu, Goal(ram=ram)).decide().layers
    assert kept.winner.label == "dense"
    (small,) = Problem(module, cpu, Goal("ram")).decide().layers
    assert small.winner.label == "dense"
    reasons = {verdict.label: verdict.reason for verdict in small.verdicts}
    assert reasons["delta8"] == f"needs more than {least:,} bytes of RAM, which are enough"
    parts = rf"\(input 576 \+ output 576 \+ scratch {dense.winner.scratch:,} - 384 shared\)"
    with pytest.raises(RamError, match=rf"'layer0' needs {least} bytes of RAM at least {parts}"):
        Problem(module, cpu, Goal(ram=least - 1))
    assert Problem(module, cpu, Goal(ram=least)).decide()


def test_the_layer_that_needs_most_is_named() -> None:
    """And what waits meanwhile, by its layer."""
    module = network([Spec("conv2d", 4, 5), Spec("conv2d", 4, 32, kernel=3), Spec("conv2d", 4, 4)])
    parts = r"\(output 512 \+ layer0 80 \+ input 64 \+ input2 64 \+ scratch \d+ - \d+ shared\)"
    with pytest.raises(RamError, match=rf"layer 'layer1' needs .* {parts}") as error:
        Problem(module, cpu_named("cortex-m4"), Goal(ram=1))
    assert Problem(module, cpu_named("cortex-m4"), Goal(ram=error.value.least)).decide()


@pytest.mark.parametrize(
    ("recipe", "error"),
    [
        ("stem: dense", "no layer is called 'stem', known: layer0, layer1"),
        (
            "layer0: block(4x1, int16)",
            "'layer0' cannot be stored as block.4x1,int16., .* no kernel for qnn.conv2d of this shape",
        ),
        (
            "layer1: nm(1:16)",
            "layer 'layer1' cannot be stored as nm.1:16., which 'layer1' of the re",
        ),
    ],
)
def test_wishes_that_cannot_be_met(recipe: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Problem(two_layers(), cpu_named("cortex-m4"), Goal(recipe=parse_recipe(recipe)))


def test_a_pattern_that_a_pass_broke() -> None:
    """The error says why the columns are not those that were pruned."""
    module = two_layers()
    for op in module.walk():
        if isinstance(op, qnn.WeightedOp) and layer_of(op) == "layer1":
            note_move(op, "this pass turned them")
            note_move(op, "that pass cut them")
            note_move(op, "this pass turned them")
    moved = r"'layer1' .* of 16 \(rows and columns are not those of the model: this pass turned them, that pass cut them\)$"
    with pytest.raises(ValueError, match=moved):
        Problem(module, cpu_named("cortex-m4"), Goal(recipe=parse_recipe("layer1: nm(1:16)")))
    with pytest.raises(ValueError, match=r"of 16$"):
        Problem(module, cpu_named("cortex-m4"), Goal(recipe=parse_recipe("layer0: nm(1:16)")))


def test_a_recipe_is_obeyed_at_any_cost() -> None:
    recipe = parse_recipe("*: dense; layer1: block(16x1)")
    decision = Problem(two_layers(), cpu_named("cortex-m4"), Goal(recipe=recipe)).decide()
    assert [layer.winner.label for layer in decision.layers] == ["dense", "block(16x1)"]
    won = [v.reason for layer in decision.layers for v in layer.verdicts if v.won]
    assert won == [f"'{pattern}' of the recipe asks for it" for pattern in ("*", "layer1")]


def test_every_verdict_has_a_reason_and_one_wins() -> None:
    for objective in OBJECTIVES:
        for layer in Problem(two_layers(), cpu_named("cortex-m4"), Goal(objective)).decide().layers:
            assert [v.won for v in layer.verdicts].count(True) == 1
            assert all(verdict.reason for verdict in layer.verdicts)
            assert len({v.label for v in layer.verdicts}) == len(layer.verdicts)
