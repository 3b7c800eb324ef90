# SPDX-License-Identifier: Apache-2.0
"""From a project directory to an image: the project's C files, the harness and CMSIS-NN, for one core."""

import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsec.run.cmsis_library import cmsis_nn_library, compile_flags, first_errors
from sparsec.run.errors import BuildError
from sparsec.run.machines import (
    SMALL_FLASH_BYTES,
    SMALL_RAM_BYTES,
    STACK_BYTES,
    Layout,
    Machine,
    machine_for,
)
from sparsec.run.object_cache import Folders, compile_object
from sparsec.run.project import Buffer, Project
from sparsec.run.toolchain import GCC, Cc, Compiler, compiler_for, is_host
from sparsec.targets.cpu import cpu_named

HARNESS = Path(__file__).parent / "harness"

GUARD_BYTES = 64
TELLING_FLAG = (
    "-DSPARSEC_BEFORE_LAYER(index)=do { extern int the_layer; the_layer = (index); } while (0)"
)
"""For generated C, which then tells the harness which layer runs, for some more instructions."""

LIBRARIES = ("-lc", "-lgcc")
"""What kernels call of the C library, for a core."""

MEMORY_ALIGNMENT = 16
"""Of each memory that the harness gives to a model, and the bytes it watches on both sides."""

# -O1 comes after `compile_flags` and wins: stronger optimization removes errors before the sanitizers see them.
SANITIZER_FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")
# CMSIS-NN shifts negative numbers left (softmax, elementwise add), which C11 leaves undefined and every
# compiler it supports defines; all other checks stay on and find nothing in it.
CMSIS_NN_SANITIZER_FLAGS = (*SANITIZER_FLAGS, "-fno-sanitize=shift")


@dataclass(frozen=True)
class Sizes:
    """Bytes of the sections of a linked file: code and constants, initialised and zeroed data."""

    text: int
    data: int
    bss: int

    @property
    def flash(self) -> int:
        """Bytes of flash: code, constants and the initial values of data."""
        return self.text + self.data

    @property
    def ram(self) -> int:
        """Bytes of RAM: data and zeroed data."""
        return self.data + self.bss


@dataclass(frozen=True)
class Image:
    """A linked program that runs a model.

    `total` measures all of it, harness, stack and arena included; `model` only what the entry
    reaches: generated code, weights, runtime, CMSIS-NN and C library functions, without the arena.
    """

    path: Path
    project: Project
    cpu: str
    total: Sizes
    model: Sizes


def build_image(
    project: Project,
    cpu: str,
    directory: Path,
    *,
    cmsis_nn: Path,
    sanitize: bool = False,
    layout: Layout = "large",
    telling: bool = False,
    cc: Cc = GCC,
    progress: Callable[[str], None] | None = None,
) -> Image:
    """Compiles by `cc` and links `project` with the harness for `cpu`; all files are written to `directory`.

    `sanitize` adds the address and undefined-behaviour sanitizers (host only). The layout "small"
    leaves 1 MB of flash and 256 KB of RAM, so that a model that does not fit does not link. A model that is `telling`
    takes more instructions, and says which layer failed.
    Raises BuildError with the compiler's first errors, ToolchainError when a tool is missing and
    ValueError for an unknown core.
    """
    directory = directory.resolve()
    target = cpu_named(cpu)
    machine = None if is_host(target) else machine_for(cpu)
    compiler = compiler_for(target, cc)
    if sanitize and machine is not None:
        raise BuildError(f"the sanitizers run on the host only, not on {cpu}")
    if sanitize and compiler.path != compiler.linker:
        raise BuildError(f"the sanitizers are those of {compiler.linker.name}, which compiles too")
    library = cmsis_nn_library(
        cmsis_nn,
        compiler,
        sanitizer_flags=CMSIS_NN_SANITIZER_FLAGS if sanitize else (),
        progress=progress,
    )
    if progress is not None:
        progress(f"compiling {project.name} for {cpu}")

    sanitizer_flags = SANITIZER_FLAGS if sanitize else ()
    flags = (*compile_flags(compiler), *sanitizer_flags, "-Wall", "-Wextra")
    glue = directory / "model_under_test.c"
    glue.write_text(model_under_test(project), encoding="utf-8")
    # The profiler takes for the end of a call what comes behind it, which a jump in its place has not.
    no_jumps = "-fno-optimize-sibling-calls"
    harness_flags = (*flags, no_jumps, *timer_flags(machine))
    platform = HARNESS / ("host.c" if machine is None else "cortex_m.c")
    model_flags = (*flags, TELLING_FLAG) if telling else flags
    model = compile_files(
        compiler, project, project.sources, directory / "model", model_flags, cmsis_nn
    )
    harness = compile_files(
        compiler,
        project,
        [HARNESS / "main.c", platform, glue],
        directory / "harness",
        harness_flags,
        cmsis_nn,
        (HARNESS,),
    )

    path = directory / "image.elf"
    link_flags = (*sanitizer_flags, "-Wl,--gc-sections", *layout_flags(machine, layout))
    link(compiler, [*harness, *model, library], path, link_flags, layout)
    reached = directory / "reached.o"
    libraries = (library,) if machine is None else (library, *LIBRARIES)
    keep_reached(compiler, [*model, *libraries], reached, project.entry)
    return Image(path, project, cpu, sizes_of(compiler, path), sizes_of(compiler, reached))


def keep_reached(
    compiler: Compiler,
    inputs: Sequence[Path | str],
    output: Path,
    entry: str,
    *flags: str,
) -> None:
    """Links what `entry` reaches of `inputs`, and nothing else, to a relocatable file. Raises BuildError."""
    kept = ("-nostdlib", "-r", "-Wl,--gc-sections", f"-Wl,-e,{entry}", f"-Wl,-u,{entry}")
    link(compiler, inputs, output, (*kept, *flags), "large")


def model_under_test(project: Project) -> str:
    """The C file that tells the harness which model it runs: where its memories lie in one block, its own and those of
    the caller, with guards around each, and how to call it with them."""
    given = [b for b in (*project.inputs, *project.outputs) if b.memory is None]
    begins: dict[str, int] = {}
    blocks: list[tuple[int, int]] = []
    end = 0
    for memory in (*project.memories, *given):
        begin = -(-(end + GUARD_BYTES) // MEMORY_ALIGNMENT) * MEMORY_ALIGNMENT
        begins[memory.name] = begin
        blocks.append((begin, memory.bytes))
        end = begin + memory.bytes

    def places(buffers: Sequence[Buffer]) -> str:
        return _pairs((begins[b.memory or b.name] + b.offset, b.bytes) for b in buffers)

    arguments = ", ".join(f"memory + {begin}" for begin, _ in blocks)
    return (
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        f'#include "{project.header}"\n#include "model_under_test.h"\n'
        "/* Called as the model is, it returns: what the call itself costs. */\n"
        "int platform_return();\n"
        # By address, as an application calls what it was given: where the model lies in flash makes no difference.
        f"static __typeof__({project.entry}) *volatile the_model = {project.entry};\n"
        "static int (*volatile nothing)() = platform_return;\n"
        f"int model_entry(int8_t *memory) {{ return the_model({arguments}); }}\n"
        f"int model_empty(int8_t *memory) {{ return nothing({arguments}); }}\n"
        f"_Alignas(16) uint8_t model_memory[{end + GUARD_BYTES}];\n"
        f"const size_t model_memory_bytes = sizeof(model_memory);\n"
        f"const buffer model_blocks[] = {_pairs(blocks)};\n"
        f"const buffer model_inputs[] = {places(project.inputs)};\n"
        f"const buffer model_outputs[] = {places(project.outputs)};\n"
        f"const int model_block_count = {len(blocks)};\n"
        f"const int model_input_count = {len(project.inputs)};\n"
        f"const int model_output_count = {len(project.outputs)};\n"
    )


def _pairs(pairs: Iterable[tuple[int, int]]) -> str:
    return f"{{{', '.join(f'{{{first}, {second}}}' for first, second in pairs)}}}"


def timer_flags(machine: Machine | None) -> tuple[str, ...]:
    """What tells the harness which timer a machine has."""
    if machine is None:
        return ()
    return (
        f"-DTIMER_HZ={machine.timer_hz}u",
        *(f"-D{address}" for address in machine.timer_addresses),
    )


def layout_flags(machine: Machine | None, layout: Layout) -> tuple[str, ...]:
    """What tells the linker where the memories of a machine are."""
    if machine is None:
        return ()
    flash, ram = machine.regions(layout)
    symbols = {
        "vectors_origin": machine.vectors_origin,
        "flash_origin": flash.origin,
        "flash_length": flash.length,
        "ram_origin": ram.origin,
        "ram_length": ram.length,
        "stack_length": STACK_BYTES,
    }
    definitions = tuple(f"-Wl,--defsym={name}={value:#x}" for name, value in symbols.items())
    return ("-nostartfiles", *definitions, f"-Wl,-T,{HARNESS / 'cortex_m.ld'}")


def compile_files(
    compiler: Compiler,
    project: Project,
    sources: Sequence[Path],
    directory: Path,
    flags: Sequence[str],
    cmsis_nn: Path,
    own: tuple[Path, ...] = (),
) -> list[Path]:
    """Compiles `sources` one by one into `directory`; headers are looked for in `own`, the project and CMSIS-NN."""
    directory.mkdir(exist_ok=True)
    folders = Folders((*own, project.directory), (cmsis_nn / "Include",))
    objects: list[Path] = []
    for source in sources:
        output = directory / f"{source.stem}.o"
        compile_object(compiler, source, flags, folders, output)
        objects.append(output)
    return objects


def link(
    compiler: Compiler,
    inputs: Sequence[Path | str],
    output: Path,
    flags: Sequence[str],
    layout: Layout,
) -> None:
    """Raises BuildError, with what is missing where the memories of `layout` are too small."""
    command = [compiler.linker, *compiler.link_flags, *flags, *inputs, "-o", output]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return
    overflow = re.findall(r"region `(\w+)' overflowed by (\d+) bytes", result.stderr)
    if overflow:
        missing = " and ".join(f"{int(bytes_):,} bytes of {region}" for region, bytes_ in overflow)
        memory = f"{SMALL_FLASH_BYTES // 1024} KB flash, {SMALL_RAM_BYTES // 1024} KB RAM"
        offer = f"'small' layout ({memory})" if layout == "small" else "machine"
        raise BuildError(f"the model does not fit the {offer}: {missing} too many")
    raise BuildError(f"the image does not link:\n{first_errors(result.stderr)}")


def sizes_of(compiler: Compiler, path: Path) -> Sizes:
    """Section sizes as the `size` program prints them (Berkeley format)."""
    result = subprocess.run([compiler.size, path], capture_output=True, text=True, check=True)
    text, data, bss = result.stdout.splitlines()[1].split()[:3]
    return Sizes(int(text), int(data), int(bss))
