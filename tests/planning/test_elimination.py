# SPDX-License-Identifier: Apache-2.0
"""The cheapest choice is what trying all gives, and long chains and many joins take no time."""

from itertools import product
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.planning.elimination import Factor, cheapest_choice


def looked_up(variables: tuple[int, ...], costs: dict[tuple[int, ...], int]) -> Factor:
    def cost(*choice: int) -> float:
        return costs[choice]

    return Factor(variables, cost)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], list[Factor]]:
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
    factors: list[Factor] = []
    for _ in range(draw(st.integers(1, 7))):
        some = st.lists(st.integers(0, len(sizes) - 1), unique=True, max_size=3)
        variables = tuple(draw(some))
        choices = list(product(*(range(sizes[each]) for each in variables)))
        costs = draw(st.lists(st.integers(0, 9), min_size=len(choices), max_size=len(choices)))
        factors.append(looked_up(variables, dict(zip(choices, costs, strict=True))))
    return sizes, factors


def total(choice: tuple[int, ...], factors: list[Factor]) -> float:
    return sum(factor.cost(*(choice[each] for each in factor.variables)) for factor in factors)


@given(problems())
def test_it_is_what_trying_all_gives(problem: tuple[list[int], list[Factor]]) -> None:
    sizes, factors = problem
    choice, cost = cheapest_choice(sizes, factors)
    assert cost == total(tuple(choice), factors)
    assert cost == min(total(each, factors) for each in product(*map(range, sizes)))


def test_a_chain_of_joins_takes_no_table_of_more_than_three() -> None:
    """Each variable is read by the next and the one after it, as residual networks do."""
    sizes = [3] * 300
    costs = {
        (a, b, c): abs(a - b) + 2 * (c == a) + (b == 1)
        for a, b, c in product(range(3), range(3), range(3))
    }
    factors = [looked_up((i, i + 1, i + 2), costs) for i in range(298)]
    choice, cost = cheapest_choice(sizes, factors)
    assert cost == total(tuple(choice), factors)


def impossible(choice: int) -> float:
    return inf


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match="no choice is possible"):
        cheapest_choice([1], [Factor((0,), impossible)])
