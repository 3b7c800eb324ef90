# SPDX-License-Identifier: Apache-2.0
"""`sparsec pareto`: each line is a network that can be had."""

import csv
import io
import json
from pathlib import Path

import pytest

from sparsec.analysis.choice.format_choice import Point
from sparsec.tools.pareto_command import unbeaten
from tests.tools.support import Tools


def front(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_each_point_can_be_compiled(tools: Tools, model: Path, cmsis: Path) -> None:
    ended = tools.sparsec("pareto", model, "-q")
    assert (ended.code, ended.err) == (0, "")
    points = front(ended.out)
    assert len(points) > 1
    flash = [int(point["flash_bytes"]) for point in points]
    cycles = [int(point["estimated_cycles"]) for point in points]
    assert flash == sorted(set(flash)) and cycles == sorted(set(cycles), reverse=True)
    for point in (points[0], points[-1]):
        made = json.loads(tools.sparsec(model, "-q", "--json", f"--recipe={point['recipe']}").out)
        assert made["flash_bytes"] == int(point["flash_bytes"])
        predicted = [layer["predicted_cycles"] or 0 for layer in made["layers"]]
        assert sum(predicted) == int(point["estimated_cycles"])
        instructions = [layer["predicted_instructions"] or 0 for layer in made["layers"]]
        assert sum(instructions) == int(point["instructions"])


def test_a_budget_cuts_the_front(tools: Tools, model: Path) -> None:
    whole = ("pareto", model, "-q", "--max-slowdown=0")
    points = front(tools.sparsec(*whole).out)
    smallest = int(points[0]["flash_bytes"])
    assert front(tools.sparsec(*whole, f"--flash={smallest}").out) == points[:1]
    ended = tools.sparsec(*whole, f"--flash={smallest - 1}")
    assert (ended.code, ended.out) == (2, "")
    assert "no choice keeps within --flash" in ended.err


def test_what_is_beaten_is_left_out() -> None:
    """A smaller network can be the faster one once layers are done in strips."""
    points = [Point(*numbers, ()) for numbers in ((30, 5, 1), (10, 9, 1), (20, 9, 1), (25, 7, 1))]
    assert [point.flash for point in unbeaten(points)] == [10, 25, 30]


@pytest.mark.parametrize("name", ["front.png", "front.svg"])
def test_the_plot(tools: Tools, model: Path, name: str) -> None:
    for again in range(2):
        ended = tools.sparsec("pareto", model, "-q", "-o", "front.csv", "--plot", name)
        assert (ended.code, ended.out, ended.err) == (0, "", "")
        Path(name).rename(f"{again}")
    assert len(front(Path("front.csv").read_text())) > 1
    assert Path("0").read_bytes() == Path("1").read_bytes()
    magic = {"front.png": b"\x89PNG", "front.svg": b"<?xml"}[name]
    assert Path("0").read_bytes().startswith(magic)


def test_what_is_no_picture(tools: Tools, model: Path) -> None:
    ended = tools.sparsec("pareto", model, "-q", "--plot=front.txt")
    assert (ended.code, ended.out) == (2, "")
    assert "'front.txt' is no picture, write e.g. front.png or front.svg" in ended.err
    ended = tools.sparsec("pareto", model, "-q", "--plot=missing/front.svg")
    assert ended.code == 2 and "cannot write missing/front.svg" in ended.err
