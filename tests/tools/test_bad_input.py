# SPDX-License-Identifier: Apache-2.0
"""What users get wrong: one line that says what to do, exit code 2, and nothing is written."""

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.frontends.support import export_bytes
from tests.tools.support import Ended, Tools, images, net


def fails(ended: Ended, *parts: str, lines: int = 1) -> None:
    """`ended` is the user's mistake, and its message holds `parts`."""
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == lines
    for part in parts:
        assert part in ended.err


@pytest.fixture
def kept(elsewhere: Path) -> Callable[[], None]:
    """A directory of output from before; the call checks that it is untouched."""
    directory = elsewhere / "out"
    directory.mkdir()
    (directory / "tiny.c").write_text("before")

    def check() -> None:
        assert [path.name for path in directory.iterdir()] == ["tiny.c"]
        assert (directory / "tiny.c").read_text() == "before"
        assert not [path for path in elsewhere.iterdir() if path.name.startswith(".")]

    return check


def pickled(value: object) -> bytes:
    torch.save(value, "pickled.pt")
    return Path("pickled.pt").read_bytes()


def with_nan() -> nn.Module:
    broken = net()
    with torch.no_grad():
        broken.conv.weight[0, 0, 0, 0] = torch.nan
    return broken


class Unsupported(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.erfinv(torch.logcumsumexp(x, 1))


def dynamic() -> bytes:
    height = torch.export.Dim("height", min=4, max=64)
    program = torch.export.export(
        nn.Conv2d(2, 3, 3).eval(), (images(),), dynamic_shapes=({2: height},)
    )
    stream = BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


FILES: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "empty.pt": (lambda: b"", ["the file is empty"]),
    "truncated.pt2": (
        lambda: export_bytes(net(), [images()])[:3000],
        ["the zip archive is truncated or damaged: copy or export the file again"],
    ),
    "text.pt": (lambda: b"import torch\n", ["this is a text file", ".mlir"]),
    "dynamic.pt2": (dynamic, ["dimension 2 of input", "is dynamic", "fixed size"]),
    "integers.pt2": (
        lambda: export_bytes(torch.nn.ReLU(), [torch.ones(2, 3, dtype=torch.int16)]),
        ["int16, where float32 is needed: export the model after model.float()"],
    ),
    "nan.pt2": (
        lambda: export_bytes(with_nan(), [images()]),
        ["'conv.weight' holds NaN", "retrain"],
    ),
    "pickled.pt": (lambda: pickled(net()), ["--trust-pickle", "--input-shape"]),
    "invalid.mlir": (
        lambda: b"builtin.module {\n  foo.bar\n}",
        ["invalid.mlir:3:", "not valid IR"],
    ),
    "no_main.mlir": (lambda: b"builtin.module {}", ["no_main.mlir: not valid IR", "main"]),
    "binary.mlir": (lambda: b"\xff\xfe\x00", ["cannot read binary.mlir"]),
}


@pytest.mark.parametrize("name", FILES)
def test_file(tools: Tools, kept: Callable[[], None], name: str) -> None:
    make, parts = FILES[name]
    Path(name).write_bytes(make())
    fails(tools.sparsec(name, "-o", "out"), name, *parts)
    kept()


def test_missing_file(tools: Tools) -> None:
    fails(tools.sparsec("missing.pt"), "missing.pt: no such file")
    fails(tools.sparsec("missing.mlir"), "cannot read missing.mlir: No such file")


def test_directory(tools: Tools) -> None:
    fails(tools.sparsec("."), "this is a directory: give the file of an exported model")


def test_no_arguments(tools: Tools) -> None:
    fails(tools.sparsec(), "MODEL", "--help")


def test_state_dict(tools: Tools) -> None:
    """The message shows the three lines that export the model."""
    Path("state.pt").write_bytes(pickled(net().state_dict()))
    fails(tools.sparsec("state.pt"), "this is a state_dict", "torch.export.save(", lines=4)


def test_trusted_pickle_without_shape(tools: Tools) -> None:
    Path("net.pt").write_bytes(pickled(net()))
    fails(tools.sparsec("net.pt", "--trust-pickle"), "give --input-shape, for example 1,3,32,32")


def test_unsupported_operations_are_listed_at_once(tools: Tools) -> None:
    Path("model.pt2").write_bytes(export_bytes(Unsupported(), [images()]))
    ended = tools.sparsec("model.pt2")
    fails(
        ended, "2 operations that cannot be compiled", "aten.logcumsumexp", "aten.erfinv", lines=3
    )
    assert "test_bad_input.py:" in ended.err


def test_printed_with_constants_left_out(tools: Tools, texts: dict[str, Path]) -> None:
    options = ("--emit=qnn", "--elide-constants-larger-than=8", "-o", "elided.mlir")
    assert tools.sparsec(texts["qnn"], *options).code == 0
    fails(tools.sparsec("elided.mlir"), "elided.mlir:", "constants left out")


def test_uncalibrated(tools: Tools) -> None:
    """A model whose file holds no example inputs."""
    Path("net.pt").write_bytes(pickled(net()))
    ended = tools.sparsec("net.pt", "--trust-pickle", "--input-shape=1,2,6,6")
    fails(ended, "give --calibrate FILE.npz")


CALIBRATION: dict[str, tuple[Callable[[], object], str]] = {
    "missing": (lambda: None, "No such file or directory"),
    "shape": (lambda: np.zeros((3, 2, 6, 5)), "must have shape [N, 2, 6, 6], got [3, 2, 6, 5]"),
    "nan": (lambda: np.full((1, 2, 6, 6), np.nan), "NaN or infinity"),
    "none": (lambda: np.zeros((0, 2, 6, 6)), "must have shape [N, 2, 6, 6]"),
    "text": (lambda: np.full((1, 2, 6, 6), "a"), "it is no .npy or .npz file of numbers"),
    "objects": (lambda: np.array([{}], object), "it is no .npy or .npz file of numbers"),
    "damaged": (lambda: b"no array", "it is no .npy or .npz file of numbers"),
    "empty": (lambda: b"", "it is no .npy or .npz file of numbers"),
}


@pytest.mark.parametrize("name", CALIBRATION)
def test_calibration_data(tools: Tools, model: Path, kept: Callable[[], None], name: str) -> None:
    make, message = CALIBRATION[name]
    content = make()
    if isinstance(content, bytes):
        Path("x.npy").write_bytes(content)
    elif content is not None:
        np.save("x.npy", np.asarray(content), allow_pickle=True)
    fails(tools.sparsec(model, "--calibrate=x.npy", "-o", "out"), message)
    kept()


def test_calibration_data_of_another_kind(tools: Tools, model: Path) -> None:
    Path("x.csv").write_text("1,2\n")
    fails(tools.sparsec(model, "--calibrate=x.csv"), "calibration data is a .npy or .npz file")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--target=cortex-m5"], ["unknown target 'cortex-m5'", "cortex-m55"]),
        (["--emit=cc"], ["invalid choice: 'cc'", "qnn"]),
        (["--observer=percentile", "--percentile=0"], ["'0' is not a percentile"]),
        (["--observer=percentile", "--percentile=101"], ["'101' is not a percentile"]),
        (["--observer=percentile", "--percentile=nan"], ["'nan' is not a percentile"]),
        (["--percentile=99"], ["--percentile needs --observer=percentile"]),
        (
            ["--weights=delta9"],
            ["argument --weights: unknown format 'delta9', known: dense, delta8"],
        ),
        (["--recipe=conv delta8"], ["--recipe", "cannot read conv delta8: No such file"]),
        (["--objective=speed"], ["invalid choice: 'speed'", "balanced"]),
        (["--input-shape=1,x"], ["'1,x' is not a shape, write e.g. 1,3,32,32"]),
        (["--input-shape=1,0"], ["'1,0' is not a shape"]),
        (["--ram=lots"], ["'lots' is not a size, write e.g. 65536, 64K or 1M"]),
        (["--max-slowdown=2.5"], ["'2.5' is not a whole number of percent, write e.g. 5"]),
        (["--plan-seconds=long"], ["'long' is not a number of seconds, write e.g. 10 or 0.5"]),
        (["--plan-seconds=-1"], ["'-1' is not a number of seconds"]),
        (["--plan-seconds=1e9"], ["'1e9' is not a number of seconds"]),
        (["--memory=64K"], ["'64K' is no memory, write e.g. dtcm=64K"]),
        (["--memory=DTCM=64K"], ["'DTCM' cannot name a memory in C: choose small letters"]),
        (["--memory=input=64K"], ["'input' cannot name a memory in C"]),
        (["--memory=a=1K", "--memory=a=2K"], ["--memory: two memories are called 'a'"]),
        (["--io=mine"], ["invalid choice: 'mine'", "caller"]),
        (["--name=1st"], ["'1st' is not a C identifier"]),
        (["--bogus"], ["unrecognized arguments: --bogus"]),
        (["second.pt"], ["unrecognized arguments: second.pt"]),
    ],
)
def test_options(
    tools: Tools, model: Path, kept: Callable[[], None], options: list[str], parts: list[str]
) -> None:
    fails(tools.sparsec(model, "-o", "out", *options), *parts)
    kept()


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("--ram=100", ["layer 'conv' needs ", " bytes of RAM at least", "--ram allows 100"]),
        (
            "--memory=sram=100",
            ["layer 'conv' needs ", " bytes of memory 'sram' (", "has 100", "found"],
        ),
        (
            "--recipe=conv: in dtcm",
            ['recipe: "conv": in dtcm: there is no memory', "--memory=dtcm="],
        ),
        ("--recipe=no_layer: delta8", ["no layer is called 'no_layer', known: conv, "]),
        ("--recipe=conv: nm(1:16)", ["layer 'conv' cannot be stored as nm(1:16), which 'conv'"]),
        ("--flash=100", ["--flash allows 100 bytes", "the smallest choice takes ", "prune"]),
    ],
)
def test_budgets_and_wishes(
    tools: Tools,
    model: Path,
    cmsis: Path,
    kept: Callable[[], None],
    option: str,
    parts: list[str],
) -> None:
    fails(tools.sparsec(model, "-q", "-o", "out", option), *parts)
    kept()
    assert tools.sparsec(model, "-q", "-o", "fits", "--ram=64K", "--flash=1M").code == 0


@pytest.mark.parametrize("output", ["file", "file/sub", "file/sub/deeper"])
def test_output_that_cannot_be_written(tools: Tools, model: Path, cmsis: Path, output: str) -> None:
    Path("file").write_text("before")
    fails(tools.sparsec(model, "-q", "-o", output), f"cannot write {output}: ", "with -o")
    assert Path("file").read_text() == "before"
    assert [path.name for path in Path().iterdir()] == ["file"]


@pytest.mark.parametrize("output", ["file/net.mlir", "folder", "missing/net.mlir"])
def test_ir_that_cannot_be_written(tools: Tools, texts: dict[str, Path], output: str) -> None:
    Path("file").touch()
    Path("folder").mkdir()
    ended = tools.sparsec(texts["qnn"], "--emit=qnn", "-o", output)
    fails(ended, f"cannot write {output}: ", "with -o")
    assert sorted(path.name for path in Path().iterdir()) == ["file", "folder"]


def test_level_above_the_text(tools: Tools, texts: dict[str, Path]) -> None:
    fails(tools.sparsec(texts["qnn"], "--emit=nn"), "at the level of qnn, below --emit=nn")
    fails(tools.sparsec(texts["kernels"], "--emit=qnn"), "at the level of kernels")


def test_other_target_than_the_text(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec(texts["kernels"], "--target=cortex-m55")
    fails(ended, "is compiled for cortex-m4 already: give its qnn IR for cortex-m55")


def test_an_unknown_cmsis_nn(
    tools: Tools, texts: dict[str, Path], kept: Callable[[], None], tmp_path: Path
) -> None:
    folder = tmp_path / "cmsis-nn"
    (folder / "Include").mkdir(parents=True)
    (folder / "Include" / "arm_nnfunctions.h").write_text("/* $Revision:    V.99.0.0 */\n")
    ended = tools.sparsec(texts["qnn"], "-o", "out", f"--cmsis-nn={folder}")
    fails(ended, "arm_nnfunctions.h says revision V.99.0, which sparsec does not know; it knows V.")
    shutil.rmtree(folder)
    kept()


def test_no_cmsis_nn(
    tools: Tools, texts: dict[str, Path], kept: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMSIS_NN_DIR", "/nonexistent")
    ended = tools.sparsec(texts["qnn"], "-o", "out")
    fails(ended, "CMSIS_NN_DIR is '/nonexistent', which has no Include/arm_nnfunctions.h")
    fails(tools.sparsec(texts["qnn"], "-o", "out", "--cmsis-nn=."), "--cmsis-nn is '.'")
    monkeypatch.delenv("CMSIS_NN_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("cache").absolute()))
    ended = tools.sparsec(texts["qnn"], "-o", "out")
    fails(ended, "set CMSIS_NN_DIR, or fetch it with python -m sparsec.run.cmsis_nn")
    kept()
