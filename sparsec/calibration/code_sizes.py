# SPDX-License-Identifier: Apache-2.0
"""Measure what code each kernel brings into an image, on every core: writes code_sizes.json.

    make calibrate-code        or        python -m sparsec.calibration.code_sizes [CORE ..]

Nothing runs: kernels are compiled and linked. What a C function brings is read off the map of a link that keeps what it
reaches; what a call of it takes in the generated code is what such code grows by from one call to several.
"""

import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdsl.context import Context

from sparsec.backends.c.folder import write_project
from sparsec.backends.cortex_m.project import emit_project
from sparsec.calibration.calls import AnyConvolveOp, CaseImage
from sparsec.calibration.cases import Case
from sparsec.calibration.grid import grid
from sparsec.ir.cmsis import Cmsis
from sparsec.ir.kernel import KernelOp
from sparsec.ir.rt import Rt
from sparsec.kernels.code import CODE_SIZES
from sparsec.kernels.cost import CALIBRATED
from sparsec.passes.bufferize import BufferizePass
from sparsec.passes.plan_memory import PlanMemoryPass
from sparsec.run import cmsis_nn
from sparsec.run.build import LIBRARIES, keep_reached, sizes_of
from sparsec.run.cmsis_library import cmsis_nn_library, compile_flags
from sparsec.run.errors import RunError, ToolchainError
from sparsec.run.object_cache import Folders, compile_object
from sparsec.run.toolchain import Compiler, compiler_for
from sparsec.targets.cpu import cpu_named
from sparsec.targets.runtime import runtime_dir

CALLS = 6
"""Of a function in one image, at most."""

NAME = "calls"

FLASH_SECTIONS = (".text", ".rodata", ".data")

IN_MAP = re.compile(r"^ (\.\S+)\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) (\S+)$", re.MULTILINE)
"""A section of a file in the map of a link."""


@dataclass(frozen=True)
class Linker:
    """What links kernels for one core: all that there are, and the compiler with its flags."""

    core: str
    compiler: Compiler
    inputs: tuple[Path | str, ...]
    cmsis_nn: Path


def linker_for(core: str, folder: Path) -> Linker:
    """Compiles the runtime to `folder`. Raises RunError where a tool or CMSIS-NN is missing."""
    directory = cmsis_nn.locate()
    if directory is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    compiler = compiler_for(cpu_named(core))
    headers = Folders((runtime_dir() / "include",), (directory / "Include",))
    objects: list[Path] = []
    for source in sorted((runtime_dir() / "src").glob("*.c")):
        objects.append(folder / f"{source.stem}.o")
        compile_object(compiler, source, compile_flags(compiler), headers, objects[-1])
    library = cmsis_nn_library(directory, compiler)
    return Linker(core, compiler, (*objects, library, *LIBRARIES), directory)


def functions() -> list[str]:
    """The C functions of all calls that there are, those that only images of calibration have included."""
    operations = (*Cmsis.operations, *Rt.operations, AnyConvolveOp)
    return sorted({op.C_FUNCTION for op in operations if issubclass(op, KernelOp)})


def sections_of(linker: Linker, function: str, folder: Path) -> dict[str, int]:
    """The sections that `function` reaches, its own included, with their bytes. Raises BuildError."""
    output, map = folder / "reached.o", folder / "reached.map"
    keep_reached(linker.compiler, linker.inputs, output, function, f"-Wl,-Map={map}")
    # A long name stands on a line of its own.
    text = re.sub(r"^( \.\S+)\n\s+(?=0x)", r"\1 ", map.read_text(), flags=re.MULTILINE)
    _, _, linked = text.partition("Linker script and memory map")
    found: dict[str, int] = {}
    for section, size, file in IN_MAP.findall(linked):
        if section.startswith(FLASH_SECTIONS) and int(size, 16):
            name = section_name(section, file)
            found[name] = found.get(name, 0) + int(size, 16)
    return found


def section_name(section: str, file: str) -> str:
    """`arm_add` for `.text.arm_add`; what lies in a section for all functions, or is static, is called as its file too."""
    kind, _, name = section[1:].partition(".")
    member = re.sub(r"\.o\)?$", "", re.split(r"[/(]", file)[-1]).lstrip("0123456789_")
    own = [name] if name.startswith(("arm_", "sparsec_")) else [member, name]
    return " ".join(part for part in ("" if kind == "text" else kind, *own) if part)


def call_sizes(linker: Linker, cases: Sequence[Case], folder: Path) -> tuple[int, int]:
    """What the first call of a kernel takes in generated code, and each of the others, all for `cases` of it."""
    first, all = (generated_bytes(linker, cases[:count], folder) for count in (1, len(cases)))
    return first, round((all - first) / (len(cases) - 1))


def generated_bytes(linker: Linker, cases: Sequence[Case], folder: Path) -> int:
    """Flash of generated code that calls kernels for `cases`, constants aside."""
    cpu = cpu_named(linker.core)
    image = CaseImage(cpu.vector_unit)
    for number, case in enumerate(cases):
        image.add(case, str(number))
    module = image.module(linker.core)
    BufferizePass().apply(Context(), module)
    PlanMemoryPass(seconds=0, overlap=False).apply(Context(), module)
    project, output = folder / NAME, folder / "generated.o"
    write_project(emit_project(module, linker.cmsis_nn / "Include", NAME), project)
    headers = Folders((project,), (linker.cmsis_nn / "Include",))
    flags = compile_flags(linker.compiler)
    compile_object(linker.compiler, project / f"{NAME}.c", flags, headers, output)
    return sizes_of(linker.compiler, output).flash


def measured(linker: Linker, folder: Path) -> dict[str, Any]:
    """The entry of a core in code_sizes.json. Raises BuildError."""
    groups: defaultdict[str, list[Case]] = defaultdict(list)
    known = functions()
    for case in grid(cpu_named(linker.core).vector_unit):
        if case.kernel in known and len(groups[case.kernel]) < CALLS:
            groups[case.kernel].append(case)
    found: dict[str, Any] = {}
    sections: dict[str, int] = {}
    entries: list[int] = []
    for function in known:
        reached = sections_of(linker, function, folder)
        sections |= reached
        found[function] = {"sections": sorted(reached)}
        if function in groups:
            first, other = call_sizes(linker, groups[function], folder)
            found[function]["call"] = other
            entries.append(first - other)
    return {
        "entry": round(sum(entries) / len(entries)),
        "functions": found,
        "sections": dict(sorted(sections.items())),
    }


def main() -> int:
    """Measure the named cores, or all."""
    cores = sys.argv[1:] or list(CALIBRATED)
    unknown = [core for core in cores if core not in CALIBRATED]
    if unknown:
        known = ", ".join(CALIBRATED)
        print(f"error: cannot measure {unknown[0]}, only: {known}", file=sys.stderr)
        return 2
    text = CODE_SIZES.read_text(encoding="utf-8") if CODE_SIZES.exists() else "{}"
    sizes: dict[str, Any] = json.loads(text)
    for core in cores:
        print(f"measuring {core}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
            try:
                sizes[core] = measured(linker_for(core, Path(folder)), Path(folder))
            except (RunError, ValueError) as error:
                print(f"error: {error}", file=sys.stderr)
                return 2
    CODE_SIZES.write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
