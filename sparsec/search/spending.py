# SPDX-License-Identifier: Apache-2.0
"""What a study may spend and has spent, read off its trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparsec.search import trials as notes

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial


@dataclass(frozen=True)
class Budget:
    """What all workers of a study spend together: candidates, or steps of training; None has no bound."""

    trials: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.trials is None and self.steps is None:
            raise ValueError("a search needs an end: give trials or steps")
        for name, value in (("trials", self.trials), ("steps", self.steps)):
            if value is not None and value < 1:
                raise ValueError(f"a search takes one of its {name} or more, not {value}")

    def allows(self, spent: tuple[int, int], steps: int) -> bool:
        """Whether one more candidate of so many steps fits behind what is `spent`, trials and steps."""
        trials_fit = self.trials is None or spent[0] + 1 <= self.trials
        return trials_fit and (self.steps is None or spent[1] + steps <= self.steps)


def spent_by(trials: Sequence["FrozenTrial"], steps: int) -> tuple[int, int]:
    """What trials have used, and those that run may use: trials, and steps of training. What waits is for those who have
    more to spend."""
    count, total = 0, 0
    for trial in trials:
        attributes = trial.user_attrs
        if attributes.get(notes.WITHDRAWN) or trial.state.name == "WAITING":
            continue
        if trial.state.name == "FAIL" and attributes.get(notes.LOST):
            if _next_try(trial, trials):
                continue  # which counts
            # What killed its workers too often counts too, or a search of such candidates would never end.
            count, total = count + 1, total + steps
        elif trial.state.is_finished():
            count, total = count + 1, total + attributes.get(notes.RESULT, {}).get("steps", 0)
        else:
            count, total = count + 1, total + steps
    return count, total


def is_tried_again(trial: "Trial", before: Sequence["FrozenTrial"]) -> bool:
    """Whether two workers found the same lost trial, and what the other one put in its place comes first."""
    lost = trial.user_attrs.get(notes.RETRY_OF)
    return lost is not None and any(
        other.user_attrs.get(notes.RETRY_OF) == lost and not other.user_attrs.get(notes.WITHDRAWN)
        for other in before
    )


def is_orphan(trial: "FrozenTrial", trials: Sequence["FrozenTrial"]) -> bool:
    """Whether a trial was lost and nobody tries it again yet, though it may be tried again."""
    attributes = trial.user_attrs
    return (
        trial.state.name == "FAIL"
        and bool(attributes.get(notes.LOST))
        and not attributes.get(notes.WITHDRAWN)
        and int(attributes.get(notes.RETRIES, 0)) < notes.MAX_RETRIES
        and not _next_try(trial, trials)
    )


def _next_try(trial: "FrozenTrial", trials: Sequence["FrozenTrial"]) -> bool:
    """Whether another trial is the same once more."""
    return any(other.user_attrs.get(notes.RETRY_OF) == trial.number for other in trials)


def proposed(trial: "FrozenTrial") -> dict[str, Any]:
    """What was proposed, as far as that had come."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}
