# SPDX-License-Identifier: Apache-2.0
"""AMC as an engine of a study: the agent proposes, the study tries as it tries what samplers propose, and remembers.

The one rule: the agent is the same for the same seed, so one that is asked again walks over what the study knows already.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from sparsec.search.amc.costs import CompiledCosts, Costs, MacCosts
from sparsec.search.amc.protocols import Protocol
from sparsec.search.amc.search import Judged, search
from sparsec.search.amc.walks import Walk
from sparsec.search.objectives import Objectives, Prices
from sparsec.search.space import Candidate
from sparsec.search.spending import Budget
from sparsec.search.store import Store
from sparsec.search.study import AMC, Study, Trier

if TYPE_CHECKING:
    from sparsec.search.amc.agent import AgentSettings


class _Spent(Exception):
    """The budget of the study is spent."""


def costs_of(walk: Walk, metric: str, prices: Callable[[nn.Module], Prices]) -> Costs:
    """What a protocol counts, of networks that are made on the way."""
    return MacCosts(walk) if metric == "macs" else CompiledCosts(walk, prices, metric)


def check_protocol(
    protocol: Protocol, density: float, objectives: Objectives, dense: Prices
) -> None:
    """ValueError where what the protocol leads to breaks a limit, or there is no such density."""
    if not 0 < density <= 1:
        raise ValueError(f"a density is above 0 and at most 1, not {density:g}")
    for limit in objectives.limits:
        whole = dense.of(protocol.metric)
        if limit.metric == protocol.metric and limit.excess(density * whole, whole) > 0:
            raise ValueError(
                f"{protocol.text} at a density of {density:g} leads to {density * whole:,.0f} {limit.metric}, which breaks "
                f"{limit.text}: make them agree"
            )


def settings_for(episodes: int, seed: int) -> "AgentSettings":
    """The agent's, with a quarter of the episodes as warm-up as in AMC."""
    from sparsec.search.amc.agent import AgentSettings

    warmup = min(100, episodes // 4)
    return AgentSettings(
        warmup=warmup, num_training_episodes=max(episodes - warmup, 1), bsize=16, seed=seed
    )


def walk_in(
    study: Study,
    trier: Trier,
    walk: Walk,
    costs: Costs,
    protocol: Protocol,
    density: float,
    settings: "AgentSettings",
    budget: Budget,
    *,
    store: Store | None = None,
    folder: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> str:
    """Let the agent walk until its episodes are over or the budget is spent; why it ended. Raises ValueError."""

    def judge(model: nn.Module, candidate: Candidate) -> Judged:
        tried = study.judged(
            candidate, AMC, trier, budget, store=store, folder=folder, progress=progress
        )
        if tried is None:
            raise _Spent
        return Judged(tried.accuracy or 0.0)

    try:
        search(walk, costs, protocol, density, judge, settings)
    except _Spent:
        return "the budget is spent"
    return "the agent has walked all its episodes"
