# SPDX-License-Identifier: Apache-2.0
"""Spaces and candidates as text, what a search asks for, and what makes no sense."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.pruning.patterns import parse_pattern
from sparsec.pruning.plan import Share
from sparsec.search.space import (
    Candidate,
    Choice,
    Space,
    parse_candidate,
    parse_space,
)

LAYERS = ("conv1", "conv2", "fc")
TEXT = "conv*: unstructured|block(1x4) 0.3..0.95; fc: dense|nm(2:4); observer = min-max|mse"


class Answers:
    """Gives the last value, the middle of each range, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def category(self, name: str, values: Sequence[str]) -> str:
        self.asked.append(name)
        return values[-1]

    def ratio(self, name: str, low: float, high: float) -> float:
        self.asked.append(name)
        return (low + high) / 2


def test_a_space_is_read_and_asked_for_by_name() -> None:
    space = parse_space(TEXT, LAYERS)
    assert parse_space(space.text, LAYERS) == space
    answers = Answers()
    candidate = space.choose(answers)
    assert answers.asked == [
        *("conv1.pattern", "conv1.ratio", "conv2.pattern", "conv2.ratio"),
        *("fc.pattern", "observer"),
    ]
    block = Share(parse_pattern("block(1x4)"), 0.625)
    assert candidate == Candidate(
        {"conv1": block, "conv2": block, "fc": Share(parse_pattern("nm(2:4)"), 0.5)},
        {"observer": "mse"},
    )


def test_what_has_one_answer_is_not_asked() -> None:
    answers = Answers()
    space = parse_space("*: unstructured 0.5; fc: dense; bits = 8", LAYERS)
    assert space.choose(answers).text == (
        "conv1: unstructured 0.5; conv2: unstructured 0.5; bits = 8"
    )
    assert not answers.asked


def test_a_layer_that_stays_dense_is_not_in_the_candidate() -> None:
    space = parse_space("fc: unstructured|dense", LAYERS)
    assert space.choose(Answers()) == Candidate({})


RATIOS = st.floats(0, 1, exclude_max=True)
SHARES = st.builds(
    Share, st.sampled_from(["unstructured", "channels", "block(2x3)"]).map(parse_pattern), RATIOS
) | st.just(Share(parse_pattern("nm(2:4)"), 0.5))
CANDIDATES = st.builds(
    Candidate,
    st.dictionaries(st.sampled_from(LAYERS), SHARES),
    st.dictionaries(st.sampled_from(["observer", "width"]), st.sampled_from(["mse", "0.5"])),
)


@given(CANDIDATES)
def test_a_candidate_is_its_text(candidate: Candidate) -> None:
    assert parse_candidate(candidate.text) == candidate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv9: unstructured 0.1..0.9", "no layer with weights matches 'conv9'"),
        ("conv1 unstructured", "is no part of a space"),
        ("conv1: unstructured 0.9..0.1", "from low to high, not 0.9..0.1"),
        ("conv1: unstructured 0.1..1.0", "not 0.1..1"),
        ("conv1: unstructured a..b", "has no range of shares"),
        ("conv1: unstructured|unstructured", "each once"),
        ("conv1: magic 0.5", "magic"),
        ("observer = guess", "observer is one of min-max"),
        ("bits = 4", "there are kernels for 8 bits alone"),
        ("width = 0", "a multiplier of the channels above 0"),
        ("colour = red", "no setting 'colour'"),
        (" ; # nothing", "the space is empty"),
    ],
)
def test_what_is_no_space(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=".+") as error:
        parse_space(text, LAYERS)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_choice_has_patterns() -> None:
    with pytest.raises(ValueError, match="one pattern or more"):
        Choice(())
    with pytest.raises(ValueError, match="one value or more"):
        Space({}, {"observer": ()})
