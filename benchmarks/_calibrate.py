"""Measure every kernel on QEMU and fit the cost model: writes sparsec/targets/costs.json.

    make calibrate         or        python -m benchmarks._calibrate [CORE | KERNEL ..]

With cores or kernels named, the others' costs stay as they are.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks._calibration_grid import grid
from benchmarks._layer_calls import Case
from benchmarks._layers import Measured, measure
from benchmarks._results import step
from sparsec.run.errors import RunError
from sparsec.run.profile.profile import Cost
from sparsec.targets.cost import CALIBRATED, COSTS, KERNELS, loops_of, row_name, strip_kernel
from sparsec.targets.cpu import cpu_named
from sparsec.tools.console import print_table
from sparsec.tools.errors import UserError

Array: TypeAlias = NDArray[np.float64]
What: TypeAlias = Literal["instructions", "cycles"]
WHAT: tuple[What, ...] = ("instructions", "cycles")
DIGITS = 5
"""Of a coefficient."""

ZERO = 1e-9


def main() -> None:
    """Calibrate the named kernels on the named cores, or all."""
    cores = [name for name in sys.argv[1:] if name in CALIBRATED] or CALIBRATED
    kernels = [name for name in sys.argv[1:] if name not in CALIBRATED]
    for kernel in kernels:
        if kernel not in KERNELS:
            known = ", ".join((*CALIBRATED, *KERNELS))
            raise UserError(f"cannot calibrate {kernel}, only: {known}")
    costs: dict[str, Any] = json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.exists() else {}
    rows: list[tuple[str, ...]] = []
    for core in cores:
        step(f"calibrating {core}")
        fits, errors = fit_core(core, kernels or KERNELS)
        costs[core] = (costs[core] if kernels else {}) | fits
        rows += [(core, *error) for error in errors]
    text = json.dumps(costs, indent=1, sort_keys=True)
    COSTS.write_text(text + "\n", encoding="utf-8")
    print_table(
        "error of the fit, percent",
        ("core", "kernel", "layers", "instructions, mean", "max", "cycles, mean", "max"),
        rows,
    )


def fit_core(core: str, kernels: Collection[str]) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    """The coefficients of a core by kernel and loop, and a line on the errors of each kernel."""
    packed = cpu_named(core).vector_unit == "dsp"
    groups: defaultdict[str, list[Measured]] = defaultdict(list)
    for measured in measure_own(core, [case for case in grid(packed) if case.kernel in kernels]):
        groups[row_name(measured.case.kernel, path_of(core, measured))].append(measured)
    fits: dict[str, Any] = {}
    errors: list[tuple[str, ...]] = []
    for name, layers in sorted(groups.items()):
        loops = [loops_of(core, m.case.kernel, m.case.work, m.stored)[1] for m in layers]
        names = sorted(loops[0])
        unused = [loop for loop in names if not any(passes[loop] for passes in loops)]
        if unused:
            raise UserError(
                f"no layer of the grid takes {name} on {core} through: {', '.join(unused)}"
            )
        passes = np.array([[layer[loop] for loop in names] for layer in loops], np.float64)
        fit: dict[str, dict[str, float]] = {loop: {} for loop in names}
        line = [name, str(len(layers))]
        for what in WHAT:
            actual = np.array([getattr(m.cost, what) for m in layers], np.float64)
            coefficients = relative_fit(passes, actual)
            for loop, value in zip(names, coefficients.tolist(), strict=True):
                fit[loop][what] = float(f"{value:.{DIGITS}g}")
            error = 100 * np.abs(passes @ coefficients / actual - 1)
            line += [f"{error.mean():.2f}", f"{error.max():.2f}"]
        fits[name] = {loop: values for loop, values in fit.items() if any(values.values())}
        errors.append(tuple(line))
    return fits, errors


def measure_own(core: str, cases: Sequence[Case]) -> list[Measured]:
    """What each case takes, without the kernel that does its strips: that is measured on each strip by itself."""
    strips = {strip for case in cases for strip in strips_of(case)}
    measured = measure(core, [*cases, *strips])
    cost_of = {strip.case: strip.cost for strip in measured[len(cases) :]}
    return [replace(m, cost=own_cost(m, cost_of)) for m in measured[: len(cases)]]


def strips_of(case: Case) -> dict[Case, int]:
    """The strips of a layer as cases of the kernel that does them, and how often each occurs."""
    kernel = strip_kernel(case.kernel, case.work)
    if kernel is None:
        return {}
    return {replace(case, kernel=kernel, work=part): n for part, n in case.work.parts().items()}


def own_cost(measured: Measured, cost_of: Mapping[Case, Cost]) -> Cost:
    """The cost of a layer less that of its strips, less than nothing where a branch is known from the strip before."""
    cost = measured.cost
    for strip, times in strips_of(measured.case).items():
        cost = Cost(
            cost.instructions - times * cost_of[strip].instructions,
            cost.cycles - times * cost_of[strip].cycles,
        )
    return cost


def path_of(core: str, measured: Measured) -> str:
    """The path that a measured layer took."""
    case = measured.case
    return loops_of(core, case.kernel, case.work, measured.stored)[0]


def relative_fit(passes: Array, actual: Array) -> Array:
    """The coefficients c >= 0 [loops] that minimize the squares of (passes @ c - actual) / actual.

    `passes` is [layers, loops]. Lawson and Hanson, Solving Least Squares Problems (1974), algorithm NNLS.
    """
    matrix = passes / actual[:, np.newaxis]
    scale = np.linalg.norm(matrix, axis=0)
    matrix = matrix / scale
    target = np.ones(len(actual))
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


if __name__ == "__main__":
    try:
        main()
    except (RunError, UserError) as error:
        sys.exit(f"error: {error}")
