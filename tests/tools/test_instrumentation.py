# SPDX-License-Identifier: Apache-2.0
"""The words of mlir-opt, the same in both tools."""

import re
from pathlib import Path

import pytest

from tests.tools.support import Ended, Tools

HEADER = re.compile(r"^// -----// IR Dump (Before|After) \w+ \(([^\s{]+).*\) //----- //$", re.M)
PASSES = [
    *("fold-batch-norm", "fold-transpose", "fuse-layers"),
    *("canonicalize", "cse", "fuse-functions", "fuse-norms", "fuse-scores", "dce"),
    "fold-constant-channels",
    *("quantize", "fold-qdq", "cse", "dce"),
    *("merge-duplicates", "fold-requantize", "fuse-pad", "eliminate-dead-channels"),
    *("fold-requantize", "merge-duplicates", "fuse-attention", "dce"),
]


def dumps(ended: Ended) -> list[tuple[str, str]]:
    """When and around which pass the IR was printed."""
    assert ended.code == 0, ended.err
    assert "IR Dump" not in ended.out
    assert "func.func @main" in ended.out
    found = [(match[1], match[2]) for match in HEADER.finditer(ended.err)]
    assert ended.err.count("func.func @main") == len(found)
    return found


class Compile:
    """One of the tools on `nn` text, down to `qnn`."""

    def __init__(self, tools: Tools, tool: str, text: Path):
        self.tools, self.tool, self.text = tools, tool, text

    def __call__(self, *options: str) -> Ended:
        if self.tool == "sparsec":
            return self.tools.sparsec(self.text, "--emit=qnn", *options)
        return self.tools.opt(self.text, "-p", ",".join(PASSES), *options)


@pytest.fixture(params=["sparsec", "sparsec-opt"])
def compile_nn(request: pytest.FixtureRequest, tools: Tools, texts: dict[str, Path]) -> Compile:
    return Compile(tools, request.param, texts["nn"])


def test_nothing_is_printed_by_default(compile_nn: Compile) -> None:
    assert compile_nn().err == ""


def test_after_all(compile_nn: Compile) -> None:
    assert dumps(compile_nn("--print-ir-after-all")) == [("After", name) for name in PASSES]


def test_before_all(compile_nn: Compile) -> None:
    assert dumps(compile_nn("--print-ir-before-all")) == [("Before", name) for name in PASSES]


def test_before_and_after_one(compile_nn: Compile) -> None:
    ended = compile_nn("--print-ir-before=fold-qdq", "--print-ir-after=fold-qdq")
    assert dumps(ended) == [("Before", "fold-qdq"), ("After", "fold-qdq")]
    before, after = ended.err.split("IR Dump After")
    assert "nn.quantize" in before
    assert "nn.quantize" not in after


def test_after_each_of_several(compile_nn: Compile) -> None:
    ended = compile_nn("--print-ir-after=fuse-layers", "--print-ir-after=quantize")
    assert dumps(ended) == [("After", "fuse-layers"), ("After", "quantize")]


def test_after_change(compile_nn: Compile) -> None:
    """The text is fused already: nothing changes it before it is quantized."""
    changes = dumps(compile_nn("--print-ir-after-change"))
    assert changes[:2] == [("After", "quantize"), ("After", "fold-qdq")]
    assert ("After", "cse") not in changes[3:]


def test_tree_dir(compile_nn: Compile) -> None:
    ended = compile_nn("--print-ir-tree-dir=dumps/deep", "--print-ir-after=quantize")
    assert (ended.code, ended.err) == (0, "")
    (path,) = Path("dumps/deep").iterdir()
    assert path.name == "00_after_quantize.mlir"
    assert "nn.quantize" in path.read_text()


def test_tree_dir_alone_means_after_all(compile_nn: Compile) -> None:
    assert compile_nn("--print-ir-tree-dir=dumps").code == 0
    names = sorted(path.name for path in Path("dumps").iterdir())
    assert names == [f"{i:02}_after_{name}.mlir" for i, name in enumerate(PASSES)]


def test_tree_dir_that_cannot_be_made(compile_nn: Compile) -> None:
    Path("file").touch()
    ended = compile_nn("--print-ir-tree-dir=file/dumps")
    assert ended.code == 2
    assert ended.err.startswith("error: cannot write file/dumps/00_after_fold-batch-norm.mlir: ")
    assert ended.err.count("\n") == 1


def test_elide(compile_nn: Compile) -> None:
    """Small constants stay, and what is printed on the way is elided like the result."""
    ended = compile_nn("--elide-constants-larger-than=8", "--print-ir-after=quantize")
    for text in (ended.out, ended.err):
        assert "dense<...> : tensor<5x48xi8>" in text
        assert '"0x' not in text
    assert re.search(r"dense<\[[-\d, ]+\]> : tensor<5xi32>", ended.out)


@pytest.mark.parametrize("limit", ["-1", "x", ""])
def test_elide_limit(tools: Tools, texts: dict[str, Path], limit: str) -> None:
    ended = tools.sparsec(texts["nn"], "--emit=qnn", f"--elide-constants-larger-than={limit}")
    assert ended.code == 2
    assert "is not a number of elements" in ended.err


def test_unknown_pass(compile_nn: Compile) -> None:
    ended = compile_nn("--print-ir-after=fuse-layer")
    assert ended.code == 2
    assert ended.err == (
        "error: there is no pass called 'fuse-layer'; did you mean 'fuse-layers'?\n"
    )
