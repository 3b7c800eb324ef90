# SPDX-License-Identifier: Apache-2.0
"""Which candidates are not worth more training, with several goals as with one.

Optuna's pruners know one goal. The rule here: a candidate competes with the finished ones that are at least as good in every
goal that is known before training. If at this step of training it is less accurate than the middle one of them was, it is
given up: it would have to overtake half of those that dominate it as things stand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from sparsec.search.objectives import METRICS, PRICES, Objectives, Prices

RIVALS = 3
"""So many are needed before anything is given up."""


@dataclass(frozen=True)
class Finished:
    """What was trained to its end: its prices, and its accuracy after so many steps."""

    prices: Prices
    curve: Mapping[int, float]


def is_hopeless(
    objectives: Objectives,
    prices: Prices,
    steps: int,
    accuracy: float,
    finished: Sequence[Finished],
) -> bool:
    """Whether a candidate of these prices with this accuracy after so many steps is given up."""
    if "accuracy" not in objectives.goals:
        return False  # enough is enough: a limit says nothing before the end
    known = [goal for goal in objectives.goals if goal in PRICES]
    assert all(METRICS[goal] == "minimize" for goal in known)
    rivals = [
        each.curve[steps]
        for each in finished
        if steps in each.curve and all(each.prices.of(goal) <= prices.of(goal) for goal in known)
    ]
    return len(rivals) >= RIVALS and accuracy < median(rivals)
