# SPDX-License-Identifier: Apache-2.0
"""Projects that bring what they call of CMSIS-NN: all of that, only that, and unchanged."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sparsec.backends.c.folder import digest, write_project
from sparsec.backends.cortex_m.bundle import LICENCE, NOTICE, bundled_files, defined_in
from sparsec.backends.cortex_m.project import emit_project
from sparsec.interpreters.run import interpret
from sparsec.targets.cmsis_nn import read_release
from sparsec.targets.cpu import cpu_named
from tests.backends.lowering import lower, parse
from tests.backends.test_project import NETWORK

MAIN = """
#include <stdio.h>
#include "tiny.h"
int main(void)
{
    for (int i = 0; i < TINY_INPUT_BYTES; i++) { tiny_arena[TINY_INPUT_OFFSET + i] = (int8_t)i; }
    const int status = tiny_invoke(tiny_arena);
    for (int i = 0; i < TINY_OUTPUT_BYTES; i++) { printf("%d ", tiny_arena[TINY_OUTPUT_OFFSET + i]); }
    return status;
}
"""


def emit(cmsis_nn: Path, target: str, name: str = "tiny", bundle: bool = True) -> dict[str, str]:
    release = read_release(cmsis_nn / "Include")
    module = lower(parse(NETWORK), target, "dense", release)
    return emit_project(module, cmsis_nn / "Include", name, bundle=bundle)


def test_files_are_copied_unchanged(cmsis_nn: Path) -> None:
    plain, files = emit(cmsis_nn, "cortex-m3", bundle=False), emit(cmsis_nn, "cortex-m3")
    copied = files.keys() - plain.keys() - {NOTICE, LICENCE}
    assert {"arm_convolve_wrapper_s8.c", "Internal/arm_nn_compiler.h"} < copied
    assert not any("lstm" in name or "_s4" in name for name in copied)
    for name in copied:
        (original,) = cmsis_nn.rglob(Path(name).name)
        assert files[name] == original.read_text(encoding="utf-8")
        assert f"  {name}\n" in files[NOTICE]
    assert "of revision V." in files[NOTICE] and "Arm Limited" in files[NOTICE]
    assert "Apache License" in files[LICENCE]
    assert files["tiny.c"] == plain["tiny.c"]


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no compiler for Cortex-M")
@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m55"])
def test_a_compiler_builds_it_alone(cmsis_nn: Path, tmp_path: Path, target: str) -> None:
    """And each function that comes along is named by another file."""
    files = emit(cmsis_nn, target)
    write_project(files, tmp_path / "p")
    sources = sorted((tmp_path / "p").glob("*.c"))
    image = tmp_path / "tiny.elf"
    flags = [*cpu_named(target).compiler_flags, "-O1", "-nostartfiles", "--specs=nosys.specs"]
    link = ["-Wl,--entry=tiny_invoke,--no-warn-rwx-segments", "-I", tmp_path / "p", "-o", image]
    compiled = ["arm-none-eabi-gcc", *flags, *link, *sources, "-lm"]
    ended = subprocess.run(compiled, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    for source in sources:
        if source.name.startswith("arm_"):
            others = "".join(text for name, text in files.items() if name != source.name)
            assert any(name in others for name in defined_in(source)), source.name


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_builds_it_beside_one_without(cmsis_nn: Path, tmp_path: Path) -> None:
    write_project(emit(cmsis_nn, "host"), tmp_path / "p")
    write_project(emit(cmsis_nn, "host", "other", bundle=False), tmp_path / "q")
    (tmp_path / "main.c").write_text(MAIN)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(demo LANGUAGES C)\nadd_subdirectory(p)\n"
        "add_executable(demo main.c)\ntarget_link_libraries(demo tiny)\n"
        "if(CMSIS_NN_DIR)\n  add_subdirectory(q)\n  target_link_libraries(demo other)\nendif()\n"
    )
    (expected,) = interpret(parse(NETWORK), [np.arange(16, dtype=np.int8).reshape(1, 4, 4, 1)])
    for build, options in (("alone", []), ("both", [f"-DCMSIS_NN_DIR={cmsis_nn}"])):
        quick = ["-DTINY_OPTIMIZATION=-O0", "-DOTHER_OPTIMIZATION=-O0"]
        for command in (["-S", ".", "-B", build, *options, *quick], ["--build", build, "-j2"]):
            ended = subprocess.run(
                ["cmake", *command], cwd=tmp_path, capture_output=True, text=True
            )
            assert ended.returncode == 0, ended.stderr
        printed = subprocess.run([tmp_path / build / "demo"], capture_output=True, text=True)
        assert [int(number) for number in printed.stdout.split()] == expected.reshape(-1).tolist()


def test_what_is_only_declared_or_remarked_is_not_called(tmp_path: Path) -> None:
    (tmp_path / "Include" / "Deep").mkdir(parents=True)
    (tmp_path / "Source" / "F").mkdir(parents=True)
    header = (
        '#include "Deep/d.h"\nint arm_a_s8(int x);\nint arm_b_s8(int x);\nint arm_c_s8(int x);\n'
    )
    (tmp_path / "Include" / "h.h").write_text(header)
    inline = '#include "h.h"\nstatic inline int d(int x)\n{\n    return arm_c_s8(x);\n}\n'
    (tmp_path / "Include" / "Deep" / "d.h").write_text(inline)
    for name, body in (
        ("a", "return table[x];"),
        ("b", "return x;"),
        ("c", "return x; /* arm_b_s8 */"),
    ):
        text = f'#include "h.h"\nint arm_{name}_s8(int x)\n{{\n    {body}\n}}\n'
        (tmp_path / "Source" / "F" / f"arm_{name}_s8.c").write_text(text)
    (tmp_path / "Source" / "arm_nntables.c").write_text("const int table[2] = {1, 2};\n")
    text = '#include "h.h"\nint y(void)\n{\n    return arm_a_s8(1); // not arm_b_s8\n}\n'
    found = bundled_files([text], tmp_path)
    assert list(found) == ["Deep/d.h", "arm_a_s8.c", "arm_c_s8.c", "arm_nntables.c", "h.h"]


def test_folders_of_a_project_are_rewritten_as_a_whole(tmp_path: Path) -> None:
    """What sparsec wrote to a folder below goes when it is not needed any more, and what the user put there stays."""

    def project(letter: str) -> dict[str, str]:
        digests = {f"in/{letter}.h": digest(letter)}
        report = json.dumps({"name": "n", "files": digests})
        return {f"in/{letter}.h": letter, "report.json": report}

    target = tmp_path / "p"
    write_project(project("a"), target)
    (target / "in" / "mine.h").write_text("mine")
    write_project(project("b"), target)
    assert {path.name for path in (target / "in").iterdir()} == {"mine.h", "b.h"}
    assert (target / "in" / "mine.h").read_text() == "mine"
    (target / "in" / "b.h").write_text("changed")
    with pytest.raises(FileExistsError, match=r"its in/b\.h is not as sparsec wrote it"):
        write_project(project("b"), target)
