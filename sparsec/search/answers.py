# SPDX-License-Identifier: Apache-2.0
"""Candidates that somebody has in mind, as answers to what a space asks."""

from collections.abc import Sequence

from sparsec.pruning.plan import DENSE
from sparsec.search.space import Candidate, Space


class NotInSpace(ValueError):
    """The space does not hold the candidate."""


class _Recorder:
    """Answers as the candidate has it, and notes the answers."""

    def __init__(self, candidate: Candidate):
        self._candidate = candidate
        self.answers: dict[str, str | float] = {}

    def category(self, name: str, values: Sequence[str]) -> str:
        """The layer's pattern or the setting."""
        layer, dot, kind = name.rpartition(".")
        if dot and kind == "pattern":
            share = self._candidate.shares.get(layer)
            value = DENSE if share is None else share.pattern.label
            if share is None and DENSE not in values:
                value = values[0]  # with a share of nothing
        else:
            value = self._candidate.settings.get(name, values[0])
        if value not in values:
            raise NotInSpace(f"{name} is no {value}")
        self.answers[name] = value
        return value

    def ratio(self, name: str, low: float, high: float) -> float:
        """The layer's share of zeros."""
        share = self._candidate.shares.get(name.rpartition(".")[0])
        ratio = 0.0 if share is None else share.ratio
        if not low <= ratio <= high:
            raise NotInSpace(f"{name} is not within {low:g}..{high:g}")
        self.answers[name] = ratio
        return ratio


def answers_of(space: Space, candidate: Candidate) -> dict[str, str | float] | None:
    """What to answer so that `space.choose` gives `candidate`, settings apart that it does not say; None where it holds no
    such candidate."""
    recorder = _Recorder(candidate)
    try:
        chosen = space.choose(recorder)
    except NotInSpace:
        return None
    return recorder.answers if bare(chosen).shares == bare(candidate).shares else None


def bare(candidate: Candidate) -> Candidate:
    """Without the layers that lose nothing."""
    kept = {name: share for name, share in candidate.shares.items() if share.ratio > 0}
    return Candidate(kept, candidate.settings)
