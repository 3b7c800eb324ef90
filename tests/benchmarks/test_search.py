# SPDX-License-Identifier: Apache-2.0
"""The runs of bench-search: which there are, and what is made of them."""

from dataclasses import replace

from benchmarks._search_runs import Result
from benchmarks.search import METHODS, RUNS, Key, figures, finished, saving, wanted

ONE = Result("DS-CNN", "amc", 0, "dense", 9, 9, 0.5, 0.8, 0.85, 10, 1000, 9, 9, (0.5,), 1.0)


def of(*results: Result) -> dict[Key, Result]:
    return {(each.network, each.method, each.seed): each for each in results}


def test_every_run_once_and_amc_before_what_needs_it() -> None:
    runs = list(wanted())
    assert len(runs) == len(set(runs)) == 6 * len(METHODS)
    for network, method, seed in runs:
        if "cycles" in method:
            assert runs.index((network, "amc", seed)) < runs.index((network, method, seed))


def test_the_runs_that_are_recorded_are_wanted() -> None:
    assert set(finished(RUNS)) <= set(wanted())


def test_the_best_search_for_cycles_that_is_as_accurate_counts() -> None:
    near = replace(ONE, method="cycles 0.7", int8_accuracy=0.848, cycles=700)
    far = replace(ONE, method="cycles 0.5", int8_accuracy=0.84, cycles=500)
    assert saving(of(ONE, near, far), "DS-CNN", 0) == 1 - 700 / 1000
    assert saving(of(ONE, far), "DS-CNN", 0) == 0.0
    assert saving(of(near), "DS-CNN", 0) is None
    found = {each.what: each for each in figures(of(ONE, near, far))}
    shown = found["DS-CNN: fewer predicted cycles than AMC at equal int8 accuracy (1 seeds)"]
    assert shown.met and round(shown.value, 6) == 30


def test_amc_against_uniform_and_chance() -> None:
    uniform = replace(ONE, method="uniform", int8_accuracy=0.8)
    found = {each.what: each for each in figures(of(ONE, uniform))}
    assert found["DS-CNN: AMC above uniform, int8 accuracy (1 seeds)"].met
    assert "DS-CNN: AMC above random, int8 accuracy (1 seeds)" not in found
