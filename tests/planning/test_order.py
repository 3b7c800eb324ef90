# SPDX-License-Identifier: Apache-2.0
"""Orders of least peak: as good as trying all of them, never worse than the one given, the same every time."""

import time
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings

from benchmarks._order import random_graph
from sparsec.planning.dataflow import Dataflow, Operation
from sparsec.planning.order import least_order, sections_of
from sparsec.planning.order_search import Backward, Forward
from tests.planning.networks import chains_flow, small_flows


def all_orders(flow: Dataflow, done: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Every order in which each tensor is written before it is read."""
    if len(done) == len(flow.operations):
        yield done
    there = {*flow.inputs, *(t for i in done for t in flow.operations[i].writes)}
    for i, op in enumerate(flow.operations):
        if i not in done and there.issuperset(op.reads):
            yield from all_orders(flow, (*done, i))


def peak_of(flow: Dataflow, order: tuple[int, ...]) -> int:
    """The largest live set by the lifetimes of the tensors, one by one. Time 0 is before the first operation."""
    ops = [flow.operations[i] for i in order]
    lives: dict[int, tuple[int, int]] = {}
    for tensor in range(len(flow.sizes)):
        written = [now for now, op in enumerate(ops, 1) if tensor in op.writes] or [0]
        read = [now for now, op in enumerate(ops, 1) if tensor in op.reads]
        end = len(ops) + 1 if tensor in flow.outputs else max(written + read)
        lives[tensor] = (written[0], end)
    peak = sum(flow.sizes[t] for t in flow.inputs)
    for now, op in enumerate(ops, 1):
        live = sum(flow.sizes[t] for t, (first, last) in lives.items() if first <= now <= last)
        shared = [bytes for t, bytes in op.shares.items() if lives[t][1] == now]
        peak = max(peak, live + op.scratch - max(shared, default=0))
    return peak


@settings(max_examples=700)
@given(small_flows())
def test_the_order_is_the_least_of_all(flow: Dataflow) -> None:
    """And each way to search finds one as good, from either end."""
    found = least_order(flow)
    peaks = {order: peak_of(flow, order) for order in all_orders(flow)}
    given = tuple(range(len(flow.operations)))
    assert peaks[found.order] == found.peak == flow.peak(found.order) == min(peaks.values())
    assert found.is_proven and found.gap == 0
    assert flow.lower_bound <= found.peak
    assert found.order == given or found.peak < peaks[given]
    for side in (Forward(flow), Backward(flow)):
        state, is_complete = side.search(found.peak, 10**6)
        assert is_complete and state is not None
        assert peaks[tuple(side.order(state))] == state.peak == found.peak
        if found.peak > flow.input_bytes:
            assert side.search(found.peak - 1, 10**6) == (None, True)
        by_beam = side.beam(10**6, 10**6, 10**6)
        assert by_beam is not None and by_beam.peak == found.peak


@settings(max_examples=100)
@given(small_flows(most=20))
def test_more_effort_is_never_worse(flow: Dataflow) -> None:
    orders = [least_order(flow, effort) for effort in (0, 30, 300, 10**6)]
    assert orders[0].order == tuple(range(len(flow.operations)))
    for less, more in pairwise(orders):
        assert less.lower_bound <= more.lower_bound <= more.peak <= less.peak
    for each in orders:
        assert flow.peak(each.order) == each.peak
    assert orders[-1].is_proven


@settings(max_examples=100)
@given(small_flows(most=12))
def test_no_operation_of_another_section_comes_between(flow: Dataflow) -> None:
    sections = sections_of(flow)
    assert [i for section in sections for i in section] == list(range(len(flow.operations)))
    for section in sections:
        for later in range(section.stop, len(flow.operations)):
            assert all(flow.before[later] >> i & 1 for i in section)


def chain(*sizes: int) -> Dataflow:
    steps = [Operation((i,), (i + 1,)) for i in range(len(sizes) - 1)]
    return Dataflow(sizes, tuple(steps), (0,), (len(sizes) - 1,))


def test_a_chain_stays_and_is_proven_without_a_search() -> None:
    flow = chain(3072, 16384, 16384, 8192, 64, 10)
    found = least_order(flow, effort=0)
    assert (found.order, found.peak, found.is_proven) == ((0, 1, 2, 3, 4), 32768, True)


def test_what_shrinks_runs_before_what_grows() -> None:
    """Two branches of one input, the first of which ends large, the second small."""
    flow = Dataflow(
        (100, 400, 300, 400, 10, 20),
        (
            Operation((0,), (1,)),
            Operation((1,), (2,)),
            Operation((0,), (3,)),
            Operation((3,), (4,)),
            Operation((2, 4), (5,)),
        ),
        (0,),
        (5,),
    )
    found = least_order(flow)
    assert flow.peak(range(5)) == 100 + 300 + 400
    assert (found.order, found.peak, found.is_proven) == ((2, 3, 0, 1, 4), 10 + 400 + 300, True)


def test_scratch_and_shared_bytes_count() -> None:
    """Either branch fits on its own; what tells them apart is scratch memory, then that one runs in place."""
    operations = (Operation((0,), (1,)), Operation((0,), (2,)), Operation((1, 2), (3,)))
    flow = Dataflow((10, 10, 10, 5), operations, (0,), (3,))
    assert least_order(flow).order == (0, 1, 2)
    with_scratch = (operations[0], Operation((0,), (2,), scratch=7), operations[2])
    first = least_order(Dataflow(flow.sizes, with_scratch, (0,), (3,)))
    assert (first.order, first.peak) == ((1, 0, 2), 30)
    sharing = (Operation((0,), (1,), shares={0: 10}), operations[1], operations[2])
    last = least_order(Dataflow(flow.sizes, sharing, (0,), (3,)))
    assert (last.order, last.peak) == ((1, 0, 2), 25)


@pytest.mark.parametrize("width", [4, 8, 12, 20])
@pytest.mark.parametrize("count", [20, 40, 60])
def test_branching_networks_are_proven_in_seconds(count: int, width: int) -> None:
    flow = random_graph(count, seed=width, width=width)
    found = least_order(flow)
    assert found.is_proven and found.seconds < 5
    assert flow.peak(found.order) == found.peak <= flow.peak(range(count))
    assert found.order == least_order(flow).order


def test_many_chains_are_proven_too() -> None:
    """4^10 sets of operations that can have run, but few worth a visit."""
    found = least_order(flow := chains_flow(10, 4, Random(0)))
    assert found.is_proven and found.seconds < 5
    assert found.peak < flow.peak(range(len(flow.operations)))


def test_a_search_that_is_too_hard_is_given_up() -> None:
    flow = chains_flow(15, 3, Random(2))
    found = least_order(flow, effort=20_000)
    assert not found.is_proven and found.gap > 0
    assert found.peak == flow.peak(found.order) < flow.peak(range(len(flow.operations)))


@pytest.mark.parametrize("width", [6, 12])
def test_a_thousand_operations_are_ordered_in_time(width: int) -> None:
    flow = random_graph(1000, seed=0, width=width)
    begin = time.process_time()
    found = least_order(flow)
    assert time.process_time() - begin < 10
    assert found.lower_bound <= found.peak < flow.peak(range(1000))
    assert flow.peak(found.order) == found.peak


def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(ValueError, match="operation 0 reads tensor 1 before it is there"):
        Dataflow((1, 1), (Operation((1,), ()),), (0,), ())
    with pytest.raises(ValueError, match="operation 1 writes tensor 1 a second time"):
        Dataflow((1, 1), (Operation((0,), (1,)), Operation((0,), (1,))), (0,), ())
    with pytest.raises(ValueError, match="operation 0 cannot share 3 bytes with tensor 0"):
        Dataflow((2, 4), (Operation((0,), (1,), shares={0: 3}),), (0,), ())
    with pytest.raises(ValueError, match="nobody writes output 1"):
        Dataflow((1, 1), (), (0,), (1,))
    flow = chain(1, 1, 1)
    with pytest.raises(ValueError, match="operation 1 comes before one that it needs"):
        flow.live((1, 0))
    with pytest.raises(ValueError, match="every operation once"):
        flow.live((0, 0))
