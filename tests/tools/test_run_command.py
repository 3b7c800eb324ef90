# SPDX-License-Identifier: Apache-2.0
"""sparsec run: outputs, instruction counts, and mismatches against the interpreter."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from sparsec.interpreters.run import interpret
from sparsec.run.toolchain import compiler_for
from sparsec.tools import run_command
from tests.tools.support import SHAPE, Ended, Tools, images

Array: TypeAlias = np.ndarray[Any, Any]

KEYS = {
    *("schema_version", "name", "on", "samples", "outputs", "instructions"),
    *("mismatches", "bytes_compared"),
}


@pytest.fixture(autouse=True)
def toolchain(request: pytest.FixtureRequest, cmsis: Path) -> None:
    needed = ["gcc"]
    if request.node.get_closest_marker("qemu"):
        needed += ["arm-none-eabi-gcc", "qemu-system-arm"]
    missing = [tool for tool in needed if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")


def report(ended: Ended) -> dict[str, Any]:
    """The JSON that was printed, and nothing else was."""
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert set(found) == KEYS
    assert found["schema_version"] == 1
    assert found["mismatches"] == 0
    return found


def test_text(tools: Tools, model: Path) -> None:
    np.save("x.npy", images(3).numpy())
    ended = tools.sparsec("run", model, "--on=host", "--input=x.npy")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        *("sample 0", "sample 1", "sample 2"),
        "mismatches",
    ]
    assert lines[-1] == "mismatches: 0 of 15 bytes"
    assert "calibrating with the 4 example inputs" in ended.err


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_on_a_device(tools: Tools, texts: dict[str, Path], cpu: str) -> None:
    """The counts are exact: the same in a second run."""
    np.save("x.npy", images(2).numpy())
    runs = [
        report(tools.sparsec("run", texts["qnn"], "--on", cpu, "--input=x.npy", "--json"))
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0]["on"] == cpu
    assert len(runs[0]["instructions"]) == 2
    assert min(runs[0]["instructions"]) > 1000
    assert np.shape(runs[0]["outputs"]) == (1, 2, 5)


def test_float_and_int8_inputs_are_the_same_network(tools: Tools, texts: dict[str, Path]) -> None:
    x = images(2).numpy()
    np.save("float.npy", x)
    np.save("double.npy", x.astype(np.float64))
    first = report(tools.sparsec("run", texts["qnn"], "--input=float.npy", "--json"))
    assert first == report(tools.sparsec("run", texts["qnn"], "--input=double.npy", "--json"))
    np.save("int8.npy", np.full((2, *SHAPE), 5, np.int8))
    other = report(tools.sparsec("run", texts["qnn"], "--input=int8.npy", "--json"))
    assert other["samples"] == 2
    assert other["outputs"] != first["outputs"]
    np.save("one.npy", x[0])
    single = report(tools.sparsec("run", texts["qnn"], "--input=one.npy", "--json"))
    assert single["samples"] == 1
    assert single["outputs"][0][0] == first["outputs"][0][0]


def test_several_inputs(tools: Tools, two_inputs: Path) -> None:
    random = np.random.default_rng(0)
    for name in "ab":
        np.save(f"{name}.npy", random.standard_normal((4, 6)).astype(np.float32))
    found = report(
        tools.sparsec("run", two_inputs, "--input=a.npy", "--input=b.npy", "--json", "-q")
    )
    assert found["samples"] == 4
    assert [np.size(output) for output in found["outputs"]] == [24, 16]
    assert found["bytes_compared"] == 40


def test_without_input_one_random_sample(tools: Tools, texts: dict[str, Path]) -> None:
    assert report(tools.sparsec("run", texts["qnn"], "--json"))["samples"] == 1


def test_without_scales_outputs_are_int8(tools: Tools, tmp_path: Path) -> None:
    text = tmp_path / "net.mlir"
    text.write_text(
        "func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> {\n"
        "  %y = qnn.reshape %x : tensor<1x4xi8> -> tensor<1x4xi8>\n"
        "  func.return %y : tensor<1x4xi8>\n}\n"
    )
    x = tmp_path / "x.npy"
    np.save(x, np.array([[1, -2, 3, -128]], np.int8))
    ended = tools.sparsec("run", text, "--input", x)
    assert ended.code == 0
    assert "sample 0: 1 -2 3 -128" in ended.out
    np.save(x, np.zeros((1, 4), np.float32))
    refused = tools.sparsec("run", text, "--input", x)
    assert refused.code == 2
    assert refused.err.endswith(
        "is not int8, and the network does not say how its inputs are scaled\n"
    )


def test_mismatches_end_with_code_1(
    tools: Tools, texts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: Any) -> Sequence[Array]:
        outputs = interpret(*arguments)
        outputs[0] = outputs[0].copy()
        outputs[0].reshape(-1)[:2] ^= 1
        return outputs

    monkeypatch.setattr(run_command, "interpret", wrong)
    ended = tools.sparsec("run", texts["qnn"], "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["mismatches"] == 2
    text = tools.sparsec("run", texts["qnn"])
    assert text.code == 1
    assert text.out.endswith("mismatches: 2 of 5 bytes\n")


def test_kernels_have_no_reference(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("run", texts["kernels"], "--on=cortex-m4")
    assert ended.code == 2
    assert "give a model, nn or qnn IR" in ended.err
    ended = tools.sparsec("run", texts["kernels"], "--on=cortex-m7")
    assert ended.code == 2
    assert "is compiled for cortex-m4 already" in ended.err


def test_print_pipeline(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("run", texts["qnn"], "--on=cortex-m7", "--print-pipeline")
    assert ended.code == 0
    assert "target=cortex-m7" in ended.out


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros((2, 2, 6, 5), np.float32),
            "has shape [2, 2, 6, 5], the model takes [N, 2, 6, 6]",
        ),
        (np.zeros((0, *SHAPE), np.float32), "the model takes [N, 2, 6, 6]"),
        (np.zeros(SHAPE, np.int32), "must hold finite float32 or int8 values, not int32"),
        (np.full(SHAPE, np.nan, np.float32), "must hold finite float32 or int8 values"),
        (np.array([{}], object), "cannot read x.npy: it is no .npy or .npz file of numbers"),
        (None, "cannot read x.npy: No such file or directory"),
        (b"", "cannot read x.npy: it is no .npy or .npz file of numbers"),
        (b"hello", "cannot read x.npy: it is no .npy or .npz file of numbers"),
        (b"PK\x03\x04", "cannot read x.npy: it is no .npy or .npz file of numbers"),
    ],
)
def test_bad_input_files(
    tools: Tools, texts: dict[str, Path], array: Array | bytes | None, message: str
) -> None:
    if isinstance(array, bytes):
        Path("x.npy").write_bytes(array)
    elif array is not None:
        np.save("x.npy", array, allow_pickle=True)
    ended = tools.sparsec("run", texts["qnn"], "--input=x.npy")
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1


def test_number_of_input_files(tools: Tools, two_inputs: Path) -> None:
    np.save("a.npy", np.zeros((4, 6), np.float32))
    np.save("b.npy", np.zeros((3, 6), np.float32))
    ended = tools.sparsec("run", two_inputs, "-q", "--input=a.npy")
    assert (ended.code, ended.err) == (2, "error: the model has 2 inputs, 1 --input files given\n")
    ended = tools.sparsec("run", two_inputs, "-q", "--input=a.npy", "--input=b.npy")
    assert (ended.code, ended.err) == (
        2,
        "error: the --input files hold different numbers of samples\n",
    )


def test_several_arrays_are_refused(tools: Tools, texts: dict[str, Path]) -> None:
    np.savez("x.npz", images(1).numpy(), images(1).numpy())
    ended = tools.sparsec("run", texts["qnn"], "--input=x.npz")
    assert (ended.code, ended.err) == (
        2,
        "error: x.npz holds several arrays: give one .npy file for each\n",
    )


def test_missing_compiler(
    tools: Tools, texts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    compiler_for.cache_clear()
    ended = tools.sparsec("run", texts["qnn"], "--on=host")
    assert ended.code == 2
    assert "gcc is not installed" in ended.err
    assert ended.err.count("\n") == 1


def test_missing_clang(
    tools: Tools, texts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    which = shutil.which

    def all_but_clang(name: str) -> str | None:
        return None if "clang" in name else which(name)

    monkeypatch.setattr(shutil, "which", all_but_clang)
    compiler_for.cache_clear()
    ended = tools.sparsec("run", texts["qnn"], "-q", "--on=cortex-m4", "--cc=clang")
    missing = "error: clang-22 is not installed; on Debian or Ubuntu: sudo apt-get install "
    assert (ended.code, ended.err) == (2, f"{missing}--no-install-recommends clang-22\n")


@pytest.mark.clang
def test_clang(tools: Tools, texts: dict[str, Path]) -> None:
    """The same bytes, by other instructions; those for Cortex-M85 run too."""
    words = ("run", texts["qnn"], "-q", "--on=cortex-m55", "--profile", "--json")
    gcc, clang = (tools.sparsec(*words, f"--cc={cc}") for cc in ("gcc", "clang"))
    by_gcc, by_clang = (json.loads(ended.out) for ended in (gcc, clang))
    assert by_gcc["mismatches"] == by_clang["mismatches"] == 0
    assert by_gcc["profile"] != by_clang["profile"]
    m85 = report(tools.sparsec(*words[:3], "--on=cortex-m85", "--cc=clang", "--json"))
    assert m85["outputs"] == by_clang["outputs"]


def test_unknown_machine(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("run", texts["qnn"], "--on=cortex-m99")
    assert ended.code == 2
    assert "'cortex-m99'" in ended.err and "cortex-m55" in ended.err


@pytest.mark.qemu
def test_nothing_is_estimated_for_cortex_m85(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec("run", texts["qnn"], "-q", "--on=cortex-m85", "--profile")
    said = "error: no cycles are estimated for cortex-m85, profile on: cortex-m0plus, cortex-m3, "
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith(said)
