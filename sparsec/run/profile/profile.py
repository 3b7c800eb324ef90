# SPDX-License-Identifier: Apache-2.0
"""One inference taken apart: exact instructions and estimated cycles of each layer and each function."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsec.run.build import Image, build_image
from sparsec.run.errors import RunError
from sparsec.run.execute import RunResult, naming_layers, run_image
from sparsec.run.machines import machine_for
from sparsec.run.profile.disassembly import Disassembly, disassemble
from sparsec.run.profile.scoreboard import block_cycles
from sparsec.run.profile.trace import Edge, Trace, trace_image
from sparsec.run.project import Project, read_project
from sparsec.run.toolchain import GCC, Cc, find_tool
from sparsec.targets.timing import TIMINGS, Timing


@dataclass(frozen=True)
class Cost:
    """Instructions, exact, and cycles, estimated at zero wait states by sparsec/targets/timing.py. `gathered` are the
    elements that Helium gathers and scatters, exact: the cycles hang on an assumption of what those take."""

    instructions: int
    cycles: int
    gathered: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.instructions + other.instructions,
            self.cycles + other.cycles,
            self.gathered + other.gathered,
        )


@dataclass(frozen=True)
class LayerCost:
    """A layer: its `name`, empty where the project does not tell, and the function that computes it."""

    name: str
    kernel: str
    cost: Cost


@dataclass(frozen=True)
class FunctionCost:
    """What the code of one function takes, without the functions it calls."""

    name: str
    cost: Cost


@dataclass(frozen=True)
class Profile:
    """Where one inference spends its time.

    `layers` in the order of the program, `functions` with the most cycles first. Both add up to `total`, which runs
    from the first instruction of the entry to its return.
    """

    cpu: str
    layers: tuple[LayerCost, ...]
    functions: tuple[FunctionCost, ...]
    total: Cost


def profile_project(
    project: Path,
    cpu: str,
    inputs: Sequence[NDArray[np.int8]],
    *,
    cmsis_nn: Path,
    cc: Cc = GCC,
    time_limit: float = 600.0,
    progress: Callable[[str], None] | None = None,
) -> tuple[RunResult, Profile]:
    """Builds the project by `cc`, runs it on `inputs`, int8 [N, bytes] each, and profiles the first of them.

    The instructions counted for the layers are those that QEMU's clock counts in a run of its own. Raises RunError
    as `run_project` does, and where the two differ.
    """
    machine_for(cpu)
    if cpu not in TIMINGS:
        raise RunError(f"no cycles are estimated for {cpu}, profile on: {', '.join(TIMINGS)}")
    find_tool("gcc")  # before anybody waits for the build
    loaded = read_project(project)

    def run(telling: bool) -> tuple[RunResult, Profile]:
        with tempfile.TemporaryDirectory(prefix="sparsec-") as directory:
            image = build_image(
                loaded,
                cpu,
                Path(directory),
                cmsis_nn=cmsis_nn,
                telling=telling,
                cc=cc,
                progress=progress,
            )
            result = run_image(image, inputs, time_limit=time_limit, progress=progress)
            if progress is not None:
                progress(f"profiling {loaded.name} on {cpu}")
            first = [array[:1] for array in inputs]
            return result, profile_image(image, first, time_limit=time_limit)

    result, profile = naming_layers(run)
    assert result.instructions is not None
    if profile.total.instructions != result.instructions[0]:
        raise RunError(
            f"QEMU executes {profile.total.instructions} instructions with a plugin "
            f"and {result.instructions[0]} without: the profile would be wrong"
        )
    return result, profile


def profile_image(
    image: Image, inputs: Sequence[NDArray[np.int8]], *, time_limit: float = 600.0
) -> Profile:
    """Profiles one inference of a built image, on `inputs` of int8 [1, bytes] each.

    Raises ToolchainError where there is no gcc or QEMU loads no plugins, RunError when the run goes wrong.
    """
    trace = trace_image(image, inputs, time_limit=time_limit)
    return assemble(image, trace, disassemble(image.path, image.cpu))


def assemble(image: Image, trace: Trace, code: Disassembly) -> Profile:
    """Adds up a trace by layer and by function."""
    regions: defaultdict[int, Cost] = defaultdict(lambda: Cost(0, 0))
    functions: defaultdict[str, Cost] = defaultdict(lambda: Cost(0, 0))
    estimate = _Estimate(TIMINGS[image.cpu], trace, code)
    for edge in trace.edges:
        cost = estimate.cost(edge)
        regions[edge.region] += cost
        functions[code.function_at(trace.blocks[edge.to].start)] += cost
    calls = [
        (code.function_at(trace.callees[region]) if region in trace.callees else "", cost)
        for region, cost in sorted(regions.items())
    ]
    ordered = sorted(functions.items(), key=lambda item: (-item[1].cycles, item[0]))
    return Profile(
        image.cpu,
        tuple(_layers(image.project, calls)),
        tuple(FunctionCost(name, cost) for name, cost in ordered),
        sum(functions.values(), Cost(0, 0)),
    )


class _Estimate:
    """The cost of edges. What a pair of blocks takes is the same in every layer and computed once."""

    def __init__(self, timing: Timing, trace: Trace, code: Disassembly):
        self.timing = timing
        self.trace = trace
        self.code = code
        self.known: dict[tuple[int, int], tuple[int, int]] = {}

    def cost(self, edge: Edge) -> Cost:
        """All executions of an edge."""
        key = edge.source, edge.to
        if key not in self.known:
            source, to = (self.trace.blocks[number] for number in key)
            before, block = (
                self.code.operations(block.start, block.end, block.instructions)
                for block in (source, to)
            )
            cycles = block_cycles(self.timing, before, block, source.end != to.start)
            self.known[key] = cycles, sum(operation.lanes for operation in block)
        cycles, gathered = self.known[key]
        return Cost(
            edge.executions * self.trace.blocks[edge.to].instructions,
            edge.executions * cycles + edge.mispredicted * self.timing.mispredicted,
            edge.executions * gathered,
        )


def _layers(project: Project, calls: Sequence[tuple[str, Cost]]) -> list[LayerCost]:
    """The calls of the entry as the layers of report.json, each of which is one call.

    What the entry calls besides counts to the layer that follows, and what comes after the last call to the last layer.
    Where the calls are not those of report.json, or it has no layers, each call stands by itself without a name.
    """
    expected = _reported_layers(project)
    named = [kernel for _, kernel in expected]
    if not named or not _is_subsequence(named, [kernel for kernel, _ in calls]):
        expected = [("", kernel) for kernel, _ in calls if kernel]
    costs: list[LayerCost] = []
    pending = Cost(0, 0)
    for kernel, cost in calls:
        pending += cost
        following = expected[len(costs) :]
        if following and following[0][1] == kernel:
            costs.append(LayerCost(following[0][0], kernel, pending))
            pending = Cost(0, 0)
    if not costs:
        return [LayerCost("", project.entry, pending)]
    last = costs[-1]
    return [*costs[:-1], LayerCost(last.name, last.kernel, last.cost + pending)]


def _is_subsequence(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether `whole` is `part` with others in between."""
    rest = iter(whole)
    return all(each in rest for each in part)


def _reported_layers(project: Project) -> list[tuple[str, str]]:
    """The names of layers and their kernels, in order."""
    report = json.loads((project.directory / "report.json").read_text(encoding="utf-8"))
    return [(str(layer["name"]), str(layer["kernel"])) for layer in report.get("layers", [])]
