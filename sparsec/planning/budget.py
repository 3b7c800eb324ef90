# SPDX-License-Identifier: Apache-2.0
"""How much a search may do.

The rule: by default searches count their steps, so that the same input gives the same result on every machine. Only who
asks for seconds gets what can be found in them.
"""

import time
from math import inf

WORK = 300_000
"""Steps, each of which looks at one buffer: about a second of Python."""


class Budget:
    """`work` steps or, where `seconds` are given, as many as fit in them."""

    def __init__(self, seconds: float | None = None, work: float = WORK) -> None:
        self._begin = time.monotonic()
        self._seconds = inf if seconds is None else seconds
        self._left = work if seconds is None else inf
        self._whole: Budget | None = None

    def spend(self, steps: int) -> None:
        """Count steps, for the budget of which this is a part too."""
        self._left -= steps
        if self._whole is not None:
            self._whole.spend(steps)

    def elapsed(self) -> float:
        """Seconds since the budget was made."""
        return time.monotonic() - self._begin

    def is_over(self) -> bool:
        """Whether steps or time are up."""
        return self._left <= 0 or self.elapsed() >= self._seconds

    def part(self, share: float) -> "Budget":
        """A budget of a share of what is left; 1 is all of it."""
        found = Budget(work=self._left * share)
        found._seconds = max(0.0, self._seconds - self.elapsed()) * share
        found._whole = self
        return found
