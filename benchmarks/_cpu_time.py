# SPDX-License-Identifier: Apache-2.0
"""Processor time of the first compilation in a process, from a file to a written C project, imports apart."""

import contextlib
import importlib
import pkgutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks._results import Figure, step
from benchmarks._sparse_networks import prune
from benchmarks._squeezenet import export_squeezenet
from benchmarks._timing import compile_project
from benchmarks.lossless import FILES
from examples import mlperf
from examples.export import export_example
from sparsec.frontends import load
from sparsec.tools.printing import module_text

ROUNDS = 3
SPARSITY = 90
CPU_SECONDS = {
    "VWW (MLPerf Tiny's file)": 1.0,
    "VWW (torch)": None,
    "SqueezeNet": 3.0,
    f"KWS with {SPARSITY} % zeros": 1.5,
}
"""At most, by network."""


def cpu_models(folder: Path) -> dict[str, Path]:
    """The networks of `CPU_SECONDS` as files, those of MLPerf Tiny where they are."""
    models = {name: folder / f"model{number}.pt" for number, name in enumerate(CPU_SECONDS)}
    file, torch, squeezenet, sparse = models
    export_example("vww", models[torch])
    export_squeezenet(models[squeezenet])
    vww, kws = (mlperf.find(Path(FILES[name]).stem) for name in ("vww", "kws"))
    if vww is None or kws is None:
        step(f"no files of MLPerf Tiny: nothing is said of {file} and {sparse}")
        return {name: models[name] for name in (torch, squeezenet)}
    module = load(kws).module
    prune(module, SPARSITY)
    models[sparse] = folder / "sparse.mlir"
    models[sparse].write_text(module_text(module), encoding="utf-8")
    return {**models, file: vww}


def import_everything() -> None:
    """Every module that a compilation could import, so that its time holds none of it."""
    for root in ("sparsec", "xdsl.dialects", "xdsl.transforms"):
        package = importlib.import_module(root)
        for module in pkgutil.walk_packages(package.__path__, f"{root}."):
            if not module.name.endswith("__main__"):
                with contextlib.suppress(ImportError):  # xDSL's optional dependencies
                    importlib.import_module(module.name)


def cpu_seconds(model: Path) -> float:
    """Processor time of the first compilation in a process, imports apart."""
    import_everything()
    with tempfile.TemporaryDirectory() as directory:
        start = time.process_time()
        compile_project([str(model)], Path(directory) / "c")
        return time.process_time() - start


def cpu_figures() -> Iterator[Figure]:
    """Each network in ROUNDS processes of its own, of which the fastest counts."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool,
    ):
        for name, model in cpu_models(Path(folder)).items():
            step(f"compiling {name}, in {ROUNDS} processes")
            seconds = min(pool.submit(cpu_seconds, model).result() for _ in range(ROUNDS))
            what = f"{name}, file to C, processor time without imports"
            yield Figure(what, seconds, CPU_SECONDS[name], "s", "lower")
