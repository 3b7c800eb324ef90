# SPDX-License-Identifier: Apache-2.0
"""Goals and limits as text, what a candidate exceeds, and which candidates nobody dominates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.search.objectives import Objectives, Prices, parse_objectives

DENSE = Prices(1000, 900, 20_000, 8192, 5000, 600, 600)
SMALL = Prices(400, 350, 10_000, 4096, 2000, 300, 100)


def test_limits_are_absolute_or_of_the_dense_network() -> None:
    objectives = parse_objectives(
        "accuracy, cycles", ["flash<=15_000", "ram <= 4K", "cycles<=0.35x", "accuracy>=0.8"]
    )
    assert objectives.directions == ("maximize", "minimize")
    assert (
        objectives.text
        == "accuracy, cycles, flash <= 15000, ram <= 4096, cycles <= 0.35x, accuracy >= 0.8"
    )
    assert [
        (limit.metric, round(excess, 6)) for limit, excess in objectives.broken(SMALL, DENSE)
    ] == [("cycles", round(400 / 350 - 1, 6))]
    assert [limit.metric for limit, _ in objectives.broken(DENSE, DENSE)] == [
        *("flash", "ram", "cycles"),
    ]


@pytest.mark.parametrize(
    ("goals", "limits", "message"),
    [
        ("", [], "needs a goal"),
        ("speed", [], "no goal 'speed'"),
        ("cycles,cycles", [], "given twice"),
        ("cycles", ["flash"], "is no limit: write e.g."),
        ("cycles", ["flash>=3"], "written with <="),
        ("cycles", ["accuracy<=0.5"], "written with >="),
        ("cycles", ["accuracy>=85"], "a share of right answers"),
        ("cycles", ["speed<=3"], "nothing called 'speed'"),
        ("cycles", ["flash<=1.2.3"], "is no number"),
        ("cycles", ["flash<=1K", "flash<=0.5x"], "flash is limited twice"),
    ],
)
def test_what_says_nothing_known(goals: str, limits: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=".+") as error:
        parse_objectives(goals, limits)
    assert message in str(error.value)


PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(PAIRS)
def test_the_front_is_what_nobody_dominates(values: list[tuple[int, int]]) -> None:
    front = Objectives(("accuracy", "cycles")).front(values)
    for index, (accuracy, cycles) in enumerate(values):
        dominated = any(
            a >= accuracy and c <= cycles and (a, c) != (accuracy, cycles) for a, c in values
        )
        assert (index in front) is not dominated
