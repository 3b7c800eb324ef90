# SPDX-License-Identifier: Apache-2.0
"""What RAM networks need: plans proven optimal, with outputs over dying inputs and without, on hard instances too.

    make bench-memory         or        python -m benchmarks.memory

MLPerf Tiny's networks are planned and run on QEMU: with their dead channels apart (no output over an input), as by default
(at most 2 % more cycles), and for the smallest arena at any price; and as the command line compiles them, which removes dead
channels first. Beside that stands what TensorFlow Lite Micro allocates. Then default arenas of many networks next to its
planner (`_heads`), the eleven instances that MiniMalloc was published with, networks of up to 1,000 operations, and orders
of execution. CONTRIBUTING.md says where the files come from; the instances are looked for in $MINIMALLOC_DIR, else in
../shared.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.passes import PassPipeline

from benchmarks import _heads, _minimalloc, _order, _tflm_plan
from benchmarks._instructions import mean_instructions
from benchmarks._results import Figure, publish, step
from benchmarks.lossless import models
from sparsec import frontends, pipelines
from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.backends.cortex_m.project import emit_project
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir.attributes import ARENA_LOWER_BOUND
from sparsec.ir.shapes import shape_of
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.offsets import assign_offsets
from sparsec.planning.overlap import Overlap
from sparsec.planning.overlapping import assign_overlapping
from sparsec.run import cmsis_nn
from sparsec.run.execute import run_project
from sparsec.tools.console import print_table
from sparsec.tools.emission import write_files
from sparsec.tools.errors import UserError
from sparsec.tools.registry import available_passes, context

CORES = ("cortex-m4", "cortex-m55")
OPTIMA = {"AD": 768, "KWS": 16_000, "IC": 49_152, "VWW": 55_296}
"""Activations alone, apart: what no plan without overlaps goes below."""

FLOORS = {"AD": 768, "KWS": 8_384, "IC": 33_296, "VWW": 27_648}
"""If every output could lie over its dying input completely and no call needed memory of its own. Of VWW with its 1x1
convolution and the strided depthwise one behind it row by row, without which it is 36,864."""

WAYS = {
    "apart": "no overlaps, dead channels left in",
    "default": "dead channels left in",
    "smallest": "--objective=ram, dead channels left in",
    "command line": "",
}
"""By name, with what differs from `sparsec FILE`."""

LEAST_SAVED = {"default": 0.4, "smallest": 0.9}
"""The share of the bytes between a plan without overlaps and the floor that overlaps have to save."""

MOST_SLOWER = 1.02
INFERENCES = 2
SEED = 7

INSTANCES = 11
SECONDS = 60.0
"""For each hard instance."""

SIZES = (250, 500, 1_000)
LARGE_SECONDS = 10.0


@dataclass(frozen=True)
class Planned:
    """One network, planned in one way for one core: bytes, seconds of planning, instructions of an inference."""

    arena: int
    bound: int
    seconds: float
    instructions: float


def passes_for(way: str, core: str) -> tuple[list[str], str]:
    """The passes behind the quantized network, and the one that plans its memory."""
    objective = "ram" if way == "smallest" else "latency"
    *kernels, plan = pipelines.kernels(pipelines.PipelineOptions(target=core, objective=objective))
    if way == "apart":
        kernels = [each for each in kernels if not each.startswith("overlap-buffers")]
        plan = "plan-memory{overlap=false}"
    lossless = pipelines.lossless()
    if way != "command line":
        lossless.remove("eliminate-dead-channels")
    return lossless + kernels, plan


def run(module: ModuleOp, passes: Sequence[str]) -> None:
    """Run passes."""
    PassPipeline.parse_spec(available_passes(), ",".join(passes)).apply(context(), module)


def planned(model: Path, way: str, core: str) -> Planned:
    """A network planned in one way. AssertionError when a byte differs on `core`."""
    module = frontends.load(model, input_layout="nhwc", trust_pickle=False, input_shape=None).module
    run(module, pipelines.qnn(pipelines.PipelineOptions(target=core)))
    quantized = module.clone()
    passes, plan = passes_for(way, core)
    run(module, passes)
    begin = time.monotonic()
    run(module, [plan])
    seconds = time.monotonic() - begin
    function, bound = planned_function(module), module.attributes[ARENA_LOWER_BOUND]
    assert function is not None and isinstance(bound, IntegerAttr)
    return Planned(
        function.arena_bytes,
        bound.value.data,
        seconds,
        instructions(module, quantized, core),
    )


def saved(apart: int, arena: int, floor: int) -> float:
    """What the overlaps of a plan save, as a share of what they could: 0 for a plan without them, 1 at the floor."""
    return (apart - arena) / (apart - floor)


def instructions(module: ModuleOp, quantized: ModuleOp, core: str) -> float:
    """Of one inference on QEMU."""
    directory = cmsis_nn.locate()
    if directory is None:
        raise UserError("CMSIS-NN is not there: run make setup")
    (entry,) = main_function(quantized).function_type.inputs
    shape = (INFERENCES, *shape_of(entry)[1:])
    inputs = np.random.default_rng(SEED).integers(-128, 128, shape, np.int8)
    (expected,) = interpret(quantized, [inputs])
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        write_files(emit_project(module, directory / "Include", "network"), Path(folder, "network"))
        result = run_project(
            Path(folder, "network"), core, [inputs.reshape(INFERENCES, -1)], cmsis_nn=directory
        )
    assert np.array_equal(result.outputs[0], expected.reshape(INFERENCES, -1))
    return mean_instructions(result)


def network_figures() -> Iterator[Figure]:
    """The four networks on each core, in each way, with a table."""
    rows: list[tuple[object, ...]] = []
    for row in _tflm_plan.measure(models()):
        yield Figure(f"{row.name}: activations apart", row.planned, OPTIMA[row.name], "B", "lower")
        yield Figure(f"{row.name}: gap of that", row.planned - row.lower_bound, 0, "B", "lower")
        yield Figure(f"{row.name}: seconds for that", row.seconds, 1.0, "s", "lower")
        yield Figure(
            f"{row.name}: TensorFlow Lite Micro, its plan", row.own.head, None, "B", "lower"
        )
        yield Figure(
            f"{row.name}: TensorFlow Lite Micro, our plan",
            row.ours.head,
            row.own.head,
            "B",
            "lower",
        )
        for core in CORES:
            step(f"{row.name} on {core}")
            model = models() / f"{_tflm_plan.NETWORKS[row.name]}.tflite"
            ways = {way: planned(model, way, core) for way in WAYS}
            apart = ways["apart"]
            for way, found in ways.items():
                ratio = found.instructions / apart.instructions
                yield from way_figures(row.name, core, way, found, apart)
                rows.append(
                    (
                        *(row.name, core, way, WAYS[way] or "defaults"),
                        f"{found.arena:,}",
                        f"{found.arena - found.bound:,}",
                        f"{found.seconds:.2f}",
                        f"{found.instructions / 1e6:.3f}",
                        f"{ratio:.4f}",
                    )
                )
    columns = (
        "network",
        "core",
        "way",
        "options",
        "arena B",
        "gap B",
        "plan s",
        "M instr.",
        "ratio",
    )
    print_table("arenas, scratch memory included; 0 bytes differ", columns, rows)


def way_figures(
    network: str, core: str, way: str, found: Planned, apart: Planned
) -> Iterator[Figure]:
    """Of one network in one way; `apart` is the way without overlaps."""
    name, options, floor = f"{network} {core} {way}", WAYS[way], FLOORS[network]

    def figure(what: str, value: float, target: float | None, unit: str) -> Figure:
        return Figure(f"{name}: {what}", value, target, unit, "lower", options)

    yield figure("arena", found.arena, floor if apart.arena == floor else None, "B")
    if way in LEAST_SAVED and apart.arena > floor:
        share = saved(apart.arena, found.arena, floor)
        what = f"{name}: saved by overlaps, of what could be"
        yield Figure(what, share, LEAST_SAVED[way], "", "higher", options)
    yield figure("gap", found.arena - found.bound, 0, "B")
    yield figure("seconds", found.seconds, 1.0, "s")
    slow = MOST_SLOWER if way == "default" else None
    yield figure("instructions / apart", found.instructions / apart.instructions, slow, "x")


def head_figures() -> Iterator[Figure]:
    """Default arenas next to what TensorFlow Lite Micro plans, with a table of those that are larger."""
    core = CORES[0]
    step(f"default arenas of other networks on {core}")
    rows = list(_heads.measure(core))
    above = [row for row in rows if row.is_above]
    print_table(
        f"networks whose default arena on {core} is above TensorFlow Lite Micro's head",
        ("network", "arena B", "head B"),
        [(row.name, f"{row.arena:,}", f"{row.head:,}") for row in above],
    )
    what = f"{len(rows)} networks on {core}"
    yield Figure(f"{what}: default arenas above that head", len(above), None, "", "lower")
    shares = np.array([row.arena / row.head for row in rows])
    yield Figure(f"{what}: arena / head, median", float(np.median(shares)), 1.0, "x", "lower")
    for row in rows:
        yield Figure(f"{row.name} {core}: default arena", row.arena, None, "B", "lower")
        yield Figure(f"{row.name} {core}: that head", row.head, None, "B", "lower")


def hard_figures() -> Iterator[Figure]:
    """The instances of MiniMalloc, with a table."""
    root = Path(__file__).parent.parent.parent / "shared/data/minimalloc"
    folder = Path(os.environ.get(_minimalloc.FOLDER_VARIABLE, root))
    if len(_minimalloc.instances(folder)) != INSTANCES:
        raise UserError(f"{folder} has not the instances: set {_minimalloc.FOLDER_VARIABLE}")
    step("the hard instances")
    rows = list(_minimalloc.measure(folder, SECONDS))
    print_table(
        "MiniMalloc's instances, within their capacity",
        ("instance", "buffers", "capacity B", "arena B", "bound B", "status", "seconds"),
        [
            (r.name, r.buffers, r.capacity, r.peak, r.lower_bound, r.status, f"{r.seconds:.2f}")
            for r in rows
        ],
    )
    solved = sum(row.is_solved for row in rows)
    yield Figure("hard instances solved", solved, INSTANCES, "", "higher")
    yield Figure("slowest of them", max(row.seconds for row in rows), SECONDS, "s", "lower")
    yield Figure("all of them", sum(row.seconds for row in rows), None, "s", "lower")


def random_network(operations: int) -> tuple[list[Buffer], dict[tuple[int, int], Overlap]]:
    """Buffers of a network in which some tensors are read much later, and half of the outputs in strips."""
    random = Random(operations)
    buffers = [
        Buffer(
            16 * random.randrange(1, 500),
            t,
            min(operations, t + 1 + int(random.expovariate(0.15))),
            16,
        )
        for t in range(operations)
    ]
    overlaps: dict[tuple[int, int], Overlap] = {}
    for t in range(1, operations):
        if buffers[t - 1].last == t and random.random() < 0.5:
            sizes = buffers[t].size, buffers[t - 1].size
            overlaps[t, t - 1] = Overlap(
                *(16 * random.randrange(1, size // 16 + 1) for size in sizes)
            )
    return buffers, overlaps


def growth_figures() -> Iterator[Figure]:
    """Large networks, with a table."""
    rows: list[tuple[object, ...]] = []
    for operations in SIZES:
        buffers, overlaps = random_network(operations)
        for name, plan in (
            ("apart", assign_offsets(buffers, budget=Budget(LARGE_SECONDS))),
            ("with overlaps", assign_overlapping(buffers, overlaps, budget=Budget(LARGE_SECONDS))),
        ):
            what = f"{operations} operations {name}"
            step(what)
            most = LARGE_SECONDS if operations == max(SIZES) else None
            yield Figure(f"{what}: seconds", plan.seconds, most, "s", "lower")
            yield Figure(f"{what}: gap", plan.gap, None, "", "lower")
            rows.append(
                (
                    operations,
                    name,
                    plan.arena_bytes,
                    plan.lower_bound,
                    f"{plan.gap:.2%}",
                    f"{plan.seconds:.2f}",
                )
            )
    print_table(
        "large networks", ("operations", "plan", "arena B", "bound B", "gap", "seconds"), rows
    )


def order_figures() -> Iterator[Figure]:
    """Orders of execution, with a table."""
    step("orders of execution")
    rows = list(_order.order_rows())
    print_table(
        "orders of execution",
        ("graph", "operations", "peak as given B", "found B", "bound B", "proven", "seconds"),
        [
            (
                row.graph,
                row.operations,
                row.given_peak,
                row.found_peak,
                row.lower_bound,
                "yes" if row.is_proven else "no",
                f"{row.seconds:.2f}",
            )
            for row in rows
        ],
    )
    for row in rows:
        what = f"{row.graph}, {row.operations} operations: peak / as given"
        yield Figure(what, row.found_peak / row.given_peak, 1.0, "x", "lower")


def main() -> int:
    """Measure all; 1 if a target was missed."""
    parts = (network_figures, head_figures, hard_figures, growth_figures, order_figures)
    return publish("memory", [figure for part in parts for figure in part()])


if __name__ == "__main__":
    sys.exit(main())
