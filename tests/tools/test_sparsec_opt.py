# SPDX-License-Identifier: Apache-2.0
"""sparsec-opt: what it adds to xDSL's tool, and how fast it starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from sparsec.universe import PASSES
from tests.tools.support import Tools

TWO = """\
func.func @f(%x : tensor<1x4xf32>) -> tensor<1x4xf32> {
  %y = nn.clamp %x <min = 0.0> : tensor<1x4xf32>
  %z = nn.clamp %x <min = 0.0> : tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}
// -----
func.func @g() {
  func.return
}
"""
WRONG = """\
func.func @f(%x : tensor<1x4xf32>) {
  %c = nn.concat %x, %x axis 7 : tensor<1x4xf32>, tensor<1x4xf32> -> tensor<1x8xf32>
  func.return
}
"""


def test_split_input_file(tools: Tools) -> None:
    Path("two.mlir").write_text(TWO)
    ended = tools.opt("two.mlir", "--split-input-file", "-p", "cse,dce")
    assert ended.code == 0
    first, second = ended.out.split("// -----")
    assert first.count("nn.clamp") == 1 and "@g" in second


def test_error_ends_with_code_2(tools: Tools) -> None:
    Path("wrong.mlir").write_text("func.func @f() { foo.bar }")
    ended = tools.opt("wrong.mlir")
    assert ended.code == 2
    assert ended.err.startswith("error: wrong.mlir:1:")


def test_verify_diagnostics(tools: Tools) -> None:
    """The message of a failing verifier is the result then."""
    Path("wrong.mlir").write_text(WRONG)
    plain = tools.opt("wrong.mlir")
    assert plain.code == 2
    assert "axis" in plain.err
    ended = tools.opt("wrong.mlir", "--verify-diagnostics", "--parsing-diagnostics")
    assert (ended.code, ended.err) == (0, "")
    assert "axis" in ended.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "no-such-pass"], "no-such-pass"),
        (["-p", "fuse-layers{"], "error: "),
        (["-p", "quantize{nothing=1}"], "nothing"),
    ],
)
def test_pipeline_that_cannot_be_read(
    tools: Tools, texts: dict[str, Path], arguments: list[str], message: str
) -> None:
    ended = tools.opt(texts["nn"], *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert "Traceback" not in ended.err


def test_missing_file(tools: Tools) -> None:
    ended = tools.opt("missing.mlir")
    assert (ended.code, ended.out) == (2, "")
    assert "missing.mlir" in ended.err


def test_model_that_cannot_be_read(tools: Tools) -> None:
    Path("empty.pt").touch()
    ended = tools.opt("empty.pt")
    assert (ended.code, ended.err) == (
        2,
        "error: empty.pt: the file is empty: export the model again\n",
    )


def test_a_failing_pass_is_the_users_error(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.opt(texts["nn"], "-p", 'calibrate{file="missing.npy"}')
    assert ended.code == 2
    assert "error: cannot read calibration data from missing.npy" in ended.err


def test_every_pass_is_offered(tools: Tools) -> None:
    ended = tools.opt("--help")
    assert ended.code == 0
    for name in PASSES:
        assert name in ended.out.replace("\n", "").replace(" ", "")


def modules_after(code: str) -> set[str]:
    """What is imported in a new process that runs `code`."""
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split())


def test_universe_does_not_import_torch() -> None:
    """Not even when every dialect and pass is asked for."""
    modules = modules_after(
        "from sparsec.universe import SPARSEC_UNIVERSE as u; "
        "[f() for f in (*u.all_dialects.values(), *u.all_passes.values())]"
    )
    assert "sparsec.passes.quantize" in modules
    assert "torch" not in modules


@pytest.mark.parametrize("tool", ["sparsec", "sparsec_opt"])
def test_help_imports_little(tool: str) -> None:
    """What makes --help fast: neither torch nor any dialect, pass or interpreter."""
    modules = modules_after(f"from sparsec.tools.{tool} import main; main(['--help'])")
    assert "sparsec.universe" in modules
    assert not modules & {"torch", "networkx", "sparsec.ir.nn", "xdsl.interpreters"}
    assert not {name for name in modules if name.startswith(("sparsec.passes", "sparsec.backends"))}
