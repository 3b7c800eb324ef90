# SPDX-License-Identifier: Apache-2.0
"""What a core predicts wrongly of branches that follow weights: a counter of two bits for each, and its last target.

The model is that of the profile (run/harness/count_blocks.c). What it finds is a loop of the cost model like others: a core
that predicts nothing has a coefficient near zero for it. `of_` is the share of all times, where what is stored lies
anywhere; `in_` is how often, where it is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Shares = NDArray[np.float64]

STATES = 4
"""Of a counter: 0 and 1 say that a branch falls through, 2 and 3 that it is taken."""

TAKEN = 4
"""The branch at the end of a loop brings the counter to its end when it is taken so often less one."""

RUNS = 64
"""After which a counter has forgotten where it began."""


def run_of(state: int, taken: int) -> tuple[int, int]:
    """A counter behind the branch at the end of a loop, which is taken so often and then not, and how often it was wrong."""
    last = min(STATES - 1, state + taken)
    return max(0, last - 1), min(taken, max(0, 2 - state)) + (last >= 2)


AFTER = np.zeros((TAKEN, STATES, STATES))
WRONG = np.zeros((TAKEN, STATES))
for _taken, _state in np.ndindex(TAKEN, STATES):
    _last, WRONG[_taken, _state] = run_of(_state, _taken)
    AFTER[_taken, _state, _last] = 1


def of_choice(share: float) -> float:
    """A branch that is taken with this probability whenever it is passed."""
    either = share * (1 - share)
    return either / (1 - 2 * either)


def of_jump(shares: Shares) -> float:
    """A jump to targets of these probabilities: to another one than the last time."""
    return 1 - float(np.square(shares).sum())


def of_loop(passes: Shares) -> float:
    """The branch at the end of a loop that has p passes with the probability `passes[p]`, for each time that it runs. With
    none it is not passed."""
    ends = np.zeros(TAKEN)
    few = passes[1:TAKEN]
    ends[: len(few)] = few
    ends[TAKEN - 1] += passes[TAKEN:].sum()
    runs = float(ends.sum())
    if runs == 0:
        return 0.0
    change = np.linalg.matrix_power(np.tensordot(ends / runs, AFTER, 1), RUNS)
    states = np.full(STATES, 1 / STATES) @ change
    return float(ends @ WRONG @ states)


def in_jumps(targets: Sequence[int]) -> int:
    """A jump to these targets, one after the other and again."""
    before = [*targets[-1:], *targets[:-1]]
    return sum(here != last for here, last in zip(targets, before, strict=True))


def in_loops(passes: Sequence[int]) -> int:
    """The branch at the end of a loop that has so many passes, one time after the other and again."""
    state, wrong = 1, 0
    for _ in range(2):  # the first one only to know how the counter is left
        wrong = 0
        for taken in passes:
            if taken > 0:
                state, more = run_of(state, taken - 1)
                wrong += more
    return wrong


@dataclass(frozen=True)
class Lists:
    """`rows` lists that hold a `share` of their `places`, which lie anywhere."""

    rows: int
    places: int
    share: float

    @classmethod
    def of(cls, stored: int, rows: int, places: int) -> "Lists":
        """Lists that hold `stored` together."""
        return cls(rows, places, min(1.0, stored / (rows * places)))

    @cached_property
    def counts(self) -> Shares:
        """The probability that a list holds so many [places + 1]."""
        number = np.arange(self.places + 1)
        if self.share in (0.0, 1.0):
            return (number == self.share * self.places).astype(np.float64)
        factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, self.places + 1)))))
        ways = factorial[-1] - factorial - factorial[::-1]
        chances = number * np.log(self.share) + number[::-1] * np.log(1 - self.share)
        return np.exp(ways + chances)

    @property
    def used(self) -> float:
        """How many hold something."""
        return self.rows * (1 - float(self.counts[0]))

    def in_groups(self, group: int) -> tuple[Shares, Shares]:
        """The probabilities of so many whole groups, and of so many left over [group]."""
        whole = -(-len(self.counts) // group)
        padded = np.zeros(whole * group)
        padded[: len(self.counts)] = self.counts
        table = padded.reshape(whole, group)
        return table.sum(axis=1), table.sum(axis=0)

    def mean(self, of: NDArray[np.int64] | Sequence[int]) -> float:
        """What `of` says of each count, in the mean."""
        return float(self.counts @ np.asarray(of))
