# SPDX-License-Identifier: Apache-2.0
"""What it costs to hold the import of a network to torch, as every compilation of a PyTorch file does.

make bench-import-check            or        python -m benchmarks.import_check
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks._results import Figure, publish, step
from examples.export import export_example
from examples.zoo import ZOO
from sparsec.frontends import load
from sparsec.tools.import_check import difference
from sparsec.tools.registry import context

ROUNDS = 3
SECONDS = 0.3
"""At most, for each network of the examples."""


def check_seconds(model: Path) -> float:
    """Processor time of the first check in a process; torch and the compiler are imported before it."""
    context()
    loaded = load(model)
    assert loaded.proof is not None
    start = time.process_time()
    assert difference(loaded.proof, loaded.module) is None
    return time.process_time() - start


def figures() -> Iterator[Figure]:
    """Each network in ROUNDS processes of its own, of which the fastest counts."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool,
    ):
        model = Path(folder) / "model.pt"
        for name in ZOO:
            step(f"checking {name}, in {ROUNDS} processes")
            export_example(name, model)
            seconds = min(pool.submit(check_seconds, model).result() for _ in range(ROUNDS))
            what = f"{name}, import held to torch, processor time without imports"
            yield Figure(what, seconds, SECONDS, "s", "lower")


def main() -> int:
    """Measure everything; 1 if a target was missed."""
    return publish("import_check", list(figures()))


if __name__ == "__main__":
    sys.exit(main())
