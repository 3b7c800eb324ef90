# SPDX-License-Identifier: Apache-2.0
"""`--emit=plan`, `plan-svg` and `plan-png`: what they write where, and what they refuse."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from tests.tools.support import Tools


def test_the_table(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec(texts["kernels"], "--emit=plan")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("memory plan of tiny for cortex-m4\narena  ")
    assert "\npeak   conv: " in ended.out
    assert tools.sparsec(texts["kernels"], "--emit=plan", "-o", "plan.txt").out == ""
    assert Path("plan.txt").read_text() == ended.out


def test_json(tools: Tools, texts: dict[str, Path]) -> None:
    ended = tools.sparsec(texts["kernels"], "--emit=plan", "--json")
    plan = json.loads(ended.out)
    assert plan.keys() == {
        "schema_version",
        "name",
        "target",
        "memories",
        "lower_bound_bytes",
        "lower_bounds",
        "status",
        "peaks",
        "calls",
        "buffers",
    }
    assert (plan["schema_version"], plan["name"], plan["target"]) == (1, "tiny", "cortex-m4")
    # The input is brought to channels last first.
    assert [call["layer"] for call in plan["calls"]] == ["conv", "conv", "fc"]
    buffers = {buffer["name"]: buffer for buffer in plan["buffers"]}
    assert {"input", "output", "conv", "conv scratch"} <= buffers.keys()
    assert buffers["output"].keys() == {
        "name",
        "memory",
        "offset",
        "size",
        "first",
        "last",
        "kind",
        "reads",
        "writes",
    }
    (peak,) = plan["peaks"]
    assert peak["layer"] == "conv"
    assert peak["bytes"] == plan["calls"][1]["live_bytes"]["arena"] <= plan["memories"]["arena"]
    assert peak["bytes"] == sum(b["bytes"] for b in peak["buffers"]) - peak["shared_bytes"]


def test_the_report_names_the_peak(tools: Tools, texts: dict[str, Path], cmsis: Path) -> None:
    ended = tools.sparsec(texts["kernels"], "-o", "out")
    peak = json.loads(Path("out/report.json").read_text())["arena_peak"]
    (same,) = json.loads(tools.sparsec(texts["kernels"], "--emit=plan", "--json").out)["peaks"]
    assert peak == same
    assert f"\npeak       conv: {peak['bytes']:,} B = " in ended.out


class Stdout(io.TextIOWrapper):
    """A stdout that keeps bytes and may claim to be a terminal."""

    def __init__(self, terminal: bool):
        super().__init__(io.BytesIO(), encoding="utf-8")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def content(self) -> bytes:
        """What was written."""
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


@pytest.mark.parametrize(("emit", "start"), [("plan-svg", b"<?xml"), ("plan-png", b"\x89PNG")])
def test_pictures(
    tools: Tools,
    texts: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    emit: str,
    start: bytes,
) -> None:
    """The same bytes go to a file and to a pipe."""
    stdout = Stdout(terminal=False)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        tools.sparsec(texts["kernels"], f"--emit={emit}", "-o", "-")
    assert tools.sparsec(texts["kernels"], f"--emit={emit}", "-o", "picture").code == 0
    assert Path("picture").read_bytes() == stdout.content()
    assert stdout.content().startswith(start)
    assert [path.name for path in Path().iterdir()] == ["picture"]


@pytest.mark.parametrize("options", [(), ("-o", "-")])
def test_no_png_on_a_terminal(
    tools: Tools, texts: dict[str, Path], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    stdout = Stdout(terminal=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        ended = tools.sparsec(texts["kernels"], "--emit=plan-png", *options)
    assert (ended.code, stdout.content()) == (2, b"")
    expected = "a PNG cannot be shown on a terminal: name a file, e.g. -o plan.png"
    assert ended.err == f"error: {expected}\n"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--emit=plan-svg", "--json"), "--json does not go with --emit=plan-svg"),
        (("--emit=plan-png", "-o", "missing/plan.png"), "cannot write missing/plan.png: "),
        (("--emit=plan", "-o", "."), "cannot write .: "),
    ],
)
def test_mistakes(
    tools: Tools, texts: dict[str, Path], options: tuple[str, ...], error: str
) -> None:
    ended = tools.sparsec(texts["kernels"], *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {error}")
    assert ended.err.count("\n") == 1


def test_a_plan_that_does_not_say_how_good_it_is(tools: Tools, texts: dict[str, Path]) -> None:
    text = re.sub(r"sparsec\.arena_lower_bound = \d+ : i64", "other", texts["kernels"].read_text())
    Path("old.mlir").write_text(text)
    ended = tools.sparsec("old.mlir", "--emit=plan")
    assert ended.code == 2
    assert ended.err.startswith("error: the module lacks sparsec.arena_lower_bound")


def test_a_budget_that_cannot_be_met(tools: Tools, texts: dict[str, Path]) -> None:
    """Refused before kernels are chosen, and where only the plan tells: with layer, buffers and the smallest arena."""
    needs = r"error: layer 'conv' needs \d+ bytes of RAM( at least)? \((output|input|scratch) [^)]+\), --ram allows 9; "
    for level in ("qnn", "kernels"):
        ended = tools.sparsec(texts[level], "--emit=plan", "--ram=9")
        assert ended.code == 2
        found = re.fullmatch(needs + r"the smallest arena found takes (\d+) bytes\n", ended.err)
        assert found is not None
        assert tools.sparsec(texts[level], "--emit=plan", f"--ram={found[3]}").code == 0
