# SPDX-License-Identifier: Apache-2.0
"""What a study keeps of each candidate, as attributes of Optuna's trials.

The one rule: only the worker that runs a trial writes to it, until another one finds it lost.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sparsec.search.objectives import Prices
from sparsec.search.space import Candidate, parse_candidate

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

CANDIDATE = "sparsec.candidate"
RESULT = "sparsec.outcome"
ORIGIN = "sparsec.origin"
"""Who thought of it: an engine, or a baseline."""
OWNER = "sparsec.owner"
BEAT = "sparsec.beat"
LOST = "sparsec.lost"
WITHDRAWN = "sparsec.withdrawn"
RETRY_OF, RETRIES = "sparsec.retry_of", "sparsec.retries"

MAX_RETRIES = 2
"""What kills its worker three times is left alone."""

State: TypeAlias = Literal["finished", "stopped", "refused", "running", "failed"]


@dataclass(frozen=True)
class Tried:
    """A candidate with all that is known of it. `curve`: the accuracy in training after so many steps."""

    number: int
    state: State
    candidate: Candidate
    origin: str
    prices: Prices | None = None
    accuracy: float | None = None
    steps: int = 0
    said: str = ""
    """Which limit it breaks, or why it failed."""
    curve: Mapping[int, float] = field(default_factory=dict[int, float])

    def value(self, metric: str) -> float:
        """A figure by its name; the accuracy of what was not trained is 0."""
        if metric == "accuracy":
            return self.accuracy or 0.0
        return float("inf") if self.prices is None else self.prices.of(metric)

    @property
    def as_attribute(self) -> dict[str, Any]:
        """What a trial keeps of the result."""
        return {
            "prices": None if self.prices is None else asdict(self.prices),
            "accuracy": self.accuracy,
            "steps": self.steps,
            "said": self.said,
            "state": self.state,
            "curve": [[steps, accuracy] for steps, accuracy in self.curve.items()],
        }


def tried_of(trial: "FrozenTrial") -> Tried | None:
    """What a trial says; None where it says nothing yet, was lost or withdrawn."""
    from optuna.trial import TrialState

    notes = trial.user_attrs
    if CANDIDATE not in notes or notes.get(LOST) or notes.get(WITHDRAWN):
        return None
    candidate, origin = parse_candidate(notes[CANDIDATE]), str(notes.get(ORIGIN, ""))
    result = notes.get(RESULT)
    if result is None or not trial.state.is_finished():
        state = "running" if trial.state == TrialState.RUNNING else "failed"
        return Tried(trial.number, state, candidate, origin)
    return Tried(
        trial.number,
        result["state"],
        candidate,
        origin,
        None if result["prices"] is None else Prices(**result["prices"]),
        result["accuracy"],
        result["steps"],
        result["said"],
        {int(steps): float(accuracy) for steps, accuracy in result["curve"]},
    )


@cache
def _machine() -> str:
    """This machine since it was started, and the room of processes that we see of it."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return sha256(" ".join(parts).encode()).hexdigest()[:16]


def _born(process: int) -> str | None:
    """When a process began; None where there is none such, where it is dead and nobody has asked how it ended, and where
    the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return None


def ourselves() -> list[str]:
    """The mark of this process as an owner."""
    return [_machine(), str(os.getpid()), _born(os.getpid()) or ""]


def is_gone(owner: Sequence[str]) -> bool:
    """Whether it is sure that the process of a mark has ended: of another machine nobody knows."""
    machine, process, born = owner
    return machine == _machine() and born != "" and _born(int(process)) != born


class Watch:
    """Finds trials whose worker is dead: it was of this machine and is gone, or its beats have stopped.

    No clocks are compared: each worker looks how long, by its own clock, a beat has stayed the same.
    """

    def __init__(self, grace: float, clock: Callable[[], float] = time.monotonic):
        self._grace = grace
        self._clock = clock
        self._seen: dict[int, tuple[object, float]] = {}

    def lost(self, trials: Sequence["FrozenTrial"]) -> list["FrozenTrial"]:
        """Those of `trials`, which run or wait for another try, that nobody looks after."""
        now = self._clock()
        found: list[FrozenTrial] = []
        for trial in trials:
            owner, beat = trial.user_attrs.get(OWNER), trial.user_attrs.get(BEAT)
            if owner == ourselves():
                continue
            before, since = self._seen.get(trial.number, (None, now))
            if trial.number not in self._seen or before != beat:
                since = now
            self._seen[trial.number] = beat, since
            runs = not trial.state.is_finished()  # else another worker is just putting it back
            if now - since >= self._grace or (runs and owner is not None and is_gone(owner)):
                found.append(trial)
        return found
