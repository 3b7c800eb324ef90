# SPDX-License-Identifier: Apache-2.0
"""Cortex-M55: sparse layers and whole networks next to the fastest CMSIS-NN of gcc -O3, clang -O3 and clang -Os.

    make bench-helium         or        python -m benchmarks.helium

Estimated cycles of sparsec/targets/timing.py; every program gives the interpreter's bytes. Ours is the faster of gcc -O3
and clang -Os. A layer stands between NHWC: conversions that its kernel needs count, and "layout-native" is without them.
"""

import sys
from collections.abc import Iterator, Mapping

from xdsl.dialects.builtin import ModuleOp

from benchmarks._helium_runs import BY_GCC, CORE, OPTIONS, Run, Subject, best
from benchmarks._layers import Layer, Network
from benchmarks._never_slower import LAYERS
from benchmarks._results import Figure, publish, step
from benchmarks._sparse_networks import NETWORKS, percent_of_zeros, prune
from benchmarks.lossless import FILES, models
from sparsec.frontends import load
from sparsec.run.errors import RunError
from sparsec.tools.errors import UserError

WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "W6")
GOALS: Mapping[str, tuple[float | None, ...]] = {
    "unstructured": (3.0, 2.6, 1.8, 2.5, 1.2, 1.0),
    "1x4": (2.1, 1.9, 1.7, 3.5, 1.8, 2.3),
    "1x16": (2.8, 2.6, 2.4, 5.3, 2.4, 3.3),
    "dCSR": (None,) * 6,
}
"""Times the fewest cycles of CMSIS-NN, by workload."""
FORCED = {"unstructured": "delta8", "1x4": "block(1x4)", "1x16": "block(1x16)", "dCSR": "dcsr"}
RUNS = {"unstructured": 1, "1x4": 4, "1x16": 16, "dCSR": 1}
"""How many weights of a row are zero together."""
SPARSITY = 90
PUBLISHED_DCSR: Mapping[str, Mapping[str, int]] = {
    "W1": {"gcc -O2": 230_276, "gcc -O3": 225_632},
    "W2": {"gcc -O2": 208_397, "gcc -O3": 202_808},
    "W3": {"gcc -O2": 261_102, "gcc -O3": 248_932},
    "W5": {"gcc -O2": 73_925, "gcc -O3": 59_182},
    "W6": {"gcc -O2": 63_127, "gcc -O3": 46_021},
}
"""Instructions of the kernels that are published with dCSR (github.com/etrommer/dcsr at 6c4339f, under the GPL, so they are
not here), with these weights and inputs and with these bytes as outputs: its linear one, and its 1x1 one with the row loops
of CMSIS-NN 4. They were counted once, by gcc 12.2; what they were built with is -O2."""
DCSR_GOALS = {"W1": 3.8, "W5": 11.0}
"""Times fewer instructions than theirs by -O2."""
DENSE_GOALS = {"kws": 1.2e6, "ic": 3.4e6, "vww": 2.5e6, "ad": 0.066e6}
GOAL_AT_90 = 2.5


def one_layer(layer: Layer, run: int) -> ModuleOp:
    """A network of it alone."""
    net = Network()
    net.add("layer", layer, SPARSITY, net.input(layer), run, per_tensor=layer.is_linear)
    return net.module()


def layer_figures() -> Iterator[Figure]:
    """Every workload with every pattern, as the compiler chooses and forced."""
    for number, name in enumerate(WORKLOADS):
        for pattern, goals in GOALS.items():
            step(f"{name} {pattern}")
            subject = Subject(one_layer(LAYERS[name], RUNS[pattern]))
            plain = subject.plain()
            what = f"{name} {pattern} {SPARSITY} %"
            if pattern == "unstructured":
                yield from plain_figures(name, plain)
            if pattern != "dCSR":  # the same weights as unstructured
                ours = subject.ours()
                yield from compared(what, plain, ours, goals[number], "own choice")
                if pattern == "unstructured":
                    yield from next_to_published(name, ours, "own choice")
            try:
                forced = subject.ours(f"--weights={FORCED[pattern]}")
            except UserError as error:
                step(f"{what}, {FORCED[pattern]}: {error}")
                continue
            yield from compared(what, plain, forced, None, f"--weights={FORCED[pattern]}")
            if pattern == "dCSR":
                yield from next_to_published(name, forced, "--weights=dcsr")


def next_to_published(name: str, ours: Mapping[str, Run], how: str) -> Iterator[Figure]:
    """Instructions of the published dCSR kernels for each one of ours, without conversions of layouts."""
    least = min(run.native.instructions for run in ours.values())
    for compiler, published in PUBLISHED_DCSR.get(name, {}).items():
        is_goal = how == "own choice" and compiler == "gcc -O2"
        yield Figure(
            f"instructions {name} {SPARSITY} %: published dCSR/ours",
            published / least,
            DCSR_GOALS.get(name) if is_goal else None,
            "x",
            "higher",
            f"{how}, theirs by {compiler}",
        )


def plain_figures(what: str, plain: Mapping[str, Run]) -> Iterator[Figure]:
    """The baselines."""
    for compiler, run in plain.items():
        cycles = run.cost.cycles
        yield Figure(
            f"estimated cycles {what}: CMSIS-NN", cycles, None, "cycles", "lower", compiler
        )


def compared(
    what: str, plain: Mapping[str, Run], ours: Mapping[str, Run], goal: float | None, how: str
) -> Iterator[Figure]:
    """Ours, the ratios to the fastest CMSIS-NN, with conversions and without, and to gcc's."""
    _, base = best(plain)
    compiler, run = best(ours)
    native = min(each.native.cycles for each in ours.values())
    options = f"{how}, {compiler}: {', '.join(dict.fromkeys(run.kernels))}"
    yield Figure(
        f"estimated cycles {what}: ours", run.cost.cycles, None, "cycles", "lower", options
    )
    target = 1.0 if how == "own choice" else None
    ratios = (
        ("fastest CMSIS-NN/ours", base.cost.cycles / run.cost.cycles, target),
        ("fastest CMSIS-NN/ours, layout-native", base.cost.cycles / native, goal),
        ("gcc's CMSIS-NN/ours", plain[BY_GCC].cost.cycles / run.cost.cycles, None),
        ("gcc's CMSIS-NN/ours by gcc", plain[BY_GCC].cost.cycles / ours[BY_GCC].cost.cycles, None),
    )
    for ratio, value, wanted in ratios:
        yield Figure(f"estimated cycles {what}: {ratio}", value, wanted, "x", "higher", options)


def network_figures() -> Iterator[Figure]:
    """MLPerf Tiny's as they are, and with their smallest weights set to zero."""
    for name, goal in DENSE_GOALS.items():
        step(name)
        subject = Subject(load(models() / FILES[name]).module)
        yield from network_rows(name, subject, goal, None)
    for name in NETWORKS:
        for sparsity in (75, 90):
            for pattern in ("unstructured", "1x16"):
                what = f"{NETWORKS[name]} {pattern} {sparsity} %"
                step(what)
                module = load(models() / FILES[name]).module
                prune(module, sparsity, RUNS[pattern])
                yield Figure(f"zeros {what}", percent_of_zeros(module), None, "%", "higher")
                ratio = GOAL_AT_90 if sparsity == 90 else 1.0
                yield from network_rows(what, Subject(module), None, ratio)


def network_rows(
    what: str, subject: Subject, cycles: float | None, ratio: float | None
) -> Iterator[Figure]:
    """Cycles and flash of a network, ours and plain, and their ratios."""
    plain, ours = subject.plain(), subject.ours()
    _, base = best(plain)
    compiler, run = best(ours)
    options = f"{' '.join(OPTIONS)}, {compiler}"
    yield from plain_figures(what, plain)
    yield Figure(
        f"estimated cycles {what}: ours", run.cost.cycles, cycles, "cycles", "lower", options
    )
    for name, against in (("fastest CMSIS-NN", base), ("gcc's CMSIS-NN", plain[BY_GCC])):
        value, target = against.cost.cycles / run.cost.cycles, ratio if against is base else None
        yield Figure(f"estimated cycles {what}: {name}/ours", value, target, "x", "higher", options)
    yield Figure(f"flash {what}: CMSIS-NN", base.flash, None, "B", "lower")
    yield Figure(f"flash {what}: ours", run.flash, None, "B", "lower", options)


def main() -> int:
    """Measure everything; 1 if a target was missed."""
    step(f"all on {CORE}")
    return publish("helium", [*layer_figures(), *network_figures()])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
