# SPDX-License-Identifier: Apache-2.0
"""What an agent walks over: a step for each listed layer, with the shares of it that can go, and their MACs.

The one rule: MACs are those of the network that `made` gives, to the last one, so that a protocol that is kept here is
kept there. A step's level is an index into its shares, -1 before it was decided: nothing goes.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from sparsec.pruning.plan import Share
from sparsec.search.amc.facts import Facts
from sparsec.search.space import Candidate

EPSILON = 1e-9
"""Shares that are the same but for rounding."""


@dataclass(frozen=True)
class Step:
    """A decision: the `layers` that get the same share, and what they can get, the smallest share first."""

    layers: tuple[str, ...]
    facts: Facts
    """Of the first layer, with the MACs and weights of all."""
    shares: tuple[Share | None, ...]
    low: float
    high: float

    @cached_property
    def ratios(self) -> tuple[float, ...]:
        """Of the shares."""
        return tuple(0.0 if share is None else share.ratio for share in self.shares)

    def level(self, action: float) -> int:
        """The largest share that is no more than what an agent wants, or the smallest there is."""
        return max(bisect_right(self.ratios, action + EPSILON) - 1, 0)


class Walk(ABC):
    """The steps over a network, and the candidates that they lead to."""

    def __init__(self, model: nn.Module, steps: Sequence[Step], facts: Mapping[str, Facts]) -> None:
        self.model = model
        self.steps = tuple(steps)
        self.facts = facts

    @cached_property
    def highest(self) -> tuple[int, ...]:
        """The levels at which most goes."""
        return tuple(len(step.shares) - 1 for step in self.steps)

    def candidate(self, levels: Sequence[int]) -> Candidate:
        """What each layer loses."""
        shares: dict[str, Share] = {}
        for step, level in zip(self.steps, levels, strict=True):
            share = None if level < 0 else step.shares[level]
            if share is not None and share.ratio > 0:
                shares |= dict.fromkeys(step.layers, share)
        return Candidate(shares)

    @abstractmethod
    def macs(self, levels: Sequence[int]) -> int:
        """Of the network at these levels."""

    @abstractmethod
    def made(self, levels: Sequence[int]) -> nn.Module:
        """A copy of the network with what goes gone."""

    @abstractmethod
    def counted(self, model: nn.Module) -> int:
        """The MACs of a network that was made."""
