# SPDX-License-Identifier: Apache-2.0
"""The front against all choices there are, and its ends."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning.choice import Choice, Option, front

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


@settings(max_examples=300)
@given(LAYERS)
def test_front_holds_the_best_of_all_choices(layers: list[list[Option]]) -> None:
    found, every = front(layers), all_choices(layers)
    assert all(choice in every for choice in found)
    pairs = {(choice.bytes, choice.time) for choice in every}
    best = {
        (size, time)
        for size, time in pairs
        if not any(s <= size and t <= time and (s, t) != (size, time) for s, t in pairs)
    }
    assert [(choice.bytes, choice.time) for choice in found] == sorted(best)


SHARED: dict[Any, int] = {"a": 7, "b": 3, "c": 3, "d": 11, "e": 0}
SHARING = st.builds(
    Option,
    st.integers(0, 20),
    st.integers(0, 30),
    st.frozensets(st.sampled_from(list(SHARED)), max_size=3),
)


def pairs_of(layers: list[list[Option]]) -> set[tuple[int, int]]:
    """(bytes, time) of every choice, what several options share counted once."""
    pairs: set[tuple[int, int]] = set()
    for options in product(*layers):
        stored = frozenset[Any]().union(*(option.shared for option in options))
        size = sum(option.bytes for option in options) + sum(SHARED[name] for name in stored)
        pairs.add((size, sum(option.time for option in options)))
    return pairs


def best_of(pairs: set[tuple[int, int]]) -> list[tuple[int, int]]:
    return sorted(
        (size, time)
        for size, time in pairs
        if not any(s <= size and t <= time and (s, t) != (size, time) for s, t in pairs)
    )


@settings(max_examples=300)
@given(st.lists(st.lists(SHARING, min_size=1, max_size=4), max_size=5))
def test_what_options_share_counts_once_and_only_if_one_is_taken(
    layers: list[list[Option]],
) -> None:
    found = front(layers, SHARED)
    assert [(choice.bytes, choice.time) for choice in found] == best_of(pairs_of(layers))
    for each in found:
        taken = [options[pick] for options, pick in zip(layers, each.picks, strict=True)]
        assert {(each.bytes, each.time)} == pairs_of([[option] for option in taken])


def test_more_shared_arrays_than_are_told_apart() -> None:
    """Each of twelve layers may share an array of its own with the last, which takes all: bytes are never too few."""
    sizes = {number: 10 + number for number in range(12)}
    layers = [[Option(0, 2, frozenset([number])), Option(9, 1)] for number in sizes]
    layers.append([Option(0, 0, frozenset(sizes))])
    found = front(layers, sizes)
    assert found[0].bytes in range(sum(sizes.values()), sum(sizes.values()) + 10 + 11 + 12 + 13 + 1)
    for each in found:
        own = sum(9 for pick in each.picks[:12] if pick)
        assert each.bytes >= own + sum(sizes.values())


def test_without_layers_there_is_nothing_to_choose() -> None:
    assert front([]) == [Choice((), 0, 0)]


def test_a_layer_without_options_is_refused() -> None:
    with pytest.raises(ValueError, match="layer 1 has no option"):
        front([[Option(1, 1)], []])
