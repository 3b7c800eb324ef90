# SPDX-License-Identifier: Apache-2.0
"""Building: the harness is clean C, errors are the compiler's own words, the library cache is safe to share."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sparsec.run.build import HARNESS, build_image, model_under_test
from sparsec.run.cmsis_library import cmsis_nn_library, sources_of
from sparsec.run.errors import BuildError, RunError, ToolchainError
from sparsec.run.machines import MACHINES
from sparsec.run.project import Buffer, Memory, Project, read_project
from sparsec.run.toolchain import CLANG, Cc, compiler_for, find_tool
from sparsec.targets.cpu import Cpu, cpu_named
from tests.strictly import STRICT_FLAGS, compile_strictly

WriteProject = Callable[..., Path]

CLEAN = "int tiny_invoke(int8_t *arena) { arena[0] = 1; return 0; }"


def test_strict_compilation(write_project: WriteProject, cmsis_nn: Path) -> None:
    compile_strictly(
        read_project(write_project(CLEAN, inputs=[], outputs=[])), "host", cmsis_nn=cmsis_nn
    )
    narrowing = "int tiny_invoke(int8_t *arena) { int a = arena[1]; arena[0] = a; return 0; }"
    project = read_project(write_project(narrowing, inputs=[], outputs=[]))
    with pytest.raises(BuildError, match=r"tiny.c does not compile:\n.*\[-Werror=conversion\]"):
        compile_strictly(project, "host", cmsis_nn=cmsis_nn)


@pytest.mark.parametrize(
    "cpu", ["host", *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in MACHINES)]
)
def test_the_harness_is_free_of_warnings(cpu: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.h").write_text(
        "#include <stdint.h>\nint tiny_invoke(int8_t *fast, int8_t *slow, const int8_t *in);\n"
    )
    project = Project(
        directory=tmp_path,
        name="tiny",
        entry="tiny_invoke",
        header="tiny.h",
        memories=(Memory("fast", 8), Memory("slow", 4)),
        inputs=(Buffer("in", 0, 4, None),),
        outputs=(Buffer("out", 0, 4, "slow"),),
    )
    glue = tmp_path / "model_under_test.c"
    glue.write_text(model_under_test(project))
    compiler = compiler_for(cpu_named(cpu))
    machine = MACHINES.get(cpu)
    timer = (
        []
        if machine is None
        else [f"-D{a}" for a in (*machine.timer_addresses, f"TIMER_HZ={machine.timer_hz}u")]
    )
    folders = [f"-I{tmp_path}", f"-I{HARNESS}"]
    for source in (
        HARNESS / "main.c",
        HARNESS / ("host.c" if machine is None else "cortex_m.c"),
        glue,
    ):
        flags = ["-std=c11", "-O2", *STRICT_FLAGS, *compiler.flags, *timer, *folders]
        subprocess.run([compiler.path, *flags, "-c", source, "-o", tmp_path / "out.o"], check=True)


def test_errors_of_compiler_and_linker(
    write_project: WriteProject, cmsis_nn: Path, tmp_path: Path
) -> None:
    project = read_project(write_project("int tiny_invoke(", inputs=[(0, 1)], outputs=[(0, 1)]))
    with pytest.raises(BuildError, match="tiny.c does not compile:\n.*error: expected declaration"):
        build_image(project, "host", tmp_path, cmsis_nn=cmsis_nn)
    missing = "int away(void); int tiny_invoke(int8_t *arena) { (void)arena; return away(); }"
    project = read_project(write_project(missing, inputs=[(0, 1)], outputs=[(0, 1)]))
    with pytest.raises(BuildError, match="does not link:\n(?s:.*)undefined reference to `away'"):
        build_image(project, "host", tmp_path, cmsis_nn=cmsis_nn)


@pytest.mark.qemu
def test_model_sizes_leave_out_what_is_not_reached(
    write_project: WriteProject, cmsis_nn: Path, tmp_path: Path
) -> None:
    body = (
        "const int8_t used[1000] = {1}; const int8_t unused[5000] = {1}; static int8_t state[300];"
        "int tiny_invoke(int8_t *arena)"
        "{ state[(uint8_t)arena[0]]++; arena[1] = state[(uint8_t)arena[1]]; return used[(uint8_t)arena[0]]; }"
    )
    project = read_project(write_project(body, arena=4096, inputs=[(0, 1)], outputs=[(0, 1)]))
    image = build_image(project, "cortex-m4", tmp_path, cmsis_nn=cmsis_nn)
    assert 1000 < image.model.flash < 1100
    assert image.model.ram == 300
    assert image.total.flash - image.model.flash < 4096
    assert image.total.ram > 4096 + 300


def test_a_folder_without_a_report(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no readable report.json"):
        read_project(tmp_path)
    (tmp_path / "report.json").write_text('{"name": "tiny"}')
    with pytest.raises(RunError, match="'entry'"):
        read_project(tmp_path)


def test_a_missing_tool_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        ToolchainError, match="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
    ):
        find_tool("arm-none-eabi-gcc")


@pytest.mark.qemu
def test_a_compiler_that_is_too_old() -> None:
    newer = Cpu("cortex-m99", "mve", ("-mcpu=cortex-m99", "-mthumb"), "not there yet")
    with pytest.raises(ToolchainError, match="does not know cortex-m99; install a newer arm-none"):
        compiler_for(newer)


@pytest.mark.clang
def test_clang_compiles_and_gcc_links(
    write_project: WriteProject, cmsis_nn: Path, tmp_path: Path
) -> None:
    """For Cortex-M85 too, which this gcc does not know."""
    project = read_project(write_project(CLEAN, inputs=[(0, 1)], outputs=[(0, 1)]))
    for cpu, optimization in (("cortex-m4", "-O3"), ("cortex-m55", "-Os"), ("cortex-m85", "-Os")):
        clang, gcc = (compiler_for(cpu_named(cpu), cc) for cc in (CLANG, Cc("gcc")))
        assert f"-mcpu={cpu}" in clang.flags
        assert (clang.optimization, gcc.optimization) == (optimization, "-O3")
        assert clang.version != gcc.version
        assert (clang.linker, clang.link_flags) == (gcc.path, gcc.flags)
        image = build_image(project, cpu, tmp_path, cmsis_nn=cmsis_nn, cc=CLANG)
        assert 0 < image.model.flash < 32
        assert b"clang version" in image.path.read_bytes()
    with pytest.raises(BuildError, match="the sanitizers are those of gcc"):
        build_image(project, "host", tmp_path, cmsis_nn=cmsis_nn, sanitize=True, cc=CLANG)


def small_cmsis_nn(directory: Path, text: str) -> Path:
    (directory / "Include").mkdir(parents=True, exist_ok=True)
    (directory / "Source").mkdir(exist_ok=True)
    (directory / "Include" / "arm_nnfunctions.h").write_text("int answer(void);\n")
    (directory / "Source" / "answer_s8.c").write_text(text)
    return directory


def test_the_library_depends_on_what_it_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    host = compiler_for(cpu_named("host"))
    first = small_cmsis_nn(tmp_path / "a", "int answer(void) { return 42; }\n")
    same = small_cmsis_nn(tmp_path / "b", "int answer(void) { return 42; }\n")
    other = small_cmsis_nn(tmp_path / "c", "int answer(void) { return 43; }\n")
    library = cmsis_nn_library(first, host)
    assert cmsis_nn_library(same, host) == library
    assert cmsis_nn_library(other, host) != library
    assert cmsis_nn_library(first, host, sanitizer_flags=("-fsanitize=address",)) != library
    less = compiler_for(cpu_named("host"), Cc("gcc", "-O1"))
    assert cmsis_nn_library(first, less) != library
    messages: list[str] = []
    assert cmsis_nn_library(first, host, progress=messages.append) == library
    assert messages == []


def test_the_library_is_what_cmsis_nn_builds_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    directory = small_cmsis_nn(tmp_path / "a", "int answer(void) { return 42; }\n")
    built = ("arm_nntables.c", "arm_q7_to_q15_with_offset.c", "arm_convolve_even_s4.c")
    left = ("arm_add_f32.c", "arm_add_f16.c", "arm_nntables_flt.c", "arm_softmax_u8.c")
    (directory / "Source" / "More").mkdir()
    for name in built:
        (directory / "Source" / "More" / name).write_text("")
    for name in left:
        (directory / "Source" / "More" / name).write_text("#error is not compiled\n")
    assert {path.name for path in sources_of(directory)} == {"answer_s8.c", *built}
    host = compiler_for(cpu_named("host"))
    library = cmsis_nn_library(directory, host)
    (directory / "Source" / "More" / left[0]).write_text("#error still not\n")
    assert cmsis_nn_library(directory, host) == library
    (directory / "Source" / "answer_s8.c").unlink()
    for name in built:
        (directory / "Source" / "More" / name).unlink()
    with pytest.raises(BuildError, match="no files of integer kernels"):
        cmsis_nn_library(directory, host)


def test_a_broken_library_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    host = compiler_for(cpu_named("host"))
    broken = small_cmsis_nn(tmp_path / "a", "int answer(void) { return }\n")
    for _ in range(2):
        with pytest.raises(BuildError, match="CMSIS-NN's answer_s8.c does not compile"):
            cmsis_nn_library(broken, host)
    assert not list((tmp_path / "cache").rglob("*.a"))


def test_processes_share_one_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    small_cmsis_nn(tmp_path / "a", "int answer(void) { return 42; }\n")
    program = (
        "import sys; from pathlib import Path; from sparsec.run.cmsis_library import cmsis_nn_library;"
        "from sparsec.run.toolchain import compiler_for; from sparsec.targets.cpu import cpu_named;"
        "print(cmsis_nn_library(Path(sys.argv[1]), compiler_for(cpu_named('host')), progress=print))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a")]
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    lines = [process.communicate()[0].split("\n") for process in started]
    assert all(process.returncode == 0 for process in started)
    # Whoever came first compiled it; all were given the same file.
    assert sum("compiling CMSIS-NN, 1 files" in line for line in lines) == 1
    assert len({line[-2] for line in lines}) == 1
    folder = tmp_path / "cache" / "sparsec" / "lib"
    assert sorted(path.suffix for path in folder.iterdir()) == [".a", ".lock"]
