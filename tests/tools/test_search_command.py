# SPDX-License-Identifier: Apache-2.0
"""`sparsec search`: begun, gone on with, joined from elsewhere, one candidate written; and the user's mistakes."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsec.compress.layers import program_of
from tests.compress.nets import images
from tests.compress.test_sensitivity import learned
from tests.tools.support import Ended, Tools

TRAINED = ("net.pt2", "--data=train.npz", "--test=train.npz", "-q", "--epochs=1")
SPACE = "--space=6: unstructured|dense 0.3..0.9; 9: channels|unstructured 0..0.5"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network, data that it has learnt."""
    monkeypatch.chdir(tmp_path)
    model, data = learned()
    Path("net.pt2").write_bytes(program_of(model, [images(2)]).saved())
    np.savez("train.npz", x=data.inputs.numpy(), labels=data.labels.numpy())
    np.savez("empty.npz", x=data.inputs.numpy()[:0], labels=data.labels.numpy()[:0])
    return tmp_path


def asked(tools: Tools, *words: str) -> dict[str, Any]:
    """What --json says."""
    ended = tools.sparsec("search", *words, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


@pytest.mark.builds
def test_from_a_space_to_a_project(tools: Tools, folder: Path) -> None:
    words = ("--limit=cycles<=0.97x", "--trials=5", "--seed=3")
    report = asked(tools, *TRAINED, SPACE, *words)
    assert sum(report["candidates"].values()) == 5 and report["candidates"]["finished"] >= 2
    assert all(each["cycles"] <= 0.97 * report["dense"]["cycles"] for each in report["front"])
    rows = list(csv.DictReader(Path("net-search/candidates.csv").read_text().splitlines()))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert {row["origin"] for row in rows} >= {"uniform", "greedy"}
    front = [str(each["number"]) for each in report["front"]]
    assert sorted(row["number"] for row in rows if row["front"] == "1") == sorted(front)
    page = Path("net-search/search.html").read_text()
    assert not re.search(r"<(script|link)[^>]*(src|href)=", page)  # nothing comes from a network
    assert all(f'"name":"{name}"' in page for name in ("dense", "uniform", "front"))

    # Another worker, with nothing but the study and the store.
    Path("net.pt2").rename("moved.pt2")
    Path("train.npz").rename("moved.npz")
    elsewhere = ("--storage=net-search/study.db", "--store=net-search/store", "--folder=there")
    more = asked(tools, *elsewhere, "--trials=7")
    assert sum(more["candidates"].values()) == 7 and more["dense"] == report["dense"]
    assert more["space"] == report["space"] and Path("there/front.csv").exists()

    ended = tools.sparsec(
        "search", "--folder=net-search", "--choose=best", "--epochs=2", "-o", "best"
    )
    assert ended.code == 0, ended.err
    chosen = json.loads(Path("best/search.json").read_text())
    assert chosen["number"] == more["front"][0]["number"] and chosen["epochs"] == 2
    assert [each["layer"] for each in chosen["layers"]] == ["0", "4", "6", "9"]
    assert all(each["reason"] and each["kernel"] for each in chosen["layers"])
    assert chosen["after"]["estimated_cycles"] < chosen["before"]["estimated_cycles"]
    assert Path("best/search.md").read_text() == ended.out.partition("\nwritten to")[0]
    compiled = tools.sparsec("best/model.pt2", "-q", "--emit=qnn")
    assert compiled.code == 0 and Path("best/network.c").exists()
    assert tools.sparsec("search", "--folder=net-search", "--choose=99").code == 2


def failed(ended: Ended) -> str:
    """The one line of a user's mistake."""
    assert ended.code == 2 and ended.err.count("\n") == 1 and ended.err.startswith("error: ")
    return ended.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give MODEL"),
        (["net.pt2"], "give --data and --test"),
        ([*TRAINED, "--space=nine: unstructured"], "no layer with weights matches 'nine'"),
        ([*TRAINED, "--space=nothing.txt"], "No such file"),
        ([*TRAINED, "--space=;;;"], "the space is empty: write e.g. conv*"),
        ([*TRAINED, "--space="], "the space is empty: write e.g. conv*"),
        ([*TRAINED, "--space=width = 0.5|1"], "width is chosen where Python builds"),
        ([*TRAINED, "--data=empty.npz"], "--labels has no samples"),
        ([*TRAINED, "--goals=speed"], "there is no goal 'speed'"),
        ([*TRAINED, "--limit=flash>=3"], "written with <="),
        ([*TRAINED, "--limit=flash<=9K", "--limit=flash<=0.5x"], "flash is limited twice"),
        ([*TRAINED, "--trials=0"], "one of its trials or more"),
        ([*TRAINED, "--engine=magic"], "magic"),
        ([*TRAINED, "--target=z80"], "z80"),
        ([*TRAINED, "--compile=--magic"], "--magic"),
        ([*TRAINED, SPACE, "--limit=flash<=1K"], "the smallest flash in it is "),
        ([*TRAINED, "--storage=postgresql://a:secret@127.0.0.1:1/x"], "a:***@127.0.0.1:1/x"),
        ([*TRAINED, "--store=nowhere://x"], "cannot open the store"),
        (["--folder=none", "--resume"], "there is no study 'search' in sqlite:///none/study.db"),
        ([*TRAINED, "--choose=best"], "there is no study"),
    ],
)
def test_mistakes(words: list[str], message: str, tools: Tools, folder: Path) -> None:
    line = failed(tools.sparsec("search", *words))
    assert message in line and "secret" not in line
    assert not Path("net-search/study.db").exists()


def test_a_study_is_not_mixed_with_another(tools: Tools, folder: Path) -> None:
    few = (SPACE, "--trials=1", "--engine=random", "--no-warm-start", "--accuracy=float")
    asked(tools, *TRAINED, *few)
    before = Path("net-search/candidates.csv").read_bytes()
    again = ("search", *TRAINED, *few)
    assert "go on with --resume" in failed(tools.sparsec(*again))
    line = failed(tools.sparsec(*again, "--resume", "--goals=cycles"))
    assert "study 'search' is of another goals: choose another name" in line
    assert asked(tools, *TRAINED, *few, "--resume")["candidates"] == {"finished": 1}
    assert Path("net-search/candidates.csv").read_bytes() == before


def test_an_agent_walks_over_a_file(tools: Tools, folder: Path) -> None:
    """Of a program of torch.export.save, within the density of its protocol."""
    words = ("--space=[69]: unstructured 0..0.9", "--engine=amc", "--accuracy=float")
    agent = ("--protocol=mac-constrained", "--density=0.9", "--goals=accuracy,macs")
    report = asked(tools, *TRAINED, *words, *agent, "--trials=2")
    assert report["candidates"] == {"finished": 2} and report["engine"] == "amc"
    for wrong, message in (
        (
            ["--limit=cycles<=0.8x", "--protocol=cycles-constrained", "--density=0.9"],
            "make them agree",
        ),
        (["--protocol=magic"], "magic"),
        (["--space=[69]: dense|unstructured|block(1x4)"], "give one pattern"),
        (["--density=3"], "a density is above 0"),
    ):
        line = failed(tools.sparsec("search", *TRAINED, *words, *wrong, "--folder=other"))
        assert message in line
    assert "are of --engine=amc" in failed(
        tools.sparsec("search", *TRAINED, "--density=0.5", "--folder=third")
    )
