# SPDX-License-Identifier: Apache-2.0
"""Kernel operations as C functions that take their buffers, to be run with the output over the input."""

import ctypes
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import IndexType, IntegerAttr, MemRefType, i8
from xdsl.ir import Attribute, SSAValue

from sparsec.backends.c.headers import check_call, read_headers
from sparsec.backends.c.printer import CPrinter
from sparsec.backends.cortex_m.project import CMSIS_NN_STATUS
from sparsec.ir import rt
from sparsec.ir.constant import element_type_of
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.shapes import shape_of
from sparsec.planning.overlap import Overlap
from sparsec.run.execute import run_project
from sparsec.run.object_cache import Folders
from tests.runtime.kernel_library import GUARD, RUNTIME
from tests.runtime.kernel_project import C_TYPES, KernelProject
from tests.shared_library import link, objects_of

Array = NDArray[Any]


@dataclass
class Case:
    """A call whose output may lie over one of its inputs; its other operands are constants."""

    name: str
    op: KernelOp
    output: SSAValue
    input: SSAValue
    constants: Mapping[SSAValue, Array] = field(default_factory=dict[SSAValue, Array])
    scratch: SSAValue | None = None
    exact: tuple[bool, bool] = (True, True)
    """Whether one byte more than is claimed gives other bytes, before the input and behind it. Else they share all that
    they can already, and the output would have to begin behind its input."""

    @property
    def claim(self) -> Overlap:
        return self.op.safe_overlap(self.output, self.input)

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the output and of the input."""
        return byte_count(self.output.type), byte_count(self.input.type)

    @property
    def scratch_bytes(self) -> int:
        return 0 if self.scratch is None else byte_count(self.scratch.type)

    def data(self, seed: int = 0) -> NDArray[np.int8]:
        """The input: random bytes."""
        rng = np.random.default_rng((seed, self.sizes[1]))
        return rng.integers(-128, 128, self.sizes[1]).astype(np.int8)


class Buffers:
    """Makes the operands of a case."""

    def __init__(self) -> None:
        self.arena = memref.AllocOp.get(i8, None, (1,)).memref
        self.constants: dict[SSAValue, Array] = {}

    def buffer(self, *shape: int, element: Attribute = i8) -> SSAValue:
        zero = arith.ConstantOp(IntegerAttr(0, IndexType()))
        return memref.ViewOp(self.arena, zero.result, [], MemRefType(element, shape)).result

    def constant(self, array: Array) -> SSAValue:
        type: MemRefType[Attribute] = MemRefType(element_type_of(array.dtype), array.shape)
        value = memref.GetGlobalOp("constant", type).memref
        self.constants[value] = array
        return value


@dataclass(eq=False, repr=False)
class CasePrinter(CPrinter):
    """Prints calls with the C names of their operands."""

    names: Mapping[SSAValue, str] = field(default_factory=dict[SSAValue, str])

    def address(self, value: SSAValue) -> str:
        return self.names[value]


def c_source(cases: Sequence[Case], cmsis_nn: Path) -> str:
    """A function `int NAME(int8_t *input, int8_t *output, int8_t *scratch)` for each case."""
    include = cmsis_nn / "Include"
    headers = [include / "arm_nn_types.h", include / "arm_nnfunctions.h"]
    header = read_headers(*headers, RUNTIME / "include" / "sparsec.h")
    text = io.StringIO()
    text.write('#include "arm_nnfunctions.h"\n#include "sparsec.h"\n')
    for case in cases:
        names = {case.input: "input", case.output: "output"}
        if case.scratch is not None:
            names[case.scratch] = "scratch"
        for number, (value, array) in enumerate(case.constants.items()):
            names[value] = f"{case.name}_{number}"
            values = ", ".join(map(str, array.reshape(-1).tolist())) or "0"
            c_type = C_TYPES[array.dtype.name]
            text.write(f"static const {c_type} {names[value]}[] = {{{values}}};\n")
        text.write(f"int {case.name}(int8_t *input, int8_t *output, int8_t *scratch);\n")
        text.write(f"int {case.name}(int8_t *input, int8_t *output, int8_t *scratch)\n{{\n")
        text.write("    (void)scratch;")
        CasePrinter(text, status=CMSIS_NN_STATUS, names=names).print_call(
            case.op, check_call(case.op, header)
        )
        text.write("\n    return 0;\n}\n")
    return text.getvalue()


def claimed_distances(case: Case) -> list[int]:
    """Every claim at its limit: the last distance before and behind the input, and each step between."""
    claim, (output, input) = case.claim, case.sizes
    steps = [d for d in range(-output, input + 1) if claim.step and d % claim.step == 0]
    return sorted({-claim.below, claim.above, *steps})


"""A `memcpy` that destroys what it copies when its ranges meet, which C leaves undefined."""
MEMCPY = """#include <stddef.h>
void *strict_memcpy(void *to, const void *from, size_t size);
void *strict_memcpy(void *to, const void *from, size_t size)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    const int meet = target < source + size && source < target + size;
    for (size_t i = 0; i < size; i++)
    {
        target[i] = meet ? 0xA5 : source[i];
    }
    return to;
}
"""


def case_library(
    cases: Sequence[Case],
    helpers: Sequence[str],
    cmsis_nn: Path,
    directory: Path,
    worst: tuple[str, str, Path] | None = None,
) -> ctypes.CDLL:
    """The functions of `cases` for this machine; `helpers` are patterns of functions of CMSIS-NN that theirs call.

    `worst` has a function that they call, the name of one that does the same in the worst order, and the file with that.
    Our files have the undefined-behaviour sanitizer.
    """
    (directory / "cases.c").write_text(c_source(cases, cmsis_nn))
    (directory / "memcpy.c").write_text(MEMCPY)
    functions = {case.op.C_FUNCTION for case in cases}
    ours = [RUNTIME / "src" / f"{name}.c" for name in functions if name.startswith("sparsec")]
    called, helping = (
        {path for name in names for path in (cmsis_nn / "Source").glob(f"*/{name}.c")}
        for names in (functions, helpers)
    )
    renamed: list[str] = []
    if worst is not None:
        renamed, helping = [f"-D{worst[0]}={worst[1]}"], {*helping, worst[2]}
    folders = Folders((RUNTIME / "include", cmsis_nn / "Include"))
    objects: list[Path] = []
    replaced, undefined = "-Dmemcpy=strict_memcpy", "-fsanitize=undefined"
    ours_flags = [replaced, undefined, "-fno-sanitize-recover=all"]
    for flags, sources in (
        (ours_flags, ours),
        ([replaced, "-fwrapv", *renamed], sorted(called)),
        ([replaced, "-fwrapv"], [directory / "cases.c", *sorted(helping)]),
        ([], [directory / "memcpy.c"]),
    ):
        folder = directory / str(len(objects))
        folder.mkdir(exist_ok=True)
        objects += objects_of(sources, ("-std=c11", "-O2", "-w", *flags), folders, folder)
    return ctypes.CDLL(str(link(objects, [undefined], directory / "cases.so")))


def run(library: ctypes.CDLL, case: Case, distance: int, seed: int = 0) -> NDArray[np.int8]:
    """The output of `case` where it begins `distance` bytes behind its input; 0 where nothing is written."""
    output, input = case.sizes
    start = 64 + output + input
    memory = np.full(4 * start + case.scratch_bytes + 128, GUARD, np.int8)
    base = memory.ctypes.data + start
    scratch = -(-(base + 2 * start) // 64) * 64
    memory[start : start + input] = case.data(seed)
    used = np.zeros(memory.shape, np.bool_)
    pointers = map(ctypes.c_void_p, (base, base + distance, scratch))
    assert library[case.name](*pointers) == 0
    for begin, size in (
        (start, input),
        (start + distance, output),
        (scratch - base + start, case.scratch_bytes),
    ):
        used[begin : begin + size] = True
    assert (memory[~used] == GUARD).all(), "the kernel wrote beside its buffers"
    return np.where(written(case), memory[start + distance : start + distance + output], 0)


def written(case: Case) -> NDArray[np.bool_]:
    """Which bytes of the output the call writes."""
    marks = np.ones(shape_of(case.output.type), np.bool_)
    if isinstance(case.op, rt.ConcatenateOp):
        axis, first = case.op.axis.value.data, case.op.position.value.data
        end = first + shape_of(case.input.type)[axis]
        marks = np.moveaxis(np.zeros_like(marks), axis, 0)
        marks[first:end] = True
        marks = np.moveaxis(marks, 0, axis)
    return marks.reshape(-1)


SEEDS = range(20)


def is_right(library: ctypes.CDLL, case: Case, distance: int, seed: int = 0) -> bool:
    """Whether the output is the same there as apart from the input."""
    apart = run(library, case, case.sizes[1] + 32, seed)
    return np.array_equal(run(library, case, distance, seed), apart)


def expect_allowed(library: ctypes.CDLL, case: Case) -> None:
    """The claim of `case` holds wherever it allows."""
    output, input = case.sizes
    for distance in filter(case.claim.allows, range(-output - 9, input + 10)):
        assert is_right(library, case, distance), distance


def expect_claim(library: ctypes.CDLL, case: Case) -> None:
    """The claim of `case` holds wherever it allows, and not one byte further."""
    expect_allowed(library, case)
    claim = case.claim
    limits = (1 - claim.below, claim.above - 1)
    for distance, exact in zip(limits, case.exact, strict=True):
        if not exact:
            assert claim.bytes(*case.sizes) == min(case.sizes)
        elif not claim.allows(distance):
            assert not all(is_right(library, case, distance, seed) for seed in SEEDS), distance


@dataclass
class CaseProject:
    """A project that runs every claim at its limits."""

    directory: Path
    runs: list[tuple[Case, int]]

    def run(self, cpu: str, cmsis_nn: Path) -> Iterator[tuple[Case, int, NDArray[np.int8]]]:
        """The outputs on `cpu`, with the distances from their inputs."""
        unused = np.zeros((1, 1), np.int8)
        result = run_project(self.directory, cpu, [unused], cmsis_nn=cmsis_nn, counting=False)
        found, at = result.outputs[0][0], 0
        for case, distance in self.runs:
            output = case.sizes[0]
            yield case, distance, np.where(written(case), found[at : at + output], 0)
            at += output


def case_project(cases: Sequence[Case], cmsis_nn: Path, directory: Path) -> CaseProject:
    """The project, in `directory`."""
    runs = [(case, distance) for case in cases for distance in claimed_distances(case)]
    project = KernelProject()
    room = 2 * max(sum(case.sizes) for case in cases) + 64
    project.output_bytes = sum(case.sizes[0] for case, _ in runs)
    inputs = {case.name: project.array(case.data()) for case in cases}
    at = 0
    for case, distance in runs:
        output, input = case.sizes
        begin = -(-(project.output_bytes + output) // 16) * 16
        place, scratch = f"arena + {begin + distance}", -(-(begin + room) // 16) * 16
        project.statements += [
            f"memcpy(arena + {begin}, {inputs[case.name]}, {input});",
            f"{case.name}(arena + {begin}, {place}, arena + {scratch});",
            f"memcpy(arena + {at}, {place}, {output});",
        ]
        at += output
    project.declarations = ["#include <string.h>", c_source(cases, cmsis_nn), *project.declarations]
    project.write(directory)
    for source in directory.glob("sparsec_*.c"):
        if source.stem not in {case.op.C_FUNCTION for case in cases}:
            source.unlink()
    return CaseProject(directory, runs)
