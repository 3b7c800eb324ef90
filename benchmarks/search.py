# SPDX-License-Identifier: Apache-2.0
"""Searches for what each layer becomes, against each other, on real data: AMC by MACs, samplers by predicted cycles.

make bench-search            or        python -m benchmarks.search [--data DIR] [--minutes N] [--part I/N]

Each finished run is a line of `results/search_runs.jsonl`, as in `benchmarks.compress`.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean

from benchmarks._lines import drive, note
from benchmarks._results import RESULTS, Figure, step
from benchmarks._search_runs import GUIDED, Result, run

RUNS = RESULTS / "search_runs.jsonl"
NETWORKS = ("DS-CNN", "ResNet8")
SEEDS = (0, 1, 2)
GUIDED_PARTS = (0.7, 0.5, 1.0)
BY_MACS = ("dense", "uniform", "amc", "tpe", "random")
BY_CYCLES = tuple(f"{GUIDED}{part}" for part in GUIDED_PARTS)
METHODS = (*BY_MACS, *BY_CYCLES, f"random {BY_CYCLES[0]}")
EQUAL = 0.003
"""Shares of right answers that are called equal."""

Key = tuple[str, str, int]


def wanted() -> Iterator[Key]:
    """All runs, one seed after the other."""
    for seed in SEEDS:
        for network in NETWORKS:
            yield from ((network, method, seed) for method in METHODS)


def finished(path: Path = RUNS) -> dict[Key, Result]:
    """The runs that are done."""
    lines = path.read_text().splitlines() if path.exists() else []
    results = [Result(**json.loads(line)) for line in lines]
    return {(each.network, each.method, each.seed): each for each in results}


def amc_cycles(network: str, seed: int) -> int:
    """What AMC came to, which has run before."""
    return finished()[network, "amc", seed].cycles


def work(minutes: float, part: int, parts: int) -> None:
    """Do what is not done yet; a part has all methods of its networks and seeds, as some need what others found."""
    end = time.monotonic() + 60 * minutes
    for number, key in enumerate(wanted()):
        network, method, seed = key
        if number // len(METHODS) % parts != part or key in finished():
            continue
        if time.monotonic() > end:
            return
        step(f"{network}, {method}, {seed}")
        result = run(*key, partial(amc_cycles, network, seed))
        note(asdict(result), RUNS)
        step(
            f"  untrained {result.untrained_accuracy:.4f}, float {result.float_accuracy:.4f}, "
            f"int8 {result.int8_accuracy:.4f}, {result.cycles:,} cycles, {result.seconds:.0f} s"
        )


def figures(results: Mapping[Key, Result]) -> Iterator[Figure]:
    """Every figure that the runs so far give."""
    yield Figure("runs done", len(results), len(list(wanted())), "runs", "higher")
    for network in NETWORKS:
        for method in METHODS:
            runs = [results[network, method, s] for s in SEEDS if (network, method, s) in results]
            if not runs:
                continue
            what = f"{network}, {method}"
            accuracy = mean(100 * each.int8_accuracy for each in runs)
            yield Figure(f"{what}: int8 accuracy", accuracy, None, "%", "higher")
            cycles = mean(each.cycles for each in runs)
            yield Figure(f"{what}: estimated cycles on M4", cycles, None, "cycles", "lower")
        yield from compared(results, network)


def compared(results: Mapping[Key, Result], network: str) -> Iterator[Figure]:
    """AMC against uniform channels and chance, and searches for cycles against AMC, in the mean over the seeds that ran."""
    for other in ("uniform", "random", "tpe"):
        apart = [
            100 * (results[network, "amc", s].int8_accuracy - theirs.int8_accuracy)
            for s in SEEDS
            if (theirs := results.get((network, other, s))) and (network, "amc", s) in results
        ]
        if apart:
            what = f"{network}: AMC above {other}, int8 accuracy ({len(apart)} seeds)"
            target = 0.0 if other == "uniform" else None
            yield Figure(what, mean(apart), target, "points", "higher")
    saved = [each for s in SEEDS if (each := saving(results, network, s)) is not None]
    if saved:
        what = f"{network}: fewer predicted cycles than AMC at equal int8 accuracy ({len(saved)} seeds)"
        yield Figure(what, 100 * mean(saved), 30, "%", "higher")


def saving(results: Mapping[Key, Result], network: str, seed: int) -> float | None:
    """What share of AMC's cycles the best search for cycles saves that is as accurate; 0 where none is."""
    amc = results.get((network, "amc", seed))
    guided = [found for m in BY_CYCLES if (found := results.get((network, m, seed)))]
    if amc is None or not guided:
        return None
    equal = [each for each in guided if each.int8_accuracy >= amc.int8_accuracy - EQUAL]
    return max((1 - each.cycles / amc.cycles for each in equal), default=0.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is missing and print the table; 1 if a target was missed."""
    return drive("search", __doc__, arguments, work, lambda: figures(finished()))


if __name__ == "__main__":
    sys.exit(main())
