# SPDX-License-Identifier: Apache-2.0
"""How the share of zeros grows while a network is trained."""

from dataclasses import dataclass

from sparsec.pruning.masks import check_ratio


@dataclass(frozen=True)
class Gradual:
    """Nothing for `stable` iterations, then in `steps` equal parts of `pruning` iterations ever less more, then `tuning`
    iterations at the `target`.

    The ratio of step i of 0..steps-1 is initial + (target - initial) * ((i / steps - 1)^3 + 1), the cubic schedule of Zhu
    and Gupta (2017), "To prune, or not to prune", as PaddleSlim steps it; the target itself is that of the tuning phase.
    """

    target: float
    stable: int = 0
    pruning: int = 1
    tuning: int = 0
    steps: int = 1
    initial: float = 0.15

    def __post_init__(self) -> None:
        check_ratio(self.target)
        if not 0 <= self.initial <= self.target:
            raise ValueError(
                f"the initial ratio {self.initial:g} is not within 0 and the target {self.target:g}"
            )
        if (
            min(self.stable, self.tuning) < 0
            or self.pruning < 1
            or not 1 <= self.steps <= self.pruning
        ):
            raise ValueError(
                f"of {self.stable} stable, {self.pruning} pruning and {self.tuning} tuning iterations the pruning ones "
                f"must be at least as many as the {self.steps} steps"
            )

    @property
    def iterations(self) -> int:
        """Of all phases."""
        return self.stable + self.pruning + self.tuning

    @property
    def ratios(self) -> list[float]:
        """Of each step."""
        more = self.target - self.initial
        return [self.initial + more * ((i / self.steps - 1) ** 3 + 1) for i in range(self.steps)]

    def ratio(self, iteration: int) -> float:
        """Of zeros in iteration 0, 1, ..; it never falls, and is the target from the end of the pruning phase on."""
        within = iteration - self.stable
        if within < 0:
            return 0.0
        period = self.pruning // self.steps
        step = within // period
        return self.target if within >= self.pruning or step >= self.steps else self.ratios[step]

    def changes(self, iteration: int) -> bool:
        """Whether masks are to be found anew before this iteration."""
        return iteration == 0 or self.ratio(iteration) != self.ratio(iteration - 1)


@dataclass(frozen=True)
class OneShot:
    """All at once, at the start."""

    target: float

    def __post_init__(self) -> None:
        check_ratio(self.target)

    def ratio(self, iteration: int) -> float:
        """The target."""
        return self.target

    def changes(self, iteration: int) -> bool:
        """At the start."""
        return iteration == 0
