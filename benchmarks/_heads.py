# SPDX-License-Identifier: Apache-2.0
"""Default arenas of many networks next to what TensorFlow Lite Micro's planner gives their activations.

The networks are those of MLPerf Tiny, the zoo, and the .pt2 and .tflite files of the folder $SPARSEC_NETWORKS; what cannot be
compiled is left out. The head is that of its greedy planner for the activations alone, in the order of the file and in
places of whole 16 bytes: what its kernels ask for besides is not in it, while our arenas hold all scratch memory.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from benchmarks.lossless import FILES, models
from examples.export import export_example
from examples.zoo import ZOO
from sparsec.analysis.memory.block_dataflow import dataflow_of
from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.frontends.tflite.offline_plan import greedy_offsets
from sparsec.interpreters.signature import main_function
from sparsec.planning.arena import Buffer
from sparsec.planning.heuristic import arena_bytes
from sparsec.targets.cpu import Cpu
from sparsec.tools.compilation import compile_model
from sparsec.tools.errors import UserError
from sparsec.tools.sparsec import parser

FOLDER_VARIABLE = "SPARSEC_NETWORKS"
ALIGNMENT = 16
"""Of TensorFlow Lite Micro's buffers."""


@dataclass(frozen=True)
class Heads:
    """One network: its default arena, and the head, in bytes."""

    name: str
    arena: int
    head: int

    @property
    def is_above(self) -> bool:
        """Whether the arena is larger than the head."""
        return self.arena > self.head


def head_of(module: ModuleOp, cpu: Cpu) -> int:
    """The head of a `qnn` module."""
    flow = dataflow_of(main_function(module).body.block, cpu)
    first = dict.fromkeys(flow.inputs, 0)
    last: dict[int, int] = {}
    for time, operation in enumerate(flow.operations):
        for written in operation.writes:
            first[written] = last[written] = time
        for read in operation.reads:
            last[read] = time
    last |= dict.fromkeys(flow.outputs, len(flow.operations))
    buffers = [
        Buffer(-(-flow.sizes[i] // ALIGNMENT) * ALIGNMENT, begin, last.get(i, begin))
        for i, begin in sorted(first.items())
    ]
    return arena_bytes(buffers, greedy_offsets(buffers))


def networks(folder: Path) -> Iterator[tuple[str, Path]]:
    """The names and files of all networks, those of the zoo written to `folder`."""
    for name, file in FILES.items():
        yield name, models() / file
    for name in ZOO:
        path = folder / f"{name}.pt2"
        export_example(name, path)
        yield f"zoo {name}", path
    if FOLDER_VARIABLE in os.environ:
        for path in sorted(Path(os.environ[FOLDER_VARIABLE]).iterdir()):
            if path.suffix in (".pt2", ".tflite"):
                yield path.stem, path


def measure(core: str) -> Iterator[Heads]:
    """A row for each network that compiles for `core`."""
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        for name, path in networks(Path(folder)):
            try:
                args = parser().parse_args(["-q", str(path), f"--target={core}"])
                compilation = compile_model(args, "kernels")
            except UserError:
                continue
            planned = planned_function(compilation.module)
            assert planned is not None and compilation.quantized is not None
            yield Heads(name, planned.arena_bytes, head_of(compilation.quantized, compilation.cpu))
