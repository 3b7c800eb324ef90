# SPDX-License-Identifier: Apache-2.0
"""Uniform and greedy candidates of a small network, and what no candidate of a space can do."""

from dataclasses import replace

import pytest
import torch

from sparsec.compress.data import Samples
from sparsec.search.baselines import cheapest, check_feasible, greedy, look, uniform
from sparsec.search.objectives import parse_objectives
from sparsec.search.space import Candidate, parse_candidate, parse_space
from sparsec.search.subject import Subject
from sparsec.tools.chip import Chip
from tests.search.test_subject import network

LAYERS = ("0", "4", "8")
SPACE = parse_space("0: dense|unstructured 0.2..0.9; 4: unstructured|channels 0..0.9", LAYERS)


@pytest.fixture(scope="module")
def subject() -> Subject:
    torch.manual_seed(0)
    data = Samples(torch.rand(16, 1, 8, 8), torch.arange(16) % 2, 16)
    chip = Chip([data.inputs], ["--target=cortex-m4"])
    return Subject(network().eval(), [data.inputs], data, data, chip, int8=False)


def test_uniform_is_the_same_everywhere() -> None:
    texts = [each.text for each in uniform(SPACE, (0.5, 0.95))]
    assert texts == [
        "0: unstructured 0.5; 4: unstructured 0.5",
        "4: channels 0.5",  # 0 may not have it, and stays dense
        "0: unstructured 0.9; 4: unstructured 0.9",
        "4: channels 0.9",
    ]
    mixed = parse_space("0: nm(2:4); 8: unstructured 0.1..0.2; observer = mse|min-max", LAYERS)
    assert [each.text for each in uniform(mixed, (0.5,))] == [
        "0: nm(2:4); 8: unstructured 0.2; observer = mse"
    ]


def test_greedy_keeps_what_it_is_asked_to(subject: Subject) -> None:
    objectives = parse_objectives("accuracy,cycles", ["flash<=0.85x"])
    looks = look(subject, SPACE, (0.5, 0.9))
    assert [each.share is None for each in looks["0"]] == [True, False, False]
    assert all(each.lost >= 0 for of_layer in looks.values() for each in of_layer)
    found = greedy(subject, SPACE, objectives, looks, (0.8, 0.7))
    dense = subject.dense
    assert subject.prices(found[0]).flash <= 0.85 * dense.flash
    cycles = [subject.prices(each).cycles / dense.cycles for each in found]
    assert min(cycles) <= 0.7
    assert all(set(each.shares) <= {"0", "4"} for each in found)
    # Where every look loses nothing, the cheapest is taken; what loses most stays as it is.
    lossy = {
        "0": [replace(each, lost=1.0 if each.share else 0.0) for each in looks["0"]],
        "4": [replace(each, lost=0.0) for each in looks["4"]],
    }
    (candidate,) = greedy(subject, SPACE, parse_objectives("flash"), lossy, (0.8,))
    assert "0" not in candidate.shares and candidate.shares["4"].ratio >= 0.5
    assert greedy(subject, SPACE, parse_objectives("flash"), lossy, (0.01,)) == []


def test_a_space_without_a_candidate_says_what_would_do(subject: Subject) -> None:
    least = min(
        subject.prices(each).flash
        for each in (
            cheapest(subject, SPACE, "flash"),
            parse_candidate("0: unstructured 0.9; 4: unstructured 0.9"),
        )
    )
    with pytest.raises(ValueError, match=r"keeps flash <= 1024") as error:
        check_feasible(subject, SPACE, parse_objectives("accuracy", ["flash<=1K"]))
    assert f"the smallest flash in it is {least:,}" in str(error.value)
    check_feasible(subject, SPACE, parse_objectives("accuracy", [f"flash<={least}"]))
    with pytest.raises(ValueError, match=r"keeps cycles <= 0.01x.*\(0\.\d{3}x\)"):
        check_feasible(subject, SPACE, parse_objectives("accuracy", ["cycles<=0.01x"]))
    check_feasible(subject, SPACE, parse_objectives("accuracy", ["ram<=1x"]))


def test_prices_are_asked_for_once(subject: Subject) -> None:
    class Counting:
        """Says how often it was asked."""

        count = 0

        def prices(self, model: object, settings: object) -> object:
            self.count += 1
            return subject.dense

    counting = Counting()
    counted = replace(subject, compiler=counting)
    assert counted.prices(Candidate({})) is counted.prices(Candidate({})) is counted.dense
    assert counting.count == 1
