# SPDX-License-Identifier: Apache-2.0
"""Samplers of Optuna that begin anew at each trial, from the seed and its number.

Several workers with one seed propose different candidates then, and a study that was resumed the same ones.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from optuna.samplers import (
    BaseSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)

from sparsec.quiet import only_our_messages

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

POPULATION = 16
"""Of the genetic ones; Optuna's own 50 are more than most budgets of training have."""

_MAKERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "nsga2": lambda seed: NSGAIISampler(seed=seed, population_size=POPULATION),
    "nsga3": lambda seed: NSGAIIISampler(seed=seed, population_size=POPULATION),
}


class Seeded(BaseSampler):
    """The sampler of an engine; of those that are lists or chance, a random one."""

    def __init__(self, engine: str, seed: int):
        self._make = _MAKERS.get(engine, lambda seed: RandomSampler(seed=seed))
        self._seed = seed
        self._number: int | None = None
        self._inner: BaseSampler = RandomSampler()

    def _for(self, trial: "FrozenTrial") -> BaseSampler:
        if trial.number != self._number:
            digest = sha256(f"{self._seed} {trial.number}".encode()).digest()
            with only_our_messages():  # NSGA-III is called experimental
                self._inner = self._make(int.from_bytes(digest[:4], "big"))
            self._number = trial.number
        return self._inner

    def infer_relative_search_space(
        self, study: "Study", trial: "FrozenTrial"
    ) -> dict[str, "BaseDistribution"]:
        """Of the sampler for this trial."""
        return self._for(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: "Study", trial: "FrozenTrial", search_space: dict[str, "BaseDistribution"]
    ) -> dict[str, Any]:
        """Of the sampler for this trial."""
        return self._for(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: "Study",
        trial: "FrozenTrial",
        param_name: str,
        param_distribution: "BaseDistribution",
    ) -> Any:
        """Of the sampler for this trial."""
        return self._for(trial).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: "Study", trial: "FrozenTrial") -> None:
        """Of the sampler for this trial."""
        self._for(trial).before_trial(study, trial)

    def after_trial(
        self,
        study: "Study",
        trial: "FrozenTrial",
        state: "TrialState",
        values: Sequence[float] | None,
    ) -> None:
        """Of the sampler for this trial."""
        self._for(trial).after_trial(study, trial, state, values)
