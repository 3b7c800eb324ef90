# SPDX-License-Identifier: Apache-2.0
"""Which basic blocks of an image one inference executes, and how often: QEMU with harness/count_blocks.c."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsec.run.build import HARNESS, Image
from sparsec.run.errors import BuildError, RunError, ToolchainError
from sparsec.run.execute import run_image
from sparsec.run.machines import machine_for
from sparsec.run.object_cache import Folders, compile_object
from sparsec.run.profile.disassembly import function_named
from sparsec.run.toolchain import compiler_for
from sparsec.targets.cpu import cpu_named

_PLUGIN_FLAGS = ("-std=gnu11", "-O2", "-fPIC")


@dataclass(frozen=True)
class Block:
    """Instructions that run one after the other: from the address `start` up to `end`."""

    start: int
    end: int
    instructions: int


@dataclass(frozen=True)
class Edge:
    """How often block `to` followed block `source`, as numbers of blocks, up to the end of call number `region`."""

    region: int
    source: int
    to: int
    executions: int
    mispredicted: int


@dataclass(frozen=True)
class Trace:
    """What one call of the entry executed. `callees`: the address that the entry calls, by region."""

    blocks: Sequence[Block]
    edges: Sequence[Edge]
    callees: dict[int, int]


def trace_image(image: Image, inputs: Sequence[NDArray[np.int8]], *, time_limit: float) -> Trace:
    """Runs one inference on `inputs`, int8 [1, bytes] each.

    Raises ToolchainError where there is no gcc or QEMU loads no plugins, RunError when the run goes wrong.
    """
    machine_for(image.cpu)
    entry = function_named(image.path, image.project.entry)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as name:
        plugin, counts = Path(name) / "count_blocks.so", Path(name) / "counts.txt"
        _build_plugin(plugin)
        arguments = f"file={plugin},entry={entry.start},end={entry.end},out={counts}"
        try:
            run_image(
                image,
                inputs,
                counting=False,
                time_limit=time_limit,
                qemu_options=("-plugin", arguments),
            )
        except RunError as error:
            if "plugin" not in str(error):
                raise
            raise ToolchainError(
                "this qemu-system-arm loads no plugins, which --profile needs: install Debian's package"
            ) from error
        return read_trace(counts.read_text())


def read_trace(text: str) -> Trace:
    """Reads what the plugin wrote. RunError when it is not complete."""
    blocks: list[Block] = []
    edges: list[Edge] = []
    callees: dict[int, int] = {}
    complete = False
    for line in text.splitlines():
        match line.split():
            case ["block", start, instructions, end]:
                blocks.append(Block(int(start, 16), int(end, 16), int(instructions)))
            case ["call", region, address]:
                callees[int(region)] = int(address, 16)
            case ["edge", *numbers]:
                edges.append(Edge(*map(int, numbers)))
            case _:
                complete = line == "complete"
    if not complete:
        raise RunError("the model did not return while its blocks were counted")
    return Trace(blocks, edges, callees)


def _build_plugin(path: Path) -> None:
    """Compiles the plugin for the machine that QEMU runs on."""
    compiler, plugin = compiler_for(cpu_named("host")), path.with_suffix(".o")
    try:
        compile_object(
            compiler, HARNESS / "count_blocks.c", _PLUGIN_FLAGS, Folders((HARNESS,)), plugin
        )
    except BuildError as error:
        raise ToolchainError(f"gcc cannot build QEMU's plugin: {error}") from error
    command = [compiler.path, "-shared", plugin, "-o", path]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ToolchainError(f"gcc cannot link QEMU's plugin: {result.stderr.strip()}")
