# SPDX-License-Identifier: Apache-2.0
"""The agent as an engine of a study: within the budget, within its protocol, the same when it is asked again."""

from pathlib import Path

import pytest

from sparsec.search.amc.in_studies import check_protocol, costs_of, settings_for, walk_in
from sparsec.search.amc.protocols import Protocol
from sparsec.search.objectives import parse_objectives
from sparsec.search.space import parse_space
from sparsec.search.spending import Budget
from sparsec.search.study import Pace, Study
from tests.search.amc.test_search import walk
from tests.search.fakes import STEPS, Fake

SPACE = parse_space("[024]: unstructured 0..0.95", ["0", "2", "4", "6"])


def study(folder: Path, name: str = "s") -> Study:
    goals = parse_objectives("accuracy,macs")
    return Study(f"journal:{folder}/j", name, SPACE, goals, {}, engine="amc", pace=Pace(look=0.05))


def walked(found: Study, budget: Budget, fake: Fake, episodes: int = 12) -> str:
    over, protocol = walk(), Protocol()
    costs = costs_of(over, "macs", lambda model: fake.dense)
    return walk_in(found, fake, over, costs, protocol, 0.5, settings_for(episodes, 1), budget)


def test_an_agent_proposes_and_goes_on(tmp_path: Path) -> None:
    fake, over = Fake(), walk()
    found = study(tmp_path)
    assert walked(found, Budget(trials=5), fake) == "the budget is spent"
    assert len(fake.trained) == len(found.results()) == 5
    again = study(tmp_path)
    assert walked(again, Budget(trials=50), fake).startswith("the agent has walked")
    results = again.results()
    assert len(results) == len({each.candidate.text for each in results}) == len(fake.trained)
    assert {each.origin for each in results} == {"amc"}
    other = study(tmp_path, "at once")
    walked(other, Budget(trials=50, steps=50 * STEPS), Fake())
    assert [each.candidate for each in other.results()] == [each.candidate for each in results]
    whole = over.macs([-1] * 3)
    for each in results:
        levels = [
            0
            if (share := each.candidate.shares.get(name)) is None
            else step.ratios.index(share.ratio)
            for name, step in zip("024", over.steps, strict=True)
        ]
        assert over.macs(levels) <= 0.5 * whole  # what the protocol promises


def test_a_protocol_that_contradicts_a_limit() -> None:
    dense = Fake().dense
    tight = parse_objectives("accuracy", ["cycles<=0.4x"])
    check_protocol(Protocol(metric="cycles"), 0.4, tight, dense)
    check_protocol(Protocol(), 0.9, tight, dense)
    with pytest.raises(
        ValueError, match="at a density of 0.5 leads to 50,000 cycles, which breaks"
    ):
        check_protocol(Protocol(metric="cycles"), 0.5, tight, dense)
    with pytest.raises(ValueError, match="a density is above 0"):
        check_protocol(Protocol(), 1.5, tight, dense)
