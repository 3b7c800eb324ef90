# SPDX-License-Identifier: Apache-2.0
"""The runs of bench-compress: which there are, that they are kept, and what is made of them."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks._compress_runs import Result
from benchmarks._lines import note
from benchmarks.compress import CYCLES, RUNS, Key, figures, finished, of, points_below, wanted

ONE = Result("small CNN", "dense", 0, 0.91, 0.905, 0.9, 0.9, 0, 0.0, 1000, 100, 5000, 4000, 1.0)


def value(results: list[Result], what: str) -> float:
    (found,) = [figure.value for figure in figures(results) if what in figure.what]
    return found


def test_every_run_once() -> None:
    runs = list(wanted())
    assert len(runs) == len(set(runs)) > 100
    assert sum(variant == "unstructured 0.9" for _, variant, _ in runs) == 15


def test_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    assert finished(path) == {}
    for seed in range(2):
        note(asdict(replace(ONE, seed=seed)), path)
    key: Key = ("small CNN", "dense", 1)
    assert len(finished(path)) == 2 and finished(path)[key].seed == 1


def test_the_runs_that_are_recorded_are_wanted_and_exact() -> None:
    recorded = finished(RUNS)
    assert set(recorded) <= set(wanted())
    assert all(result.mismatches == 0 for result in recorded.values())


def test_accuracy_is_compared_seed_by_seed() -> None:
    dense = [replace(ONE, seed=seed, int8_accuracy=0.9 + seed / 100) for seed in range(3)]
    pruned = [
        replace(ONE, variant="unstructured 0.9", seed=seed, int8_accuracy=0.899 + seed / 100)
        for seed in range(1, 3)
    ]
    results = [*dense, *pruned]
    found = points_below(
        of(results, "small CNN", "unstructured 0.9"), of(results, "small CNN", "dense")
    )
    assert found is not None and found[0] == pytest.approx(0.1)
    assert value(results, "unstructured 0.9: below dense (2 of the same seed") == pytest.approx(0.1)
    assert points_below({}, of(results, "small CNN", "dense")) is None
    assert value([ONE], "small CNN, dense: int8 below float") == pytest.approx(0.5)


def test_cycles_are_compared_at_equal_accuracy() -> None:
    uniform = [
        replace(ONE, variant="unstructured 0.75", int8_accuracy=0.9, cycles=1000),
        replace(ONE, variant="unstructured 0.9", int8_accuracy=0.88, cycles=500),
    ]
    ours = [
        replace(ONE, variant=CYCLES[0], int8_accuracy=0.8985, cycles=700),
        replace(ONE, variant=CYCLES[1], int8_accuracy=0.87, cycles=100),
    ]
    what = f"fewer predicted cycles than uniform at equal accuracy ({CYCLES[0]} against unstructured 0.75)"
    assert value([*uniform, *ours], what) == pytest.approx(30)
