# SPDX-License-Identifier: Apache-2.0
"""The cost model: what a pass of each loop of a kernel takes, fitted to measured layers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparsec.calibration.calls import MeasuredCase, measure
from sparsec.calibration.cases import Case
from sparsec.kernels.cost import WHAT, What, row_name
from sparsec.kernels.decoders import decoder_of
from sparsec.kernels.kernel import Kernel
from sparsec.kernels.library import COSTED, loops_of
from sparsec.run.profile.profile import Cost

Array: TypeAlias = NDArray[np.float64]
DIGITS = 5
"""Of a coefficient."""

ZERO = 1e-9

Row: TypeAlias = Mapping[str, Mapping[What, float]]
"""What a pass of each loop takes."""


@dataclass(frozen=True)
class Fit:
    """A row of costs.json, called `name`, and how far it is off the `layers` that it was fitted to, as shares of theirs."""

    name: str
    row: Row
    layers: int
    errors: Mapping[What, Array]


def fit_core(core: str, cases: Iterable[Case]) -> list[Fit]:
    """Measure the cases on a core and fit every kernel and path among them. Raises RunError as `measure` does, and
    ValueError where no case goes through a loop."""
    groups: defaultdict[str, list[MeasuredCase]] = defaultdict(list)
    for measured in measure_own(core, list(cases)):
        path, _ = loops_of(core, measured.case.kernel, measured.case.work, measured.stored)
        groups[row_name(measured.case.kernel, path)].append(measured)
    return [fit(core, name, layers) for name, layers in sorted(groups.items())]


def fit(core: str, name: str, layers: Sequence[MeasuredCase]) -> Fit:
    """The row `name` for layers that all take its path. ValueError where none of them goes through a loop."""
    loops = [loops_of(core, m.case.kernel, m.case.work, m.stored)[1] for m in layers]
    names = sorted(loops[0])
    unused = [loop for loop in names if not any(passes[loop] for passes in loops)]
    if unused:
        raise ValueError(
            f"no layer of the grid takes {name} on {core} through: {', '.join(unused)}"
        )
    passes = np.array([[layer[loop] for loop in names] for layer in loops], np.float64)
    row: dict[str, dict[What, float]] = {loop: {} for loop in names}
    errors: dict[What, Array] = {}
    for what in WHAT:
        actual = np.array([getattr(m.cost, what) for m in layers], np.float64)
        if not actual.any():
            continue  # nothing is gathered
        # Some layers gather nothing.
        size = np.maximum(actual, 1)
        coefficients = relative_fit(passes, actual, size)
        for loop, value in zip(names, coefficients.tolist(), strict=True):
            if value or what != "gathered":
                row[loop][what] = float(f"{value:.{DIGITS}g}")
        errors[what] = (passes @ coefficients - actual) / size
    used = {loop: values for loop, values in row.items() if any(values.values())}
    return Fit(name, used, len(layers), errors)


def measure_own(core: str, cases: Sequence[Case]) -> list[MeasuredCase]:
    """What each case takes, without the kernel that does its strips, which is measured on each strip by itself, and
    without what decodes its weights."""
    strips = list(dict.fromkeys(strip for case in cases for strip in strips_of(case)))
    measured = measure(core, [*cases, *strips])
    cost_of = {strip.case: strip.cost for strip in measured[len(cases) :]}
    return [replace(m, cost=own_cost(m, cost_of)) for m in measured[: len(cases)]]


def strips_of(case: Case) -> dict[Case, int]:
    """The strips of a layer as cases of the kernel that does them, and how often each occurs; so what decodes it."""
    kernel = COSTED[case.kernel]
    inner = kernel.inside(case.work)
    if inner is None:
        return {}
    parts = case.work.parts().items()
    found = {replace(case, kernel=inner.function, work=part): n for part, n in parts}
    decoder = None if case.format is None else decoder_of(case.format)
    if isinstance(kernel, Kernel) and kernel.decodes and decoder is not None:
        found[replace(case, kernel=decoder.function)] = 1
    return found


def own_cost(measured: MeasuredCase, cost_of: Mapping[Case, Cost]) -> Cost:
    """The cost of a layer less that of its strips, less than nothing where a branch is known from the strip before."""
    cost = measured.cost
    for strip, times in strips_of(measured.case).items():
        cost = Cost(
            cost.instructions - times * cost_of[strip].instructions,
            cost.cycles - times * cost_of[strip].cycles,
            cost.gathered - times * cost_of[strip].gathered,
        )
    return cost


def relative_fit(passes: Array, actual: Array, size: Array) -> Array:
    """The coefficients c >= 0 [loops] that minimize the squares of (passes @ c - actual) / size.

    `passes` is [layers, loops], `actual` and `size` [layers]. Lawson and Hanson, Solving Least Squares Problems (1974), algorithm NNLS.
    """
    matrix = passes / size[:, np.newaxis]
    scale = np.linalg.norm(matrix, axis=0)
    matrix = matrix / scale
    target = actual / size
    solution = np.zeros(matrix.shape[1])
    free = np.zeros(matrix.shape[1], bool)
    for _ in range(10 * matrix.shape[1]):
        gradient = np.where(free, -np.inf, matrix.T @ (target - matrix @ solution))
        if gradient.max() <= ZERO:
            break
        free[gradient.argmax()] = True
        while True:
            trial = np.zeros_like(solution)
            trial[free] = np.linalg.lstsq(matrix[:, free], target, rcond=None)[0]
            if (trial[free] > 0).all():
                break
            falling = free & (trial <= 0)
            part = solution[falling] / (solution[falling] - trial[falling])
            solution = solution + part.min() * (trial - solution)
            free &= solution > ZERO
        solution = trial
    return solution / scale
