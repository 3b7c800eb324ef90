# SPDX-License-Identifier: Apache-2.0
"""From model file to C: compile time, its growth with depth, and instructions next to plain CMSIS-NN.

    make bench-spine            or        python -m benchmarks.spine

The networks are those of MLPerf Tiny with random weights: instructions do not depend on the values, time hardly. What has a
target in processor time besides are the file of VWW, SqueezeNet, a pruned KWS and a chain of 1,000 convolutions.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks._cpu_time import cpu_figures
from benchmarks._instructions import instruction_figures, instruction_rows, print_rows
from benchmarks._results import publish, step
from benchmarks._timing import NETWORKS, compile_figures, growth_figures
from examples.export import export_example
from sparsec.run.errors import RunError
from sparsec.tools.errors import UserError


def main() -> int:
    """Measure everything; 1 if a target was missed."""
    with tempfile.TemporaryDirectory(prefix="sparsec-") as directory:
        models = {name: Path(directory) / f"{name}.pt" for name in NETWORKS}
        for name, path in models.items():
            step(f"exporting {name}")
            export_example(name, path)
        figures = compile_figures(models)
        figures += cpu_figures()
        figures += growth_figures()
        rows = instruction_rows(models)
    print_rows(rows)
    return publish("spine", [*figures, *instruction_figures(rows)])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
