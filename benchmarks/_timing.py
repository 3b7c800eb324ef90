# SPDX-License-Identifier: Apache-2.0
"""How long the compiler takes from a file to a written C project."""

import contextlib
import importlib
import io
import math
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from benchmarks._chain import chain
from benchmarks._results import Figure, step
from sparsec.tools.compilation import Compilation, compile_model
from sparsec.tools.emission import project_files, write_files
from sparsec.tools.printing import module_text
from sparsec.tools.sparsec import parser

NETWORKS = ("kws", "ic", "vww", "ad")
SECONDS = 2.0
RUNS = 3

LENGTHS = (125, 250, 500, 1000)
ROUNDS = 3
EXPONENT = 1.15
CHAIN_SECONDS = 10.0


@dataclass(frozen=True)
class CompileTime:
    """Seconds of wall time in one process: the first run, the median of RUNS, of that reading the file."""

    first: float
    median: float
    reading: float


def compile_project(options: list[str], directory: Path) -> Compilation:
    """What `sparsec OPTIONS --emit=c -o DIRECTORY` does, without its words."""
    args = parser().parse_args(options)
    with contextlib.redirect_stderr(io.StringIO()):
        compilation = compile_model(args, "c")
    write_files(project_files(args, compilation), directory)
    return compilation


def compile_time(model: Path) -> CompileTime:
    """Time `model` after importing torch, which is not counted."""
    importlib.import_module("torch")
    from sparsec import frontends

    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        for run in range(RUNS):
            start = time.perf_counter()
            compile_project([str(model)], Path(directory) / str(run))
            seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    frontends.load(model)
    reading = time.perf_counter() - start
    return CompileTime(seconds[0], statistics.median(seconds), reading)


def compile_figures(models: dict[str, Path]) -> list[Figure]:
    """Every network in a process of its own, so that none finds what another left in a cache."""
    figures: list[Figure] = []
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for name, model in models.items():
            step(f"compiling {name}, {RUNS} times")
            times = pool.submit(compile_time, model).result()
            what = f"compile {name}, file to C"
            figures += [
                Figure(f"{what}, median of {RUNS}", times.median, SECONDS, "s", "lower"),
                Figure(f"{what}, first in a process", times.first, SECONDS, "s", "lower"),
                Figure(f"{what}, of that reading the file", times.reading, None, "s", "lower"),
            ]
    return figures


def chain_seconds(model: Path) -> float:
    """Processor time from IR text to C.

    Processor time, because growth is about work done and not about what else the machine does.
    """
    with tempfile.TemporaryDirectory() as directory:
        start = time.process_time()
        compile_project([str(model)], Path(directory) / "chain")
        return time.process_time() - start


def growth_figures() -> list[Figure]:
    """What a long network takes and how that grows with the number of layers; 1 is linear, 2 quadratic.

    Each length counts with its best of ROUNDS, taken in turn, so that a noisy minute hits all alike.
    """
    seconds: dict[int, float] = dict.fromkeys(LENGTHS, math.inf)
    with tempfile.TemporaryDirectory() as name:
        models = {layers: Path(name) / f"chain{layers}.mlir" for layers in LENGTHS}
        for layers, model in models.items():
            model.write_text(module_text(chain(layers)), encoding="utf-8")
        chain_seconds(models[LENGTHS[0]])  # fills the caches of grammars and formats
        for _ in range(ROUNDS):
            for layers, model in models.items():
                taken = chain_seconds(model)
                seconds[layers] = min(seconds[layers], taken)
                step(
                    f"chain of {layers} layers: {taken:.2f} s, {1000 * taken / layers:.2f} ms a layer"
                )
    longest = LENGTHS[-1]
    what = f"chain of {longest} layers, IR text to C, processor time"
    figures = [Figure(what, seconds[longest], CHAIN_SECONDS, "s", "lower")]
    for short, long in pairwise(LENGTHS):
        ratio = seconds[long] / seconds[short]
        exponent = math.log(ratio) / math.log(long / short)
        target = EXPONENT if long == longest else None
        what = f"chain of {short} to {long} layers"
        figures += [
            Figure(f"{what}, ratio of processor time", ratio, None, "x", "lower"),
            Figure(f"{what}, growth exponent", exponent, target, "log time/log layers", "lower"),
        ]
    return figures
