# SPDX-License-Identifier: Apache-2.0
"""A search by AMC: episodes one after the other, the best kept, each on disk before the next.

The one rule: the agent is the same each time for the same seed, so a search that goes on walks again over the episodes
that it knows, without asking what they are worth, and comes to what it would have come to.
"""

import random
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from sparsec.search.amc.costs import Costs
from sparsec.search.amc.journal import Journal
from sparsec.search.amc.protocols import Protocol
from sparsec.search.amc.walks import Walk
from sparsec.search.space import Candidate

if TYPE_CHECKING:
    from sparsec.search.amc.agent import AgentSettings
    from sparsec.search.amc.environment import Walked


@dataclass(frozen=True)
class Judged:
    """What a candidate is worth: a share of right answers, and what else is to be kept of it."""

    accuracy: float
    more: Mapping[str, float | None] = field(default_factory=dict[str, float | None])


@dataclass(frozen=True)
class Episode:
    """What came of an episode; `density` is its cost as a part of the dense network's."""

    number: int
    levels: tuple[int, ...]
    candidate: Candidate
    judged: Judged
    cost: float
    density: float
    reward: float
    is_best: bool


class _Library:
    """stable-baselines3 and gymnasium, where they are installed."""

    def __init__(self) -> None:
        try:
            from sparsec.search.amc.agent import Agent
            from sparsec.search.amc.environment import Environment
        except ModuleNotFoundError as error:
            raise ValueError(
                f"{error.name} is not installed: AMC takes pip install sparsec[search]"
            ) from None
        self.agent, self.environment = Agent, Environment


def search(
    walk: Walk,
    costs: Costs,
    protocol: Protocol,
    target: float,
    judge: Callable[[nn.Module, Candidate], Judged],
    settings: "AgentSettings",
    *,
    folder: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    on_episode: Callable[[Episode], None] = lambda episode: None,
) -> list[Episode]:
    """All episodes, the warm-up first.

    `judge` is asked once for each candidate. `on_episode` hears of each episode.
    `folder` keeps the episodes; the same search goes on there, one with another `identity` is refused. Raises ValueError
    where the target cannot be kept or the library is missing; OSError. What `judge` raises ends the search.
    """
    library = _Library()
    journal = None
    if folder is not None:
        journal = Journal(
            folder,
            {
                "protocol": protocol.text,
                "target": target,
                "agent": asdict(settings),
                "steps": [f"{', '.join(step.layers)} {_range(step.ratios)}" for step in walk.steps],
                "whole": costs.whole,
                **(identity or {}),
            },
        )
    known = {} if journal is None else _known(journal, len(walk.steps))
    written = 0 if journal is None else len(journal.rows)
    episodes: list[Episode] = []
    best = -float("inf")

    def worth(levels: tuple[int, ...]) -> float:
        if levels not in known:
            with undisturbed():
                known[levels] = judge(walk.made(levels), walk.candidate(levels))
        return known[levels].accuracy

    def ended(walked: "Walked") -> None:
        nonlocal best
        judged = known[walked.levels]
        episode = Episode(
            len(episodes),
            walked.levels,
            walk.candidate(walked.levels),
            judged,
            walked.cost,
            walked.cost / costs.whole,
            walked.reward,
            walked.reward > best,
        )
        best = max(best, walked.reward)
        episodes.append(episode)
        if journal is not None and episode.number >= written:
            row = {"episode": episode.number, "levels": walked.levels, **asdict(judged)}
            journal.add(row | {"cost": walked.cost, "reward": walked.reward})
        with undisturbed():
            on_episode(episode)

    environment = library.environment(walk, costs, protocol, target, worth, ended)
    agent = library.agent(environment, len(walk.steps), settings)
    agent.learn(settings.episodes * len(walk.steps))
    return episodes


def _known(journal: Journal, steps: int) -> dict[tuple[int, ...], Judged]:
    found: dict[tuple[int, ...], Judged] = {}
    for number, row in enumerate(journal.rows):
        try:
            levels = tuple(int(level) for level in row["levels"])
            found[levels] = Judged(float(row["accuracy"]), dict(row["more"]))
        except (KeyError, TypeError, ValueError):
            levels = ()
        if len(levels) != steps:
            raise ValueError(f"line {number + 2} of {journal.path} is no episode of this search")
    return found


def _range(ratios: tuple[float, ...]) -> str:
    return f"{ratios[0]:g}..{ratios[-1]:g} in {len(ratios)}"


@contextmanager
def undisturbed() -> Generator[None]:
    """The generators of random numbers are afterwards as they were: whoever draws from them does not change the agent."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
