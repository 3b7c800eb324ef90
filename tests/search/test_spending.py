# SPDX-License-Identifier: Apache-2.0
"""A budget holds and counts everything once, whatever workers do and in whatever order."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from sparsec.search import trials as notes
from sparsec.search.spending import Budget, is_orphan, spent_by

STEPS = 6
"""Of training, that a candidate may take."""


@dataclass
class Workers:
    """What workers did to a study: they ask the budget before each start, train so far, stop early, fail, or are killed."""

    budget: Budget
    trials: list[FrozenTrial] = field(default_factory=list[FrozenTrial])

    def start(self, **attributes: Any) -> bool:
        """A candidate, if the budget allows it."""
        if not self.budget.allows(spent_by(self.trials, STEPS), STEPS):
            return False
        trial = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
        trial.number = len(self.trials)
        self.trials.append(trial)
        return True

    def running(self, at: int) -> FrozenTrial | None:
        found = [each for each in self.trials if each.state == TrialState.RUNNING]
        return found[at % len(found)] if found else None

    def end(self, at: int, state: TrialState, steps: int) -> None:
        """One that runs is over, behind so many steps."""
        trial = self.running(at)
        if trial is not None:
            trial.set_user_attr(notes.RESULT, {"steps": steps})
            trial.state = state

    def lose(self, at: int) -> None:
        """Its worker is gone, and another one noticed."""
        trial = self.running(at)
        if trial is not None:
            trial.set_user_attr(notes.LOST, True)
            trial.state = TrialState.FAIL

    def retry(self) -> None:
        """The first that was lost: what it was given counts for what tries it again."""
        lost = next((each for each in self.trials if is_orphan(each, self.trials)), None)
        if lost is None:
            return
        retries = int(lost.user_attrs.get(notes.RETRIES, 0)) + 1
        trial = create_trial(
            state=TrialState.RUNNING,
            user_attrs={notes.RETRY_OF: lost.number, notes.RETRIES: retries},
        )
        trial.number = len(self.trials)
        self.trials.append(trial)


ACTIONS = st.one_of(
    st.tuples(st.just("start"), st.just(0), st.just(0)),
    st.tuples(st.just("complete"), st.integers(0, 9), st.integers(0, STEPS)),
    st.tuples(st.just("prune"), st.integers(0, 9), st.integers(0, STEPS)),
    st.tuples(st.just("fail"), st.integers(0, 9), st.integers(0, STEPS)),
    st.tuples(st.just("lose"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("retry"), st.just(0), st.just(0)),
)
ENDS = {"complete": TrialState.COMPLETE, "prune": TrialState.PRUNED, "fail": TrialState.FAIL}


@given(
    trials=st.none() | st.integers(1, 6),
    steps=st.integers(1, 40),
    actions=st.lists(ACTIONS, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_what_is_spent(trials: int | None, steps: int, actions: list[tuple[str, int, int]]) -> None:
    workers = Workers(Budget(trials, steps))
    for name, at, done in actions:
        if name == "start":
            before = spent_by(workers.trials, STEPS)
            fits = before[1] + STEPS <= steps and (trials is None or before[0] < trials)
            assert workers.start() == fits
        elif name in ENDS:
            workers.end(at, ENDS[name], done)
        elif name == "lose":
            workers.lose(at)
        else:
            workers.retry()
        count, total = spent_by(workers.trials, STEPS)
        # Never more than there is, however often something is lost and tried again.
        assert total <= steps and (trials is None or count <= trials)
    # A candidate counts once with all that tried it, and where its worker was killed too often with all that it might use.
    chains = [each for each in workers.trials if notes.RETRY_OF not in each.user_attrs]
    count, total = spent_by(workers.trials, STEPS)
    assert count == len(chains)
    ended = [each for each in workers.trials if notes.RESULT in each.user_attrs]
    known = sum(each.user_attrs[notes.RESULT]["steps"] for each in ended)
    assert total == known + STEPS * (count - len(ended))


def test_what_waits_or_was_withdrawn_is_not_spent() -> None:
    waits = create_trial(state=TrialState.WAITING)
    withdrawn = create_trial(
        state=TrialState.COMPLETE,
        values=[1.0],
        user_attrs={notes.WITHDRAWN: True, notes.RESULT: {"steps": 5}},
    )
    assert spent_by([waits, withdrawn], STEPS) == (0, 0)


def test_what_kills_its_workers_is_spent() -> None:
    """Or a search of such candidates would never end."""
    workers = Workers(Budget(2))
    for _ in range(2):
        assert workers.start()
        for _ in range(notes.MAX_RETRIES):
            workers.lose(0)
            workers.retry()
        workers.lose(0)
        workers.retry()  # nobody does any more
    assert len(workers.trials) == 2 * (1 + notes.MAX_RETRIES)
    assert spent_by(workers.trials, STEPS) == (2, 2 * STEPS)
    assert not workers.start()
