# SPDX-License-Identifier: Apache-2.0
"""The files of a project: what they say, that they compile, and how they reach the disk."""

import ctypes
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sparsec.backends.c.folder import write_project
from sparsec.backends.cortex_m.project import emit_project
from sparsec.interpreters.run import interpret
from sparsec.kernels.code import code_of
from sparsec.quantization.ranges import dequantize, quantize
from sparsec.run.project import read_project
from sparsec.targets.cmsis_nn import PACKAGED, REVISIONS, Release, read_release
from sparsec.targets.cpu import CPUS
from tests.backends.lowering import Choice, lower, parse
from tests.strictly import compile_strictly

NETWORK = """
builtin.module attributes {sparsec.name = "tiny"} {
  func.func @main(%x : tensor<1x4x4x1xi8> {qnn.quantization = #nn.quantization<scales = [0.05], zero_point = -3>})
      -> (tensor<1x3xi8> {qnn.quantization = #nn.quantization<scales = [0.1], zero_point = 2>}) {
    %w = qnn.constant named "conv.weight" dense<[[[[1],[0]],[[0],[-3]]],[[[0],[0]],[[7],[0]]]]> : tensor<2x2x2x1xi8>
    %b = qnn.constant named "conv.bias" dense<[10, -20]> : tensor<2xi32>
    %m = qnn.constant dense<[1073741824, 1273741824]> : tensor<2xi32>
    %s = qnn.constant dense<[-1, -2]> : tensor<2xi32>
    %y = qnn.conv2d %x, %w, %b requant(%m, %s) <input_zp = -3, output_zp = -5> window <padding = [1, 1, 0, 0]> {layer = "conv"}
        : tensor<1x4x4x1xi8>, tensor<2x2x2x1xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x4x2xi8>
    %f = qnn.reshape %y : tensor<1x4x4x2xi8> -> tensor<1x32xi8>
    %v = qnn.constant named "fc.weight" dense<[[1,0,0,0,0,0,-8,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,2],
      [0,2,3,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],
      [0,0,0,0,0,0,0,90,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]> : tensor<3x32xi8>
    %d = qnn.constant named "fc.bias" dense<[1, 2, 3]> : tensor<3xi32>
    %n = qnn.constant dense<1573741824> : tensor<1xi32>
    %t = qnn.constant dense<-1> : tensor<1xi32>
    %z = qnn.linear %f, %v, %d requant(%n, %t) <input_zp = -5, output_zp = 2> {layer = "fc */ evil"}
        : tensor<1x32xi8>, tensor<3x32xi8>, tensor<3xi32>, tensor<1xi32> -> tensor<1x3xi8>
    func.return %z : tensor<1x3xi8>
  }
}
"""


ONE_SPARSE_LAYER = NETWORK.replace(
    'sparsec.name = "tiny"', 'sparsec.name = "tiny", sparsec.recipe = "conv: dense; fc*: delta8"'
)


def emit(cmsis_nn: Path, format: Choice = "auto", target: str = "cortex-m4") -> dict[str, str]:
    text = ONE_SPARSE_LAYER if format == "auto" else NETWORK
    lowered = lower(parse(text), target, format, read_release(cmsis_nn / "Include"))
    return emit_project(lowered, cmsis_nn / "Include", "tiny")


def test_the_files(cmsis_nn: Path) -> None:
    dense, sparse = emit(cmsis_nn, "dense", "cortex-m3"), emit(cmsis_nn)
    own = {"tiny.h", "tiny.c", "tiny_weights.h", "tiny_weights.c", "CMakeLists.txt", "report.json"}
    assert dense.keys() == own
    kernel = "sparsec_fully_connected_table_s8.c"
    headers = {"sparsec.h", "sparsec_arch.h", "sparsec_each_row.h", "sparsec_sparse_rows.h"}
    assert sparse.keys() == own | {kernel, *headers}
    assert kernel in sparse["CMakeLists.txt"]
    for name, text in (dense | sparse).items():
        if name != "report.json":
            licence = "SPDX-License-Identifier: Apache-2.0"
            assert any(licence in line for line in text.splitlines()[:3]), name


def test_equal_modules_give_equal_files(cmsis_nn: Path) -> None:
    assert emit(cmsis_nn) == emit(cmsis_nn)


def test_the_report(cmsis_nn: Path) -> None:
    report = json.loads(emit(cmsis_nn)["report.json"])
    assert report["schema_version"] == 2
    assert (report["name"], report["target"]) == ("tiny", "cortex-m4")
    assert (report["entry"], report["header"]) == ("tiny_invoke", "tiny.h")
    # Input 16, its scratch 16 and result 32; then the result and the output 3.
    assert report["arena_bytes"] == report["arena_lower_bound_bytes"] == 64
    assert report["arena_peak"] == {
        "memory": "arena",
        "layer": "conv",
        "bytes": 64,
        "shared_bytes": 0,
        "buffers": [
            {"name": "conv", "kind": "activation", "role": "output", "bytes": 32},
            {"name": "input", "kind": "input", "role": "input", "bytes": 16},
            {"name": "conv scratch", "kind": "scratch", "role": "scratch", "bytes": 16},
        ],
    }
    (input,), (output,) = report["inputs"], report["outputs"]
    assert (input["name"], input["bytes"], input["shape"]) == ("input", 16, [1, 4, 4, 1])
    assert (input["scale"], input["zero_point"]) == (0.05, -3)
    assert (output["scale"], output["zero_point"]) == (0.1, 2)
    conv, fc = report["layers"]
    assert report["objective"] == "latency"
    assert (report["flash_budget_bytes"], report["ram_budget_bytes"]) == (None, None)
    for layer in (conv, fc):
        assert 0 < layer.pop("predicted_instructions") < layer.pop("predicted_cycles")
    assert conv == {
        "name": "conv",
        "op": "conv2d",
        "kernel": "arm_convolve_wrapper_s8",
        "format": "dense",
        "layout": "plain",
        "density": 3 / 8,
        "macs": 128,
        "macs_effective": 48,
        "weight_bytes_dense": 8,
        "weight_bytes_stored": 8,
        "scratch_bytes": 16,
    }
    assert (fc["format"], fc["layout"]) == ("delta8", "table rows")
    assert (fc["density"], fc["macs"], fc["macs_effective"]) == (
        6 / 96,
        96,
        6,
    )
    # Six entries, and a word for the groups of eight that there are none of.
    assert (fc["weight_bytes_dense"], fc["weight_bytes_stored"]) == (96, 2 * 6 + 4)
    biases_and_multipliers = 3 * 2 * 4 + 3 * 3 * 4
    assert report["flash_weight_bytes_stored"] == 8 + 16 + biases_and_multipliers
    assert report["flash_weight_bytes_dense"] == 8 + 96 + biases_and_multipliers
    assert report["flash_bytes"] == report["flash_weight_bytes_stored"] + report["flash_code_bytes"]
    called = [layer["kernel"] for layer in report["layers"]]
    assert report["flash_code_bytes"] == code_of(report["target"]).bytes(called)
    assert (report["macs"], report["macs_effective"]) == (224, 54)


@pytest.mark.parametrize("arena", ["static", "caller"])
@pytest.mark.parametrize("target", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_it_compiles_without_a_warning(
    arena: str, target: str, cmsis_nn: Path, tmp_path: Path
) -> None:
    assert arena in ("static", "caller")
    for format in ("dense", "delta8"):
        files = emit_project(
            lower(parse(NETWORK), target, format), cmsis_nn / "Include", "tiny", arena
        )
        assert ("tiny_arena" in files["tiny.c"]) == (arena == "static")
        write_project(files, tmp_path / format)
        compile_strictly(read_project(tmp_path / format), target, cmsis_nn=cmsis_nn)


def test_hooks_that_nobody_defines_cost_nothing(cmsis_nn: Path, tmp_path: Path) -> None:
    files = emit(cmsis_nn)
    write_project(files, tmp_path / "p")
    bare, hooks = re.subn(r" *SPARSEC_(BEFORE|AFTER)_LAYER\(\d\);\n", "", files["tiny.c"])
    assert hooks == 4
    compiled: list[bytes] = []
    for source in (files["tiny.c"], bare):
        (tmp_path / "p" / "tiny.c").write_text(source)
        headers = ("-isystem", str(cmsis_nn / "Include"))
        command = ["gcc", "-std=c11", "-O2", *headers, "-c", "tiny.c", "-o", "tiny.o"]
        subprocess.run(command, cwd=tmp_path / "p", check=True)
        compiled.append((tmp_path / "p" / "tiny.o").read_bytes())
    assert compiled[0] == compiled[1]


def test_hooks_stand_round_the_layers_of_the_report(cmsis_nn: Path) -> None:
    files = emit(cmsis_nn)
    found = re.findall(
        r"SPARSEC_BEFORE_LAYER\((\d)\);.*?(\w+_s8)\(.*?SPARSEC_AFTER_LAYER\((\d)\);",
        files["tiny.c"],
        flags=re.DOTALL,
    )
    layers = json.loads(files["report.json"])["layers"]
    assert found == [(str(n), layer["kernel"], str(n)) for n, layer in enumerate(layers)]


def test_a_header_with_a_smaller_arena_does_not_compile(cmsis_nn: Path, tmp_path: Path) -> None:
    files = emit(cmsis_nn, "dense")
    files["tiny.h"] = files["tiny.h"].replace("_BYTES       64", "_BYTES       63")
    write_project(files, tmp_path / "p")
    command = ["gcc", "-std=c11", "-c", "tiny.c", "-o", "tiny.o", "-I", str(cmsis_nn / "Include")]
    result = subprocess.run(command, cwd=tmp_path / "p", capture_output=True, text=True)
    assert result.returncode != 0 and "the arena is too small" in result.stderr


def test_the_headers_conversions_are_those_of_the_compiler(cmsis_nn: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.h").write_text(emit(cmsis_nn)["tiny.h"])
    (tmp_path / "c.c").write_text(
        '#include "tiny.h"\n'
        "int8_t q(float x) { return tiny_quantize_input(x); }\n"
        "float d(int8_t x) { return tiny_dequantize_output(x); }\n"
    )
    command = ["gcc", "-O2", "-shared", "-fPIC", "c.c", "-o", "c.so"]
    subprocess.run(command, cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "c.so"))
    library.q.argtypes, library.q.restype = [ctypes.c_float], ctypes.c_int8
    library.d.argtypes, library.d.restype = [ctypes.c_int8], ctypes.c_float
    steps = (np.arange(-300, 300) * 0.025).astype(np.float32)
    random = np.random.default_rng(0).normal(0, 4, 2000).astype(np.float32)
    limits = np.array([np.inf, -np.inf, 1e30], np.float32)
    for x in np.concatenate([steps, np.nextafter(steps, np.float32(9)), random, limits]):
        assert library.q(float(x)) == quantize(x, 0.05, -3), x
    assert library.q(float("nan")) == -128
    for x in range(-128, 128):
        assert library.d(x) == np.float32(dequantize(x, 0.1, 2))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_builds_it(cmsis_nn: Path, tmp_path: Path) -> None:
    write_project(emit(cmsis_nn), tmp_path / "p")
    (tmp_path / "main.c").write_text(
        '#include "tiny.h"\n#include <stdio.h>\n'
        "int main(void)\n{\n"
        "    for (int i = 0; i < TINY_INPUT_BYTES; i++) tiny_arena[TINY_INPUT_OFFSET + i] = (int8_t)i;\n"
        "    if (tiny_invoke(tiny_arena) != 0) return 1;\n"
        '    for (int i = 0; i < TINY_OUTPUT_BYTES; i++) printf("%d ", tiny_arena[TINY_OUTPUT_OFFSET + i]);\n'
        "}\n"
    )
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(demo LANGUAGES C)\nadd_subdirectory(p)\n"
        "add_executable(demo main.c)\ntarget_link_libraries(demo tiny)\n"
    )
    tree = tmp_path / "cmsis-nn"
    shutil.copytree(cmsis_nn / "Source", tree / "Source")
    (tree / "Include").symlink_to(cmsis_nn / "Include")
    (tree / "Source" / "arm_add_f32.c").write_text("#error CMSIS-NN leaves it out\n")
    configure = ["cmake", "-S", ".", "-B", "build", f"-DCMSIS_NN_DIR={tree}"]
    optimize = "-DTINY_OPTIMIZATION=-O0"
    subprocess.run([*configure, optimize], cwd=tmp_path, check=True, capture_output=True)
    build = ["cmake", "--build", "build", "-j2"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    printed = subprocess.run([tmp_path / "build" / "demo"], capture_output=True, text=True)
    (expected,) = interpret(parse(NETWORK), [np.arange(16, dtype=np.int8).reshape(1, 4, 4, 1)])
    assert [int(number) for number in printed.stdout.split()] == expected.reshape(-1).tolist()


CROSS_COMPILERS = {
    "gcc": ["-DCMAKE_C_COMPILER=arm-none-eabi-gcc"],
    "clang": [
        "-DCMAKE_C_COMPILER=clang-22",
        "-DCMAKE_C_COMPILER_TARGET=arm-none-eabi",
        f"-DCMAKE_AR={shutil.which('arm-none-eabi-ar')}",
        "-DCMAKE_C_FLAGS=-fshort-enums -isystem /usr/lib/arm-none-eabi/include",
    ],
}
"""As CMakeLists.txt itself says."""


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no compiler for Cortex-M")
@pytest.mark.parametrize(
    ("compiler", "target"),
    [
        *(("gcc", name) for name in CPUS if name != "host"),
        *(
            pytest.param("clang", name, marks=pytest.mark.clang)
            for name in ("cortex-m4", "cortex-m85")
        ),
    ],
)
def test_cmake_passes_flags_that_the_compiler_knows(
    compiler: str, target: str, cmsis_nn: Path, tmp_path: Path
) -> None:
    """CMSIS-NN stands there already, as a target of the application."""
    write_project(emit(cmsis_nn, target=target), tmp_path / "p")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(demo LANGUAGES C)\n"
        "add_library(cmsis-nn INTERFACE)\n"
        f'target_include_directories(cmsis-nn SYSTEM INTERFACE "{cmsis_nn}/Include")\n'
        "add_subdirectory(p)\n"
    )
    cross = ["-DCMAKE_SYSTEM_NAME=Generic", *CROSS_COMPILERS[compiler]]
    cross += ["-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    cross += ["-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY", f"-DCMSIS_NN_DIR={cmsis_nn}"]
    subprocess.run(
        ["cmake", "-S", ".", "-B", "b", *cross], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL
    )
    subprocess.run(["cmake", "--build", "b"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "b" / "p" / "libtiny.a").is_file()
    commands = (tmp_path / "b" / "compile_commands.json").read_text()
    stood_in = (compiler, target) == ("gcc", "cortex-m85")
    assert f"-mcpu={'cortex-m55' if stood_in else target} " in commands
    assert (" -Os " in commands) == ((compiler, target) == ("clang", "cortex-m85"))


def revised(cmsis_nn: Path, revision: str, folder: Path) -> Path:
    """A CMSIS-NN whose header says that it is of another revision."""
    shutil.copytree(cmsis_nn / "Include", folder / "Include")
    header = folder / "Include" / "arm_nnfunctions.h"
    said = r"(\$Revision:\s*V\.)[\d.]+"
    text, found = re.subn(said, rf"\g<1>{revision}", header.read_text(encoding="utf-8"))
    assert found == 1
    header.write_text(text, encoding="utf-8")
    return folder


def first_of(release: Release) -> str:
    return "{}.{}.0".format(*REVISIONS[release][0])


@pytest.mark.parametrize("release", REVISIONS)
def test_helium_is_compiled_for_the_release_in_use(
    release: Release, cmsis_nn: Path, tmp_path: Path
) -> None:
    include = revised(cmsis_nn, first_of(release), tmp_path / "cmsis-nn") / "Include"
    lowered = {each: lower(parse(NETWORK), "cortex-m55", release=each) for each in REVISIONS}
    assert emit_project(lowered[release], include, "tiny")
    for other in REVISIONS:
        if other != release:
            with pytest.raises(ValueError, match=f"CMSIS-NN {other}, .* is {release}, which takes"):
                emit_project(lowered[other], include, "tiny")
    # Elsewhere all of them take the same.
    files = [
        emit_project(lower(parse(NETWORK), "cortex-m4", release=each), include, "tiny")
        for each in REVISIONS
    ]
    assert files[0] == files[1] == files[2]
    assert "V.${CMSIS_NN_REVISION}" not in files[0]["CMakeLists.txt"]


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m55"])
def test_an_unknown_release_is_refused(target: str, cmsis_nn: Path, tmp_path: Path) -> None:
    include = revised(cmsis_nn, "20.1.0", tmp_path / "cmsis-nn") / "Include"
    with pytest.raises(ValueError, match="says revision V.20.1, which sparsec does not know"):
        emit_project(lower(parse(NETWORK), target), include, "tiny")


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
@pytest.mark.parametrize(
    ("revision", "fits"),
    [("12.3.9", False), ("12.4.0", True), ("13.9.9", True), ("14.0.0", False), ("18.0.0", False)],
)
def test_cmake_stops_at_another_release(
    revision: str, fits: bool, cmsis_nn: Path, tmp_path: Path
) -> None:
    include = revised(cmsis_nn, first_of(PACKAGED), tmp_path / "first") / "Include"
    files = emit_project(lower(parse(NETWORK), "cortex-m55"), include, "tiny")
    write_project(files, tmp_path / "p")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(demo LANGUAGES C)\n"
        "add_library(cmsis-nn INTERFACE)\nadd_subdirectory(p)\n"
    )
    other = revised(cmsis_nn, revision, tmp_path / "other")
    configure = ["cmake", "-S", ".", "-B", "build", f"-DCMSIS_NN_DIR={other}"]
    ended = subprocess.run(configure, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode == 0) == fits
    if not fits:
        said = " ".join(ended.stderr.split())
        assert "is compiled for CMSIS-NN v5 (from V.12.4, before V.14.0)" in said
        assert f"is V.{revision.rpartition('.')[0]}: compile the network with" in said


def test_a_name_that_c_does_not_know_is_refused(cmsis_nn: Path) -> None:
    with pytest.raises(ValueError, match="'2-layers' cannot name C functions"):
        emit_project(lower(parse(NETWORK)), cmsis_nn / "Include", "2-layers")


def test_an_unplanned_module_is_refused(cmsis_nn: Path) -> None:
    with pytest.raises(ValueError, match="run plan-memory first"):
        emit_project(parse(NETWORK), cmsis_nn / "Include", "tiny")


def test_a_plan_that_was_tampered_with_is_refused(cmsis_nn: Path) -> None:
    text = str(lower(parse(NETWORK)))
    assert text.count("arith.constant 32 : index") == 2
    broken = parse(text.replace("arith.constant 32 : index", "arith.constant 24 : index"))
    with pytest.raises(ValueError, match="does not lie where it is said to|overlap"):
        emit_project(broken, cmsis_nn / "Include", "tiny")


def test_planned_ir_survives_text(cmsis_nn: Path) -> None:
    again = parse(str(lower(parse(ONE_SPARSE_LAYER), format="auto")))
    assert emit_project(again, cmsis_nn / "Include", "tiny") == emit(cmsis_nn)


def test_layers_may_be_numbers(cmsis_nn: Path) -> None:
    """As those of torch's nn.Sequential are."""
    numbered = NETWORK.replace('"conv.', '"0.').replace('"fc.', '"2.')
    files = emit_project(lower(parse(numbered)), cmsis_nn / "Include", "tiny")
    assert "tiny_0_weight[" in files["tiny_weights.c"]


def test_a_symbol_that_is_no_name_of_c_is_refused(cmsis_nn: Path) -> None:
    text = str(lower(parse(NETWORK)))
    symbol = re.search(r"memref.global \"private\" constant @(\w+)|sym_name = \"(\w+)\"", text)
    assert symbol is not None
    name = symbol[1] or symbol[2]
    evil = text.replace(f"@{name}", '@"q[1]; int evil(void)"').replace(
        f'"{name}"', '"q[1]; int evil(void)"'
    )
    with pytest.raises(ValueError, match="is no name that C can have"):
        emit_project(parse(evil), cmsis_nn / "Include", "tiny")


def test_networks_of_one_program_share_the_runtime(cmsis_nn: Path, tmp_path: Path) -> None:
    """By plain lists of files."""
    modules = {"one": ONE_SPARSE_LAYER, "two": ONE_SPARSE_LAYER}
    objects: list[Path] = []
    for name, network in modules.items():
        module = lower(parse(network), format="delta8")
        write_project(emit_project(module, cmsis_nn / "Include", name), tmp_path / name)
        for source in (tmp_path / name).glob("*.c"):
            objects.append(tmp_path / f"{name}_{source.stem}.o")
            compile = ["gcc", "-c", f"-I{cmsis_nn / 'Include'}", source, "-o", objects[-1]]
            subprocess.run(compile, check=True)
    shared = [path for path in objects if "sparsec_" in path.name]
    assert len(shared) >= 2
    subprocess.run(["ld", "-r", *objects, "-o", tmp_path / "all.o"], check=True)


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_networks_of_one_build_share_the_runtime(cmsis_nn: Path, tmp_path: Path) -> None:
    """By CMake's targets."""
    for name in ("one", "two"):
        module = lower(parse(ONE_SPARSE_LAYER), format="delta8")
        write_project(emit_project(module, cmsis_nn / "Include", name), tmp_path / name)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(demo LANGUAGES C)\n"
        "add_library(cmsis-nn INTERFACE)\n"
        f'target_include_directories(cmsis-nn SYSTEM INTERFACE "{cmsis_nn}/Include")\n'
        "add_subdirectory(one)\nadd_subdirectory(two)\n"
    )
    configure = ["cmake", "-S", ".", "-B", "b", f"-DCMSIS_NN_DIR={cmsis_nn}"]
    subprocess.run(configure, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    built = subprocess.run(
        ["cmake", "--build", "b"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert built.stdout.count("sparsec_fully_connected") == 1
