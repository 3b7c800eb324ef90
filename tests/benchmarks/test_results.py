# SPDX-License-Identifier: Apache-2.0
"""What a benchmark says of its figures."""

import json
from pathlib import Path

import pytest

from benchmarks._results import Figure, publish


@pytest.mark.parametrize(
    ("value", "target", "better", "met"),
    [
        (1.0, 1.01, "lower", True),
        (1.01, 1.01, "lower", True),
        (1.02, 1.01, "lower", False),
        (2.0, 1.5, "higher", True),
        (1.0, 1.5, "higher", False),
        (1.0, None, "lower", None),
    ],
)
def test_a_target_is_met_in_its_direction(value: float, target: float, better: str, met: bool):
    assert better in ("lower", "higher")
    assert Figure("x", value, target, "s", better).met is met


def test_figures_are_written_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    figures = [Figure("time", 1.5, 2.0, "s", "lower"), Figure("ratio", 3.0, None, "x", "higher")]
    assert publish("name", figures, tmp_path / "results") == 0
    assert json.loads((tmp_path / "results" / "name.json").read_text()) == [
        {"what": "time", "value": 1.5, "target": 2.0, "unit": "s", "better": "lower", "met": True},
        {
            "what": "ratio",
            "value": 3.0,
            "target": None,
            "unit": "x",
            "better": "higher",
            "met": None,
        },
    ]
    assert "<= 2" in capsys.readouterr().out


def test_a_missed_target_fails_the_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert publish("name", [Figure("time", 2.5, 2.0, "s", "lower")], tmp_path) == 1
    assert capsys.readouterr().err == "target missed: time\n"
