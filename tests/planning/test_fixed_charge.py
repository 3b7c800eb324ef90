# SPDX-License-Identifier: Apache-2.0
"""The cheapest options against all combinations."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning import fixed_charge
from sparsec.planning.fixed_charge import Priced, cheapest

PRICES: dict[Any, int] = {"a": 7, "b": 30, "c": 3, "d": 11, "e": 19, "f": 0}
OPTIONS = st.builds(
    Priced,
    st.integers(0, 30),
    st.frozensets(st.sampled_from(list(PRICES)), max_size=3),
)
LAYERS = st.lists(st.lists(OPTIONS, min_size=1, max_size=4), max_size=6)


def total(layers: list[list[Priced]], picks: tuple[int, ...]) -> int:
    taken = [options[pick] for options, pick in zip(layers, picks, strict=True)]
    needed = frozenset[Any]().union(*(option.needs for option in taken))
    return sum(option.cost for option in taken) + sum(PRICES[name] for name in needed)


@settings(max_examples=300)
@given(LAYERS)
def test_nothing_is_cheaper(layers: list[list[Priced]]) -> None:
    every = product(*(range(len(options)) for options in layers))
    assert total(layers, cheapest(layers, PRICES)) == min(total(layers, picks) for picks in every)


def test_what_pays_for_many_layers_pays_for_none_alone() -> None:
    """A kernel of 30 saves 4 in each layer."""
    layer = [Priced(10), Priced(6, frozenset("b"))]
    assert cheapest([layer] * 7, PRICES) == (0,) * 7
    assert cheapest([layer] * 8, PRICES) == (1,) * 8


def test_one_dense_layer_keeps_its_kernel() -> None:
    """Where it is linked anyway others may use it."""
    either = [Priced(10, frozenset("d")), Priced(6, frozenset("b"))]
    assert cheapest([either] * 2, PRICES) == (0, 0)
    assert cheapest([either] * 6, PRICES) == (1,) * 6
    assert cheapest([[Priced(1, frozenset("d"))], *[either] * 6], PRICES) == (0,) * 7


def test_of_equals_the_first_is_taken() -> None:
    assert cheapest([[Priced(3), Priced(2), Priced(2)]], {}) == (1,)
    assert cheapest([], {}) == ()


def test_a_layer_without_options_is_refused() -> None:
    with pytest.raises(ValueError, match="layer 1 has no option"):
        cheapest([[Priced(1)], []], {})


def test_a_search_that_is_cut_short_has_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_charge, "MAX_NODES", 1)
    layers = [[Priced(9), Priced(n, frozenset("bd"))] for n in range(9)]
    assert total(layers, cheapest(layers, PRICES)) <= 2 * 81
