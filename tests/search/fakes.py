# SPDX-License-Identifier: Apache-2.0
"""A network that is never trained: its figures are formulas of the shares of zeros."""

import time
from collections.abc import Callable
from pathlib import Path

from sparsec.search.objectives import Objectives, Prices
from sparsec.search.outcome import Outcome
from sparsec.search.space import Candidate, parse_space

LAYERS = ("a", "b", "c")
SPACE = parse_space("a: unstructured 0..0.9; b: dense|unstructured 0.2..0.9; c: nm(2:4)", LAYERS)
STEPS, EPOCH = 40, 10


class Fake:
    """Zeros save cycles and flash in step, and accuracy falls with their square; each epoch takes `seconds`."""

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds
        self.trained: list[str] = []
        self.began: Callable[[Candidate], None] = lambda candidate: None

    @property
    def dense(self) -> Prices:
        return self.prices(Candidate({}))

    @property
    def steps(self) -> int:
        return STEPS

    def prices(self, candidate: Candidate) -> Prices:
        left = 1 - sum(share.ratio for share in candidate.shares.values()) / len(LAYERS)
        return Prices(
            *(round(scale * left) for scale in (100_000, 90_000, 20_000)),
            ram=4096,
            macs=10**6,
            weights=1000,
            nonzeros=round(1000 * left),
        )

    def accuracy(self, candidate: Candidate) -> float:
        lost = sum(share.ratio**2 for share in candidate.shares.values()) / len(LAYERS)
        return 0.9 - 0.4 * lost

    def tried(
        self,
        candidate: Candidate,
        objectives: Objectives,
        *,
        hopeless: Callable[[int, float], bool],
        folder: Path | None,
    ) -> Outcome:
        prices = self.prices(candidate)
        broken = objectives.broken(prices, self.dense)
        if broken:
            return Outcome(candidate, prices, refused=broken[0][0].text)
        self.began(candidate)
        self.trained.append(candidate.text)
        for steps in range(EPOCH, STEPS, EPOCH):
            time.sleep(self.seconds)
            reached = self.accuracy(candidate) * (0.5 + 0.5 * steps / STEPS)
            if hopeless(steps, reached):
                return Outcome(candidate, prices, reached, steps, stopped=True)
        return Outcome(candidate, prices, self.accuracy(candidate), STEPS)
