# SPDX-License-Identifier: Apache-2.0
"""What pruning costs in accuracy and is worth on the chip, on real data.

make bench-compress            or        python -m benchmarks.compress [--data DIR] [--minutes N] [--part I/N]

Each finished run is a line of `results/compress_runs.jsonl`; a run that is there is not done again, so that it can be stopped
at any time and goes on on any machine. Hours on two cores in all: `--minutes` ends it after so many, `--part 0/2` and
`--part 1/2` side by side use two cores.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

from benchmarks._compress_networks import NETWORKS
from benchmarks._compress_runs import Result, run
from benchmarks._lines import drive, note
from benchmarks._results import RESULTS, Figure, step

RUNS = RESULTS / "compress_runs.jsonl"
THRICE = ("dense", "unstructured 0.75", "unstructured 0.9", "block(1x16) 0.75", "block(1x16) 0.9")
"""Variants with three seeds."""
ONCE = (
    *("unstructured 0.5", "unstructured 0.95", "nm(2:4)", "block(1x4) 0.75", "block(1x4) 0.9"),
    *("block(4x1) 0.75", "block(4x1) 0.9", "channels 0.5"),
    *("magnitude 0.75", "magnitude 0.9"),
)
QAT = ("qat dense",)
SEEDS = (0, 1, 2)
CYCLES = ("cycles 0.6", "cycles 0.5", "cycles 0.4", "cycles 0.3")
OTHERS = (
    *(("small CNN", variant) for variant in ("one shot 0.9", "threshold 0.4111")),
    *((network, variant) for network in ("ResNet8", "DS-CNN") for variant in CYCLES),
)

Key = tuple[str, str, int]


def wanted() -> Iterator[Key]:
    """All runs, those that say most first."""
    for variant in THRICE:
        yield from ((network, variant, SEEDS[0]) for network in NETWORKS)
    yield from ((network, variant, SEEDS[0]) for network, variant in OTHERS)
    yield from ((network, variant, SEEDS[0]) for variant in QAT for network in NETWORKS)
    for seed in SEEDS[1:]:
        yield from ((network, variant, seed) for variant in THRICE for network in NETWORKS)
    for variant in ONCE:
        yield from ((network, variant, SEEDS[0]) for network in NETWORKS)
    for seed in SEEDS[1:]:
        yield from ((network, variant, seed) for variant in QAT for network in NETWORKS)


def finished(path: Path = RUNS) -> dict[Key, Result]:
    """The runs that are done."""
    if not path.exists():
        return {}
    results = [Result(**json.loads(line)) for line in path.read_text().splitlines()]
    return {(each.network, each.variant, each.seed): each for each in results}


def work(minutes: float, part: int, parts: int) -> None:
    """Do what is not done yet."""
    end = time.monotonic() + 60 * minutes
    for number, key in enumerate(wanted()):
        if number % parts != part or key in finished():
            continue
        if time.monotonic() > end:
            return
        step(f"{', '.join(map(str, key))}")
        result = run(*key)
        note(asdict(result), RUNS)
        step(
            f"  float {result.float_accuracy:.4f}, int8 {result.int8_accuracy:.4f}, {result.mismatches} bytes differ, "
            f"{result.flash:,} B, {result.cycles:,} cycles, {result.seconds:.0f} s"
        )


def of(results: Sequence[Result], network: str, variant: str) -> dict[int, Result]:
    """The runs of a variant by their seeds."""
    return {r.seed: r for r in results if (r.network, r.variant) == (network, variant)}


def points_below(ours: dict[int, Result], theirs: dict[int, Result]) -> tuple[float, str] | None:
    """By how many points of accuracy int8 is below another variant in the paired mean over seeds, and its standard error."""
    seeds = sorted(set(ours) & set(theirs))
    if not seeds:
        return None
    apart = [100 * (theirs[s].int8_accuracy - ours[s].int8_accuracy) for s in seeds]
    return mean(apart), f"{len(apart)} of the same seed, {spread(apart)}"


def spread(values: Sequence[float]) -> str:
    """The standard error of a mean."""
    return f"+-{stdev(values) / sqrt(len(values)):.2f}" if len(values) > 1 else "one seed"


def figures(results: Sequence[Result]) -> Iterator[Figure]:
    """Every figure that the runs so far give."""
    yield Figure(
        "bytes that differ between C, interpreter and device, all runs",
        sum(r.mismatches for r in results),
        0,
        "bytes",
        "lower",
    )
    yield Figure("runs done", len(results), len(list(wanted())), "runs", "higher")
    for network in NETWORKS:
        dense = of(results, network, "dense")
        for variant in (
            "dense",
            "unstructured 0.5",
            *THRICE[1:],
            *ONCE[1:],
            "one shot 0.9",
            "threshold 0.4111",
            *CYCLES,
            *QAT,
        ):
            runs = of(results, network, variant)
            if not runs:
                continue
            each = list(runs.values())
            what = f"{network}, {variant}: int8 accuracy"
            yield Figure(what, mean(100 * r.int8_accuracy for r in each), None, "%", "higher")
            yield Figure(
                f"{network}, {variant}: estimated cycles on M4",
                mean(r.cycles for r in each),
                None,
                "cycles",
                "lower",
            )
            yield Figure(
                f"{network}, {variant}: flash", mean(r.flash for r in each), None, "bytes", "lower"
            )
            below = points_below(runs, dense)
            if variant != "dense" and below is not None:
                on_fashion = network != "1-D CNN"
                target = {
                    "unstructured 0.75": 0.2,
                    "unstructured 0.9": 0.4,
                    "threshold 0.4111": 0.0,
                }.get(variant)
                yield Figure(
                    f"{network}, {variant}: below dense ({below[1]})",
                    below[0],
                    target if on_fashion else None,
                    "points",
                    "lower",
                )
            lost = [100 * (r.float_accuracy - r.int8_accuracy) for r in each]
            if variant in ("dense", *QAT):
                yield Figure(
                    f"{network}, {variant}: int8 below float (mean of {len(lost)}, {spread(lost)})",
                    mean(lost),
                    0.3 if variant == "dense" else 0.1,
                    "points",
                    "lower",
                )
        yield from for_cycles(results, network)


def for_cycles(results: Sequence[Result], network: str) -> Iterator[Figure]:
    """Pruning for predicted cycles against uniform magnitude pruning: of the pairs within 0.2 points, the best."""
    uniform = [
        r
        for v in ("unstructured 0.5", "unstructured 0.75", "unstructured 0.9", "unstructured 0.95")
        for s, r in of(results, network, v).items()
        if s == 0
    ]
    ours = [r for v in CYCLES for s, r in of(results, network, v).items() if s == 0]
    pairs = [
        (1 - mine.cycles / theirs.cycles, mine, theirs)
        for mine in ours
        for theirs in uniform
        if mine.int8_accuracy >= theirs.int8_accuracy - 0.002
    ]
    if pairs:
        saved, mine, theirs = max(pairs, key=lambda pair: pair[0])
        what = f"{network}: fewer predicted cycles than uniform at equal accuracy ({mine.variant} against {theirs.variant})"
        yield Figure(what, 100 * saved, 25, "%", "higher")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is missing and print the table; 1 if a target was missed."""
    return drive("compress", __doc__, arguments, work, lambda: figures(list(finished().values())))


if __name__ == "__main__":
    sys.exit(main())
