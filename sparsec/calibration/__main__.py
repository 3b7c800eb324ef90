# SPDX-License-Identifier: Apache-2.0
"""Measure every kernel on QEMU and fit the cost model: writes costs.json.

    make calibrate [KERNELS="NAME .."]        or        python -m sparsec.calibration [CORE | KERNEL ..]

With cores or kernels named, the others' costs stay as they are.
"""

import json
import sys
from typing import Any

import numpy as np

from sparsec.calibration.fit import Fit, fit_core
from sparsec.calibration.grid import grid
from sparsec.kernels.cost import CALIBRATED, COSTS
from sparsec.kernels.library import COSTED
from sparsec.run.errors import RunError
from sparsec.targets.cpu import cpu_named
from sparsec.tools.console import print_table


def main() -> int:
    """Calibrate the named kernels on the named cores, or all."""
    cores = [name for name in sys.argv[1:] if name in CALIBRATED] or CALIBRATED
    kernels = [name for name in sys.argv[1:] if name not in CALIBRATED]
    unknown = [kernel for kernel in kernels if kernel not in COSTED]
    if unknown:
        known = ", ".join((*CALIBRATED, *COSTED))
        print(f"error: cannot calibrate {unknown[0]}, only: {known}", file=sys.stderr)
        return 2
    costs: dict[str, Any] = json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.exists() else {}
    rows: list[tuple[object, ...]] = []
    for core in cores:
        print(f"calibrating {core}", file=sys.stderr, flush=True)
        cases = [
            case
            for case in grid(cpu_named(core).vector_unit)
            if not kernels or case.kernel in kernels
        ]
        try:
            fits = fit_core(core, cases)
        except (RunError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        if not kernels:
            costs[core] = {}
        costs[core] |= {fit.name: fit.row for fit in fits}
        rows += [error_row(core, fit) for fit in fits]
    text = json.dumps(costs, indent=1, sort_keys=True)
    COSTS.write_text(text + "\n", encoding="utf-8")
    print_table(
        "error of the fit, percent",
        ("core", "kernel", "layers", "instructions, mean", "max", "cycles, mean", "max"),
        rows,
    )
    return 0


def error_row(core: str, fit: Fit) -> tuple[object, ...]:
    """A line of the table: mean and maximum of the absolute errors."""
    absolute = [100 * np.abs(fit.errors["instructions"]), 100 * np.abs(fit.errors["cycles"])]
    return (
        *(core, fit.name, fit.layers),
        *(f"{value:.2f}" for error in absolute for value in (error.mean(), error.max())),
    )


if __name__ == "__main__":
    sys.exit(main())
