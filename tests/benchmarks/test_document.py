# SPDX-License-Identifier: Apache-2.0
"""Documents say what benchmarks recorded."""

import re
from pathlib import Path

import pytest

from benchmarks import _document
from benchmarks._document import DOCUMENTS, MARKED, TABLES, Results, with_tables
from benchmarks._readme import commands

README = DOCUMENTS[0]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_those_of_the_results(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == with_tables(text), "run python -m benchmarks._document"


def test_every_table_is_shown() -> None:
    shown = [name for path in DOCUMENTS for _, name, _ in MARKED.findall(path.read_text())]
    assert sorted(shown) == sorted(TABLES)


def test_a_table_that_is_stale_is_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = [{"what": "time", "value": 2.5, "unit": "s"}]
    monkeypatch.setitem(TABLES, "x", lambda: f"{Results('n', figures).value('time')} s\n")
    text = "a\n<!-- table x -->\n1.5 s\n<!-- end -->\nb\n"
    assert with_tables(text) == text.replace("1.5", "2.5")
    with pytest.raises(KeyError, match="unknown"):
        with_tables(text.replace("table x", "table unknown"))


def test_a_figure_is_found_by_its_options() -> None:
    figures = [
        {"what": "time", "value": 1.0, "options": "--objective=ram"},
        {"what": "time", "value": 2.0},
        {"what": "size", "value": 3.0},
    ]
    found = Results("n", figures)
    assert found.value("time", "--objective=ram") == 1.0
    assert found.options("time", "--objective=ram") == "`--objective=ram`"
    assert found.options("size") == "the defaults"
    with pytest.raises(KeyError, match="has 2 figures 'time' : make bench-n"):
        found.value("time")
    with pytest.raises(KeyError, match="has 0 figures 'weight'"):
        found.value("weight")


SHOWN = """
    $ sparsec net
    first   1 B
    ..
    last  2 B
    $ sparsec run net
    ran

    behind a gap

text
"""


@pytest.mark.parametrize(
    ("printed", "stale"),
    [
        ("note\nfirst 1 B\nmiddle\nlast 2 B\n", []),
        ("first 1 B\nlast 3 B\n", ["    last  2 B"]),
        ("last 2 B\nfirst 1 B\n", ["    last  2 B"]),
    ],
)
def test_lines_that_are_no_longer_printed(printed: str, stale: list[str]) -> None:
    first, second = commands(SHOWN)
    assert (first.command, second.command) == ("sparsec net", "sparsec run net")
    assert list(first.stale(printed)) == stale
    assert second.lines == ("    ran", "    behind a gap")


def test_commands_of_the_readme() -> None:
    assert len(commands(README.read_text())) == len(
        re.findall(r"^    \$ ", README.read_text(), re.MULTILINE)
    )
    assert next(iter(commands(README.read_text()))).command == "make demo"


def test_no_other_place_has_a_table_of_figures() -> None:
    """What stands in README beside its tables is text, or what a command prints."""
    outside = MARKED.sub("", README.read_text())
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert not [row for row in rows if re.search(r"\d+\.\d+x|\d M /", row)]
    assert _document.ROOT == README.parent
