# SPDX-License-Identifier: Apache-2.0
"""The front door: levels, going on from text, pipelines, and what goes to stdout and stderr."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparsec import __version__
from sparsec.analysis.choice.format_goal import GAIN, RAM_GAIN
from sparsec.tools.printing import module_text
from sparsec.tools.sparsec import arena_text
from sparsec.tools.sparsec_opt import SparsecOptMain
from tests.tools.support import Tools, images, net

LENET = Path(__file__).parents[2] / "examples/mnist/model.pt"


def files_of(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(directory.iterdir())}


@pytest.mark.parametrize(
    ("level", "present", "absent"),
    [
        ("nn", "nn.conv2d", "qnn."),
        ("qnn", "qnn.conv2d", " nn.conv"),
        ("kernels", "memref.view", "qnn."),
    ],
)
def test_emit(tools: Tools, model: Path, level: str, present: str, absent: str) -> None:
    ended = tools.sparsec(model, f"--emit={level}", "--weights=dense")
    assert ended.code == 0
    assert present in ended.out
    assert absent not in ended.out.replace("#nn.", "").replace("qnn.quantization", "")
    assert ended.err == (
        f"warning: no --calibrate given, calibrating with the 4 example inputs of {model}\n"
    )


def test_emit_c(tools: Tools, model: Path, cmsis: Path) -> None:
    ended = tools.sparsec(model, "--emit=c")
    assert ended.code == 0
    assert "written to tiny" in ended.out
    files = files_of(Path("tiny"))
    assert {"tiny.c", "tiny.h", "tiny_weights.c", "CMakeLists.txt", "report.json"} <= set(files)
    assert json.loads(files["report.json"])["target"] == "cortex-m4"
    assert sorted(path.name for path in Path().iterdir()) == ["tiny"]


def test_the_same_input_gives_the_same_files(tools: Tools, model: Path, cmsis: Path) -> None:
    assert tools.sparsec(model, "-o", "first").code == 0
    assert tools.sparsec(model, "-o", "second").code == 0
    assert files_of(Path("first")) == files_of(Path("second"))


@pytest.mark.parametrize("level", ["nn", "qnn", "kernels"])
@pytest.mark.parametrize("stdin", [False, True])
def test_ir_text_goes_on_from_its_level(
    tools: Tools,
    model: Path,
    texts: dict[str, Path],
    cmsis: Path,
    level: str,
    stdin: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The C is that of the model itself, name included; only how far it is from a float network is not known of text."""
    assert tools.sparsec(model, "-q", "-o", "direct").code == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO(texts[level].read_text()))
    ended = tools.sparsec("-" if stdin else texts[level], "-o", "again")
    assert (ended.code, ended.err) == (0, "")
    direct, again = files_of(Path("direct")), files_of(Path("again"))
    facts = json.loads(direct["report.json"])
    assert facts["accuracy"] is not None
    direct["report.json"] = json.dumps({**facts, "accuracy": None}, indent=2) + "\n"
    assert direct == again


def test_uncalibrated_text_is_calibrated(tools: Tools, model: Path) -> None:
    """`nn` text can leave one tool without ranges and get them in the next."""
    np.save("x.npy", images().numpy())
    main = SparsecOptMain(args=[str(model)])
    chunks, extension = main.prepare_input()
    module = main.parse_chunk(chunks[0][0], extension)
    assert module is not None
    Path("raw.mlir").write_text(module_text(module))
    ended = tools.sparsec("raw.mlir", "--emit=qnn", "--calibrate=x.npy")
    direct = tools.sparsec(model, "--emit=qnn")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == direct.out


def test_passes_know_the_cmsis_nn_in_use(tools: Tools, model: Path) -> None:
    """Its 18 weights for each output, of which Helium holds four in scratch memory, by 16 or by 8."""
    folder = Path("newer", "Include")
    folder.mkdir(parents=True)
    (folder / "arm_nnfunctions.h").write_text("/* $Revision:    V.16.0.0 */")
    helium = ("--target=cortex-m55", "--emit=kernels", "--weights=dense", "--objective=flash")
    sizes: list[int] = []
    for options, release in (((), ""), (("--cmsis-nn=newer",), " cmsis-nn=v6")):
        pipeline = tools.sparsec(model, "--print-pipeline", *helium, *options)
        for name in ("order-layers", "select-sparse-formats", "convert-qnn-to-kernels"):
            assert f"{name}{{target=cortex-m55{release}" in pipeline.out
        through_opt = tools.opt(model, "-p", pipeline.out.strip())
        directly = tools.sparsec(model, *helium, *options)
        assert (through_opt.code, directly.code) == (0, 0)
        assert ('sparsec.cmsis_nn = "v6"' in directly.out) == bool(options)
        (size,) = re.findall(r"scratch %\w+ : memref<(\d+)xi8>", directly.out)
        sizes.append(int(size))
    assert sizes == [4 * 24, 4 * 32]


@pytest.mark.parametrize("level", ["nn", "qnn", "kernels"])
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--weights=delta8", "--target=cortex-m55"),
        (
            "--memory=a=100",
            "--memory=b=64K",
            "--io=caller",
            "--recipe=conv: dense in b; fc.weight: in b",
        ),
        ("--recipe=conv: dense; *c: block(4x1)", "--objective=flash", "--flash=1M", "--ram=64K"),
    ],
)
def test_pipeline_pasted_into_sparsec_opt(
    tools: Tools, model: Path, level: str, options: tuple[str, ...]
) -> None:
    pipeline = tools.sparsec(model, "--print-pipeline", f"--emit={level}", *options)
    assert pipeline.code == 0
    through_opt = tools.opt(model, "-p", pipeline.out.strip())
    directly = tools.sparsec(model, f"--emit={level}", *options)
    assert through_opt.code == directly.code == 0
    assert through_opt.out.strip() == directly.out.strip()


@pytest.mark.parametrize("name", ["a b.npy", "a,b.npy", 'a"b.npy', "a{b}.npy", "1.npy"])
def test_pipeline_quotes_file_names(tools: Tools, model: Path, name: str) -> None:
    np.save(name, images().numpy())
    options = (f"--calibrate={name}", "--observer=percentile", "--percentile=99.5", "--emit=nn")
    pipeline = tools.sparsec(model, "--print-pipeline", *options)
    through_opt = tools.opt(model, "-p", pipeline.out.strip())
    directly = tools.sparsec(model, *options)
    assert (through_opt.code, directly.code) == (0, 0)
    assert through_opt.out.strip() == directly.out.strip()


def test_pipeline_of_tiny_numbers(tools: Tools, model: Path) -> None:
    options = ("--observer=percentile", "--percentile=50.00001", "--emit=kernels")
    pipeline = tools.sparsec(model, "--print-pipeline", *options)
    assert "percentile=50.00001" in pipeline.out
    assert tools.sparsec(model, *options).code == 0


def test_pipeline_of_a_short_plan(tools: Tools, model: Path) -> None:
    pipeline = tools.sparsec(model, "--print-pipeline", "--plan-seconds=0.5")
    assert pipeline.out.endswith("plan-memory{seconds=0.5}\n")
    assert tools.sparsec(model, "--print-pipeline").out.endswith("plan-memory\n")
    directly = tools.sparsec(model, "--emit=kernels", "--plan-seconds=0.5")
    assert tools.opt(model, "-p", pipeline.out.strip()).out.strip() == directly.out.strip()


def test_pipeline_of_what_a_smaller_arena_may_cost(tools: Tools, model: Path) -> None:
    for options, printed in (
        ([], "overlap-buffers{target=cortex-m4}"),
        (["--max-slowdown=0"], "overlap-buffers{target=cortex-m4 slack=0}"),
        (["--objective=ram"], "overlap-buffers{target=cortex-m4 objective=ram}"),
        (["--io=caller"], "overlap-buffers{target=cortex-m4 io=caller}"),
        (["--ram=64K"], "overlap-buffers{target=cortex-m4 ram=65536}"),
    ):
        pipeline = tools.sparsec(model, "--print-pipeline", *options)
        assert printed in pipeline.out
        directly = tools.sparsec(model, "--emit=kernels", *options)
        assert tools.opt(model, "-p", pipeline.out.strip()).out.strip() == directly.out.strip()


def test_pipeline_for_channels_last(tools: Tools, model: Path) -> None:
    pipeline = tools.sparsec(model, "--print-pipeline", "--input-layout=nhwc", "--emit=nn")
    through_opt = tools.opt(model, "--input-layout=nhwc", "-p", pipeline.out.strip())
    directly = tools.sparsec(model, "--input-layout=nhwc", "--emit=nn")
    assert "tensor<1x6x6x2xf32>" in directly.out
    assert through_opt.out.strip() == directly.out.strip()


def test_quiet(tools: Tools, model: Path, cmsis: Path) -> None:
    ended = tools.sparsec(model, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_what_is_larger_than_dense_weights_says_what_is_smaller(tools: Tools, cmsis: Path) -> None:
    """In one line, with the figures that the other compilation has."""
    common = (LENET, "--target=cortex-m55", "--max-slowdown=0", "-o", "lenet")

    def made(*options: str) -> tuple[int, int]:
        report = json.loads(tools.sparsec(*common, "-q", "--json", *options).out)
        cycles = (layer["predicted_cycles"] for layer in report["layers"])
        return report["flash_bytes"], sum(each or 0 for each in cycles)

    flash, cycles = made()
    balanced, slower = made("--objective=balanced")
    line = (
        f"smaller    --objective=balanced by {flash - balanced:,} B for "
        f"{100 * (slower / cycles - 1):+.1f} % estimated cycles (dense weights by "
    )
    assert any(each.startswith(line) for each in tools.sparsec(*common).out.splitlines())
    assert "smaller    " not in tools.sparsec(*common, "--objective=balanced").out


def test_json(tools: Tools, model: Path, cmsis: Path) -> None:
    ended = tools.sparsec(model, "--json")
    assert json.loads(ended.out) == json.loads(Path("tiny/report.json").read_text())


def test_name(tools: Tools, model: Path, cmsis: Path) -> None:
    assert tools.sparsec(model, "--name=other", "-q").code == 0
    assert "int other_invoke(" in Path("other/other.h").read_text()


def test_ir_file_is_written_whole(tools: Tools, texts: dict[str, Path]) -> None:
    Path("out.mlir").write_text("before")
    assert tools.sparsec(texts["qnn"], "--emit=qnn", "-o", "out.mlir").code == 0
    assert Path("out.mlir").read_text() == texts["qnn"].read_text()
    assert [path.name for path in Path().iterdir()] == ["out.mlir"]
    Path("plain").touch()
    assert Path("out.mlir").stat().st_mode == Path("plain").stat().st_mode


def test_progress_leaves_results_alone(
    tools: Tools, texts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the spinner is drawn on stderr, and stdout is the same as without."""
    plain = tools.sparsec(texts["nn"], "--emit=qnn")
    monkeypatch.setenv("FORCE_COLOR", "1")
    ended = tools.sparsec(texts["nn"], "--emit=qnn")
    assert "\x1b[" in ended.err
    assert ended.out == plain.out
    quiet = tools.sparsec(texts["nn"], "--emit=qnn", "--quiet")
    assert (quiet.out, quiet.err) == (plain.out, "")


def test_plain_when_not_a_terminal(tools: Tools, model: Path, cmsis: Path) -> None:
    ended = tools.sparsec(model)
    assert ended.code == 0
    assert "\x1b" not in ended.out + ended.err


def test_only_our_warnings(tools: Tools, tmp_path: Path) -> None:
    """Unpickling makes torch export the model, which logs and warns."""
    path = tmp_path / "pickled.pt"
    torch.save(net(), path)
    np.save("x.npy", images().numpy())
    options = ("--trust-pickle", "--input-shape=1,2,6,6", "--calibrate=x.npy", "--emit=qnn")
    ended = tools.sparsec(path, *options)
    assert (ended.code, ended.err) == (0, "")


def test_help_and_version(tools: Tools) -> None:
    ended = tools.sparsec("--help")
    assert ended.code == 0
    assert "sparsec lenet.pt --emit=c -o lenet" in ended.out
    prices = f"grows by at most {GAIN} %, and what needs most RAM by {RAM_GAIN} %, for each 1 %"
    assert prices in " ".join(ended.out.split())
    assert tools.sparsec("run", "--help").code == 0
    assert tools.sparsec("--version").out == f"sparsec {__version__}\n"


@pytest.mark.parametrize(
    ("option", "meant"),
    [("--emitt=c", "--emit"), ("--calibrat=x", "--calibrate"), ("--zzz", None)],
)
def test_unknown_option(tools: Tools, model: Path, option: str, meant: str | None) -> None:
    ended = tools.sparsec(model, option)
    assert ended.code == 2
    assert f"unrecognized arguments: {option}" in ended.err
    assert ("did you mean" in ended.err) == (meant is not None)
    if meant is not None:
        assert f"did you mean '{meant}'?" in ended.err


@pytest.mark.parametrize(
    ("bound", "live", "memories", "text"),
    [
        (
            32,
            36,
            1,
            "40 B in RAM, feasible (no plan needs less than 32 B, none without overlaps less than 36 B)",
        ),
        (36, 36, 1, "40 B in RAM, feasible (no plan needs less than 36 B)"),
        (36, None, 1, "40 B in RAM, feasible (no plan needs less than 36 B)"),
        (32, 36, 2, "40 B in RAM, feasible (no plan needs less than 32 B)"),
    ],
)
def test_what_is_said_of_the_arena(bound: int, live: int | None, memories: int, text: str) -> None:
    report: dict[str, Any] = {
        "arena_bytes": 40,
        "arena_status": "feasible",
        "arena_lower_bound_bytes": bound,
        "arena_live_bytes": live,
        "memories": ["arena", "sram"][:memories],
    }
    assert arena_text(report) == text
