# SPDX-License-Identifier: Apache-2.0
"""From a random network to a plan that is proven: order, lifetimes, overlaps, offsets, certificate."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning import exact
from sparsec.planning.arena import Buffer, lower_bound
from sparsec.planning.budget import Budget
from sparsec.planning.certificate import Claim, Part, Region, Step, certify
from sparsec.planning.dataflow import Dataflow
from sparsec.planning.order import least_order
from sparsec.planning.overlap import Overlap
from sparsec.planning.overlapping import Overlaps, assign_overlapping
from tests.planning.networks import small_flows


@pytest.fixture(autouse=True)
def _python_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling would take longer than all these tests."""
    monkeypatch.setattr(exact, "has_compiler", lambda: False)


class Network:
    """A network in an order: the buffers of its tensors and, behind them, of scratch memory, with random alignments
    and overlaps."""

    def __init__(self, flow: Dataflow, order: tuple[int, ...], random: Random):
        self.flow = flow
        self.order = order
        calls = [flow.operations[i] for i in order]
        first = dict.fromkeys(flow.inputs, 0)
        last = dict(first)
        for time, op in enumerate(calls, 1):
            first |= dict.fromkeys(op.writes, time)
            last |= dict.fromkeys((*op.reads, *op.writes), time)
        last |= dict.fromkeys(flow.outputs, len(calls) + 1)
        alignment = random.choice([(1,), (4,), (1, 2, 8)])
        self.buffers = [
            Buffer(max(1, size), first.get(t, 0), last.get(t, 0), random.choice(alignment))
            for t, size in enumerate(flow.sizes)
        ]
        self.scratch: dict[int, int] = {}
        self.overlaps: dict[tuple[int, int], Overlap] = {}
        for time, op in enumerate(calls, 1):
            if op.scratch:
                self.scratch[time] = len(self.buffers)
                self.buffers.append(Buffer(op.scratch, time, time, 8))
            for output in op.writes:
                for input in op.reads:
                    if last[input] == time and random.random() < 0.6:
                        step = random.choice([0, 0, 0, 3, 4])
                        below = random.randrange(self.buffers[output].size + 1)
                        above = random.randrange(self.buffers[input].size + 1)
                        self.overlaps[output, input] = Overlap(below, max(above, 1), step)

    def steps(self) -> list[Step]:
        """The calls as the certificate sees them."""
        found: list[Step] = []
        for time, number in enumerate(self.order, 1):
            op = self.flow.operations[number]
            writes = [*op.writes, *([self.scratch[time]] if time in self.scratch else [])]
            claims = [
                Claim(Part(o), Part(i), overlap.below, overlap.above, overlap.step)
                for (o, i), overlap in self.overlaps.items()
                if o in op.writes and i in op.reads
            ]
            reads = tuple(map(Part, op.reads))
            found.append(Step(f"op {number}", reads, tuple(map(Part, writes)), tuple(claims)))
        return found

    def certify(self, offsets: tuple[int, ...], bytes: int) -> None:
        """Raises ValueError unless the offsets are right."""
        regions = {
            j: Region(offset, b.size, b.alignment)
            for j, (offset, b) in enumerate(zip(offsets, self.buffers, strict=True))
        }
        certify([bytes], regions, self.flow.inputs, self.steps(), self.flow.outputs)


@settings(max_examples=700)
@given(small_flows(), st.randoms(use_true_random=False))
def test_a_random_network_is_planned_and_proven(flow: Dataflow, random: Random) -> None:
    ordering = least_order(flow)
    there = set(flow.inputs)
    for number in ordering.order:
        assert there.issuperset(flow.operations[number].reads)
        there |= set(flow.operations[number].writes)
    assert sorted(ordering.order) == list(range(len(flow.operations)))

    network = Network(flow, ordering.order, random)
    for overlaps in ({}, network.overlaps):
        # Mixed alignments, overlaps and steps take seconds to prove, on a slow machine more than the default allows.
        plan = assign_overlapping(network.buffers, overlaps, budget=Budget(120))
        assert plan.lower_bound <= plan.arena_bytes
        assert overlaps or lower_bound(network.buffers) <= plan.lower_bound
        assert plan.status == "optimal"
        network.certify(plan.offsets, plan.arena_bytes)
    expect_clashes_found(network, network.overlaps, plan.offsets)


def expect_clashes_found(network: Network, overlaps: Overlaps, offsets: tuple[int, ...]) -> None:
    """One byte nearer than a pair may be, the certificate sees it."""
    for (output, input), overlap in overlaps.items():
        sizes = network.buffers[output].size, network.buffers[input].size
        nearest = overlap.within(*sizes).below - 1
        if overlap.step or nearest < 1:
            continue
        moved = list(offsets)
        moved[output] = 1_000
        moved[input] = 1_000 + nearest
        with pytest.raises(ValueError, match=r"overlap|not aligned|no longer holds"):
            network.certify(tuple(moved), 3_000)
        return
