"""The front against all choices there are, and its ends."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning.choice import (
    BudgetError,
    Choice,
    Option,
    balanced,
    fastest_within,
    front,
    smallest,
)

OPTIONS = st.builds(Option, st.integers(0, 30), st.integers(0, 30))
LAYERS = st.lists(st.lists(OPTIONS, min_size=1, max_size=4), max_size=5)


def all_choices(layers: list[list[Option]]) -> list[Choice]:
    return [
        Choice(
            picks,
            sum(options[pick].bytes for options, pick in zip(layers, picks, strict=True)),
            sum(options[pick].time for options, pick in zip(layers, picks, strict=True)),
        )
        for picks in product(*(range(len(options)) for options in layers))
    ]


@settings(max_examples=300, deadline=None)
@given(LAYERS, st.integers(0, 150))
def test_front_holds_the_best_of_all_choices(layers: list[list[Option]], budget: int) -> None:
    found, every = front(layers), all_choices(layers)
    assert all(choice in every for choice in found)
    pairs = {(choice.bytes, choice.time) for choice in every}
    best = {
        (size, time)
        for size, time in pairs
        if not any(s <= size and t <= time and (s, t) != (size, time) for s, t in pairs)
    }
    assert [(choice.bytes, choice.time) for choice in found] == sorted(best)
    fitting = [choice for choice in every if choice.bytes <= budget]
    if not fitting:
        with pytest.raises(BudgetError) as error:
            fastest_within(found, budget)
        assert error.value.least == min(choice.bytes for choice in every)
        return
    assert fastest_within(found, budget).time == min(choice.time for choice in fitting)
    assert smallest(found, budget).bytes == min(choice.bytes for choice in every)
    reference = Choice((), 20, 40)
    shares = [choice.bytes / 20 + choice.time / 40 for choice in fitting]
    taken = balanced(found, budget, reference)
    assert taken.bytes / 20 + taken.time / 40 == min(shares)


def test_without_layers_there_is_nothing_to_choose() -> None:
    assert front([]) == [Choice((), 0, 0)]


def test_a_layer_without_options_is_refused() -> None:
    with pytest.raises(ValueError, match="layer 1 has no option"):
        front([[Option(1, 1)], []])


def test_the_message_of_a_budget_names_the_smallest() -> None:
    with pytest.raises(BudgetError, match="no choice fits 3 bytes: the smallest takes 5"):
        smallest(front([[Option(5, 1), Option(6, 0)]]), 3)
