# SPDX-License-Identifier: Apache-2.0
"""The whole road: a file goes in, C comes out, runs, and is compared byte for byte with the interpreter."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from sparsec import pipelines
from sparsec.analysis.memory.memory_plan import certify_plan, planned_function
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import entry_quantizations, main_function
from sparsec.ir.shapes import shape_of
from sparsec.run import cmsis_nn
from sparsec.run.execute import run_project
from sparsec.targets.cpu import cpu_named
from sparsec.tools.compilation import Compilation, compile_model, pipeline_options, run_passes
from sparsec.tools.emission import project_files, write_files
from sparsec.tools.inputs import as_bytes
from sparsec.tools.printing import module_text
from sparsec.tools.registry import context
from sparsec.tools.sparsec import parser
from tests.end_to_end.canaries import HARNESS_GUARD, plan_of, with_canaries
from tests.end_to_end.scratch_getters import scratch_of

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Compiled:
    """A network at the level of kernels, as it was at `qnn`, and the files of its project."""

    compilation: Compilation
    quantized: ModuleOp
    files: dict[str, str]
    interpreted: dict[bytes, tuple[list[Array], list[Array]]] = field(
        default_factory=dict[bytes, tuple[list["Array"], list["Array"]]], repr=False, compare=False
    )
    """What the interpreter made of the network and of its calls, by inputs: several cores run the same calls."""

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the inputs, batch 1 included."""
        return [shape_of(type) for type in main_function(self.quantized).function_type.inputs]


def compile_to(model: Path, cpu: str, *options: str) -> Compiled:
    """What `sparsec MODEL --target=CPU ..` compiles a model file or IR text to."""
    args = parser().parse_args([str(model), f"--target={cpu}", *options])
    compilation = compile_model(args, "c")
    assert compilation.quantized is not None
    return Compiled(compilation, compilation.quantized, project_files(args, compilation))


def compile_module(module: ModuleOp, cpu: str, *options: str) -> Compiled:
    """The same for IR in memory; it goes in as text."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "net.mlir")
        path.write_text(module_text(module))
        return compile_to(path, cpu, *options)


@cache
def compile_once(model: Path, cpu: str, *options: str) -> Compiled:
    """As `compile_to`, for tests that change nothing of it."""
    return compile_to(model, cpu, *options)


def compile_side_by_side(module: ModuleOp, cpu: str, *options: str) -> Compiled:
    """As `compile_module`, for hundreds of layers whose order is no question: it stays as it is, the text is for other
    tests to read back, the IR is verified once, and nobody searches for the best plan. `module` is changed."""
    args = parser().parse_args(["net.mlir", f"--target={cpu}", "--plan-seconds=0", *options])
    chosen = pipeline_options(args, cpu_named(cpu), module, None)
    passes = [each for each in pipelines.kernels(chosen) if not each.startswith("order-layers")]
    compilation = Compilation("net", cpu_named(cpu), module, ",".join(passes), module.clone())
    compilation.inputs, compilation.outputs = entry_quantizations(module)
    run_passes(context(), module, [*pipelines.lossless(), *passes], (), verify_each=False)
    assert compilation.quantized is not None
    return Compiled(compilation, compilation.quantized, project_files(args, compilation))


def extreme_and_random(shapes: Sequence[tuple[int, ...]], random: int, seed: int) -> list[Array]:
    """For each shape [1, ..] int8 [2 + random, ..]: all lowest, all highest, random."""
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-128, 128, (2 + random, *shape[1:]), np.int8) for shape in shapes]
    for array in arrays:
        array[0], array[1] = -128, 127
    return arrays


def run(
    compiled: Compiled, cpu: str, inputs: Sequence[Array], *, canaries: bool = False
) -> list[Array]:
    """What the generated C gives, one int8 [N, bytes] for each output; sanitized on the host.

    With `canaries` each call is watched; RunError names one that changes what it must not.
    """
    directory = cmsis_nn.locate()
    assert directory is not None
    files, sanitize = compiled.files, cpu == "host"
    if canaries:
        planned = planned_function(compiled.compilation.module)
        assert planned is not None
        # The sanitizer guards the arena by itself, and forbids to look there.
        guard = 0 if sanitize else HARNESS_GUARD
        files = with_canaries(files, compiled.compilation.name, plan_of(planned), guard)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, compiled.compilation.name)
        write_files(files, project)
        result = run_project(
            project,
            cpu,
            [as_bytes(array) for array in inputs],
            cmsis_nn=directory,
            sanitize=sanitize,
            counting=False,
        )
    return [np.asarray(output) for output in result.outputs]


def run_kernels(compiled: Compiled, inputs: Sequence[Array]) -> list[Array]:
    """What the interpreter makes of the calls and the memory plan; as `run`."""
    samples = [
        interpret(compiled.compilation.module, [array[i : i + 1] for array in inputs])
        for i in range(len(inputs[0]))
    ]
    return [
        np.stack([output.reshape(-1) for output in outputs])
        for outputs in zip(*samples, strict=True)
    ]


def differing_bytes(expected: Sequence[Array], actual: Sequence[Array]) -> int:
    """How many bytes differ between the outputs of two runs, whose shapes may differ."""
    return sum(
        int(np.count_nonzero(as_bytes(e) != as_bytes(a)))
        for e, a in zip(expected, actual, strict=True)
    )


def expect_scratch(compiled: Compiled, cpu: str) -> None:
    """Every call has the scratch memory that its function wants."""
    wrong = [each for each in scratch_of(compiled.compilation.module, cpu) if not each.is_right]
    assert not wrong, wrong


def expect_exact(
    compiled: Compiled, cpu: str, inputs: Sequence[Array], *, canaries: bool = False
) -> list[Array]:
    """Interpreter, calls and C give the same bytes, the memory plan holds, and scratch memory is of the size that the
    C functions want; gives the outputs.

    With `canaries` the C is run as `run` does.
    """
    planned = planned_function(compiled.compilation.module)
    assert planned is not None
    certify_plan(planned)
    expect_scratch(compiled, cpu)
    known, key = compiled.interpreted, b"".join(map(np.ndarray.tobytes, inputs))
    if key not in known:
        known[key] = interpret(compiled.quantized, inputs), run_kernels(compiled, inputs)
    expected, by_calls = known[key]
    assert differing_bytes(expected, by_calls) == 0
    assert differing_bytes(expected, run(compiled, cpu, inputs, canaries=canaries)) == 0
    return expected
