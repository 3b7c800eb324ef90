# SPDX-License-Identifier: Apache-2.0
"""What became of a candidate."""

from dataclasses import dataclass

from sparsec.search.objectives import Prices
from sparsec.search.space import Candidate


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate. `refused` says which limit it breaks; it was not trained then and has no accuracy."""

    candidate: Candidate
    prices: Prices
    accuracy: float | None = None
    steps: int = 0
    refused: str = ""
    stopped: bool = False

    def value(self, metric: str) -> float:
        """A figure by its name; the accuracy of what was refused is 0."""
        return (self.accuracy or 0.0) if metric == "accuracy" else self.prices.of(metric)
