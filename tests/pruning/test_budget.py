# SPDX-License-Identifier: Apache-2.0
"""Budgets against all choices there are."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.pruning.budget import Option, distribute

OPTIONS = st.lists(
    st.builds(Option, st.integers(0, 50), st.floats(0, 1)), min_size=1, max_size=4
).map(lambda options: [Option(60, 0.0), *options])


@given(st.lists(OPTIONS, min_size=1, max_size=4), st.integers(0, 240))
def test_the_limit_is_kept_and_no_single_change_is_better(
    layers: list[list[Option]], limit: int
) -> None:
    """Nor is any choice better by more than the last step, whose end the hull does not promise anything about."""
    all_choices = list(product(*[range(len(options)) for options in layers]))

    def cost(choice: tuple[int, ...] | list[int]) -> int:
        return sum(options[index].cost for options, index in zip(layers, choice, strict=True))

    def loss(choice: tuple[int, ...] | list[int]) -> float:
        return sum(options[index].loss for options, index in zip(layers, choice, strict=True))

    allowed = [choice for choice in all_choices if cost(choice) <= limit]
    if not allowed:
        with pytest.raises(ValueError, match="are allowed and the least"):
            distribute(layers, limit)
        return
    found = distribute(layers, limit)
    assert cost(found) <= limit
    best = min(map(loss, allowed))
    assert loss(found) <= best + max(option.loss for options in layers for option in options) + 1e-9
    for place, options in enumerate(layers):
        for index in range(len(options)):
            other = [*found[:place], index, *found[place + 1 :]]
            assert cost(other) > limit or loss(other) >= loss(found) - 1e-9


def test_what_costs_most_for_what_matters_least_goes_first() -> None:
    cheap = [Option(100, 0.0), Option(90, 0.5)]
    dear = [Option(1000, 0.0), Option(600, 0.1), Option(200, 0.4)]
    assert distribute([cheap, dear], 1100) == [0, 0]
    assert distribute([cheap, dear], 700) == [0, 1]
    assert distribute([cheap, dear], 300) == [0, 2]
    assert distribute([cheap, dear], 290) == [1, 2]
