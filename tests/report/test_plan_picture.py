# SPDX-License-Identifier: Apache-2.0
"""The memory plan as a picture."""

import re
import struct
import warnings
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from sparsec.analysis.memory.plan_view import PlannedBuffer, PlanView
from sparsec.report.plan_picture import Format, plan_picture
from tests.report.plans import ARENA, SMALL

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> list[str]:
    """What is written in a picture, and what it tells under the pointer."""
    root = ElementTree.fromstring(svg)
    return [
        "".join(each.itertext()).strip()
        for each in root.iter()
        if each.tag in (f"{SVG}text", f"{SVG}title")
    ]


def size_of(png: bytes) -> tuple[int, int]:
    """(width, height) in pixels."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def chain(calls: int, name: str = "layer") -> PlanView:
    """Layers whose outputs take turns in two places."""
    names = tuple(f"{name}{i}" for i in range(calls))
    buffers = (
        PlannedBuffer(
            names[i],
            ARENA,
            i % 2 * 512,
            512,
            i,
            min(i + 1, calls - 1),
            "activation",
            (i + 1,),
            (i,),
        )
        for i in range(calls)
    )
    return PlanView(names, tuple(buffers), {ARENA: 1024}, 1024, "optimal")


def test_everything_is_named() -> None:
    found = texts(plan_picture(SMALL, "memory plan of small", "svg"))
    assert "memory plan of small" in found
    for layer in SMALL.calls:
        assert layer in found
    for each in SMALL.buffers:
        tip = f"{each.name}: {each.kind}, {each.size:,} B at {each.offset:,}, calls {each.first} to"
        assert any(text.startswith(tip) for text in found)
    assert "peak 4,800 B = input 2,400 + output 2,400" in found
    assert "arena 5,600 B" in found
    assert "lower bound 4,800 B" in found
    assert "call 1, block/dw: 4,800 B in use" in found
    assert "two buffers share these bytes" in found


def test_an_optimal_plan_without_overlaps() -> None:
    found = texts(plan_picture(chain(3), "title", "svg"))
    assert "1,024 B = lower bound: no plan needs less" in found
    assert "two buffers share these bytes" not in found


@pytest.mark.parametrize("format", ["svg", "png"])
def test_the_same_plan_is_the_same_file(format: Format) -> None:
    first = plan_picture(SMALL, "title", format)
    assert first == plan_picture(SMALL, "title", format)
    assert b"Date" not in first and b"date" not in first


@pytest.mark.parametrize(
    ("calls", "least", "most"), [(1, 900, 1200), (7, 1400, 1600), (60, 3000, 3600)]
)
def test_the_size_follows_the_calls(calls: int, least: int, most: int) -> None:
    width, height = size_of(plan_picture(chain(calls), "title", "png"))
    assert least <= width <= most
    assert 600 <= height <= 1200


def test_several_memories() -> None:
    """Each has a plot; the bound is not that of one of them."""
    first, *others = SMALL.buffers
    plan = replace(
        SMALL,
        buffers=(replace(first, memory="dtcm"), *others),
        memories={"dtcm": 2048, ARENA: 5600},
    )
    found = texts(plan_picture(plan, "title", "svg"))
    assert {"dtcm 2,048 B", "arena 5,600 B", "peak 1,200 B = input 1,200"} <= set(found)
    assert not any("lower bound" in text for text in found)


def test_nothing_to_show() -> None:
    plan = PlanView((), (), {ARENA: 0}, 0, "optimal")
    assert "0 B = lower bound: no plan needs less" in texts(plan_picture(plan, "title", "svg"))


@pytest.mark.parametrize("name", ["a$b$c", "</title>&\"'", "x" * 300])
def test_strange_names(name: str) -> None:
    svg = plan_picture(chain(2, name), name, "svg")
    assert any(text.startswith(f"{name}0: activation") for text in texts(svg))


def test_letters_that_the_font_lacks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert any(
            "畳み込み0" in text for text in texts(plan_picture(chain(2, "畳み込み"), "", "svg"))
        )


def test_a_name_stands_where_its_buffer_is_alone() -> None:
    buffers = (
        PlannedBuffer("early", ARENA, 0, 1000, 0, 1, "activation", (1,), (0,)),
        PlannedBuffer("late", ARENA, 24, 1000, 1, 2, "activation", (2,), (1,)),
    )
    view = PlanView(("first", "both", "last"), buffers, {ARENA: 1024}, 1024, "optimal")
    places: dict[str, float] = {}
    for each in ElementTree.fromstring(plan_picture(view, "title", "svg")).iter(f"{SVG}text"):
        where = re.match(r"translate\(([\d.]+)", each.get("transform", ""))
        if where is not None:
            places["".join(each.itertext())] = float(where[1])
    calls = {name: places[name] for name in view.calls}

    def nearest(name: str) -> str:
        return min(calls, key=lambda call: abs(calls[call] - places[name]))

    assert (nearest("early"), nearest("late")) == ("first", "last")
