# SPDX-License-Identifier: Apache-2.0
"""Estimated cycles: MLPerf Tiny's networks as plain CMSIS-NN calls and as the compiler's C, and what others estimated.

    make bench-cycles         or        python -m benchmarks.cycles

The published column is an independent scoreboard over the same plain calls. It keeps the rules of sparsec/targets/timing.py
honest; nothing is fitted to it.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks._cost import cost_of
from benchmarks._plain_cmsis import write_plain_project
from benchmarks._results import Figure, publish, step
from benchmarks.lossless import FILES, OPTIONS, compiled, inputs_of, models
from sparsec.run.errors import RunError
from sparsec.run.profile.profile import Cost
from sparsec.tools.console import print_table
from sparsec.tools.emission import project_files, write_files
from sparsec.tools.errors import UserError

CORES = ("cortex-m4", "cortex-m7", "cortex-m55")
PUBLISHED: dict[str, tuple[float, ...]] = {
    "ad": (0.731, 0.421, 0.163),
    "kws": (9.29, 5.30, 2.14),
    "ic": (36.3, 20.2, 5.40),
    "vww": (29.7, 17.1, 7.83),
}
"""Million estimated cycles of plain CMSIS-NN calls, gcc 12.2 -O3, in the order of CORES."""
LARGEST_ERROR: dict[str, float] = {"cortex-m4": 0.05, "cortex-m7": 0.10, "cortex-m55": 0.10}
OTHER_CALLS = {("ad", "cortex-m55")}
"""The published program called Helium's fully connected function otherwise: it has fewer instructions as well."""


def costs(name: str, model: Path, core: str) -> tuple[Cost, Cost]:
    """The compiler's C and plain calls of the same file."""
    step(f"{name} on {core}")
    args, compilation = compiled(model, core, "c")
    assert compilation.quantized is not None
    inputs = inputs_of(compilation)[:1].reshape(1, -1)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        ours, plain = Path(folder) / compilation.name, Path(folder) / "plain"
        write_files(project_files(args, compilation), ours)
        write_plain_project(compilation.quantized, plain)
        return cost_of(ours, core, [inputs]), cost_of(plain, core, [inputs])


def main() -> int:
    """Estimate the four networks on three cores; 1 if an estimate is further off than it may be."""
    figures: list[Figure] = []
    rows: list[tuple[object, ...]] = []
    for name, file in FILES.items():
        for core, published in zip(CORES, PUBLISHED[name], strict=True):
            ours, plain = costs(name, models() / file, core)
            error = abs(plain.cycles / 1e6 / published - 1)
            target = None if (name, core) in OTHER_CALLS else LARGEST_ERROR[core]
            figures.append(
                Figure(f"{name} {core}: estimate off the published one", error, target, "", "lower")
            )
            numbers = (plain.instructions, plain.cycles, ours.instructions, ours.cycles)
            millions = tuple(f"{number / 1e6:.3f}" for number in numbers)
            rows.append((name, core, *millions, f"{plain.cycles / ours.cycles:.3f}", published))
    print_table(
        f"M instructions, exact, and M cycles, estimated at zero wait states; {' '.join(OPTIONS)}",
        (
            "network",
            "core",
            "plain",
            "est. cycles",
            "ours",
            "est. cycles",
            "plain/ours",
            "published",
        ),
        rows,
    )
    return publish("cycles", figures)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
