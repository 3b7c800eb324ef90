# SPDX-License-Identifier: Apache-2.0
"""What the figures of memory plans hold."""

from benchmarks._heads import Heads, head_of
from benchmarks.memory import FLOORS, LEAST_SAVED, Planned, saved, way_figures
from sparsec.targets.cpu import cpu_named
from tests.analysis.choice.sparse_networks import Spec, network


def planned(arena: int) -> Planned:
    return Planned(arena, arena, seconds=0.1, instructions=1e6)


def test_a_plan_without_overlaps_misses_the_target() -> None:
    apart = planned(17_088)
    for way in LEAST_SAVED:
        figures = way_figures("KWS", "cortex-m4", way, planned(17_088), apart)
        (share,) = (figure for figure in figures if "saved by overlaps" in figure.what)
        assert share.value == 0 and share.met is False
        assert share.options == ("--objective=ram, " if way == "smallest" else "") + (
            "dead channels left in"
        )
    figures = list(way_figures("KWS", "cortex-m4", "smallest", planned(8_640), apart))
    assert all(figure.met in (True, None) for figure in figures)


def test_the_floor_is_all_that_overlaps_can_save() -> None:
    assert saved(17_088, FLOORS["KWS"], FLOORS["KWS"]) == 1
    # Without the fusion of two layers VWW is far from it.
    assert saved(55_432, 36_864, FLOORS["VWW"]) < LEAST_SAVED["smallest"]


def test_where_nothing_can_be_saved_the_arena_is_the_target() -> None:
    figures = list(way_figures("AD", "cortex-m4", "smallest", planned(769), planned(768)))
    assert figures[0].met is False and not [f for f in figures if "saved" in f.what]


def test_the_head_is_that_of_activations_by_a_greedy_planner() -> None:
    """Two linear layers, of which the second may write where the first has read; places are of whole 16 bytes."""
    module = network([Spec("linear", 64, 3, size=1), Spec("linear", 250, 64, size=1)])
    assert head_of(module, cpu_named("cortex-m4")) == 64 + 16 + 256


def test_an_arena_above_the_head() -> None:
    assert Heads("net", 17, 16).is_above and not Heads("net", 16, 16).is_above
