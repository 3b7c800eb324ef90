# SPDX-License-Identifier: Apache-2.0
"""`--emit=tflm-plan`: what it writes and prints, and what it refuses in one line without writing."""

import json
from pathlib import Path

import pytest

from tests.frontends.tflite.support import OperatorSpec, TensorSpec, network, write
from tests.tools.support import Tools

EMIT = "--emit=tflm-plan"


def content(subgraphs: int = 1) -> bytes:
    """Two RELUs; the first is of a kind that could run in place, which the plan does not let it."""
    tensors = [TensorSpec(name, (1, 40), [0.1]) for name in "xyz"]
    operators = [OperatorSpec("RELU", [0], [1]), OperatorSpec("RELU", [1], [2])]
    return write(tensors, operators, subgraphs=subgraphs)


@pytest.fixture
def relus(elsewhere: Path) -> Path:
    path = elsewhere / "relus.tflite"
    path.write_bytes(content())
    return path


def test_what_is_written_and_printed(tools: Tools, relus: Path) -> None:
    ended = tools.sparsec(relus, EMIT, "-o", "out.tflite")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "relus.tflite: 3 of 3 tensors planned\n"
        "activations  96 B in RAM, optimal (no plan needs less than 96 B)\n"
        "without it   the same by TFLM's own planner, which stays in charge: no plan is added\n"
        "written to out.tflite\n"
    )
    assert Path("out.tflite").read_bytes() == content()
    assert sorted(path.name for path in Path().iterdir()) == ["out.tflite", "relus.tflite"]


def test_person_detection(tools: Tools, elsewhere: Path) -> None:
    (elsewhere / "vww.tflite").write_bytes(network("vww_96_int8"))
    ended = tools.sparsec("vww.tflite", EMIT, "-o", "out.tflite")
    assert "activations  55,296 B in RAM, optimal" in ended.out
    assert "73,728 B by TFLM's own planner: 18,432 B (25%) saved, scratch memory apart" in ended.out


def test_json_and_quiet(tools: Tools, relus: Path) -> None:
    ended = tools.sparsec(relus, EMIT, "-o", "out.tflite", "--json")
    assert json.loads(ended.out) == {
        "tensors": 3,
        "tensors_planned": 3,
        "arena_bytes": 96,
        "arena_lower_bound_bytes": 96,
        "status": "optimal",
        "plan_added": False,
        "plan_refused": None,
        "tflm_arena_bytes": 96,
    }
    ended = tools.sparsec(relus, EMIT, "-o", "out.tflite", "-q")
    assert (ended.code, ended.out) == (0, "")


def test_help_has_an_example(tools: Tools) -> None:
    assert "--emit=tflm-plan -o planned.tflite" in tools.sparsec("--help").out


SIZE = len(content())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (content()[: SIZE // 2], "the TensorFlow Lite file is damaged"),
        (content()[:20], "the TensorFlow Lite file is damaged"),
        (b"", "the file is empty"),
        (
            content()[:4] + b"TFL2" + content()[8:],
            "relus.tflite: this is no model of TensorFlow Lite",
        ),
        (content(subgraphs=2), "the model has 2 subgraphs and only one is supported"),
        (b"PK\x03\x04" + bytes(100), "this is no model of TensorFlow Lite"),
    ],
    ids=["truncated", "cut short", "empty", "identifier", "subgraphs", "archive"],
)
def test_bad_files(tools: Tools, relus: Path, given: bytes, message: str) -> None:
    relus.write_bytes(given)
    Path("out.tflite").write_text("before")
    refuses(tools, message, relus, "-o", "out.tflite")
    assert Path("out.tflite").read_text() == "before"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name it with -o"),
        (["-o", "-"], "name it with -o"),
        (["-o", "absent/out.tflite"], "cannot write absent/out.tflite"),
        (["-o", "out.tflite", "--print-pipeline"], "leave --print-pipeline out"),
        (["-o", "out.tflite", "--io=caller"], "leave --memory and --io out"),
        (["-o", "out.tflite", "--memory=a=1K"], "leave --memory and --io out"),
        (["-o", "out.tflite", "--ram=90"], "the tensors take 96 bytes, --ram allows 90"),
    ],
)
def test_bad_options(tools: Tools, relus: Path, options: list[str], message: str) -> None:
    refuses(tools, message, relus, *options)
    assert [path.name for path in Path().iterdir()] == ["relus.tflite"]


def refuses(tools: Tools, message: str, *arguments: object) -> None:
    """One line on stderr, exit code 2, nothing on stdout."""
    ended = tools.sparsec(*arguments, EMIT)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert message in ended.err
