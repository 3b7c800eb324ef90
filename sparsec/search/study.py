# SPDX-License-Identifier: Apache-2.0
"""A search as a study of Optuna, which any number of workers on any machines share.

Samplers propose candidates, `Subject` tries them, and all that becomes of them is in the storage. The one rule: what a trial
proposes depends on the seed, its number and the trials before it, so that a study that was resumed goes on as if it had not
been interrupted. Workers may be killed: see `trials.Watch` for how their trials are found, and `Study.rescue`.
"""

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sparsec.quiet import only_our_messages
from sparsec.search import trials as notes
from sparsec.search.answers import answers_of, bare
from sparsec.search.hopeless import Finished, is_hopeless
from sparsec.search.identity import ASKED, IDENTITY, check_identity, identity_of
from sparsec.search.objectives import Objectives, Prices
from sparsec.search.outcome import Outcome
from sparsec.search.space import Candidate, Space
from sparsec.search.spending import Budget, is_orphan, is_tried_again, proposed, spent_by
from sparsec.search.storages import check_installed, close_storage, open_storage, patiently
from sparsec.search.store import Store, checksum
from sparsec.search.trials import Tried, Watch, ourselves, tried_of

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

DENSE = "sparsec.dense"
AMC = "amc"
LISTS = ("uniform", "greedy", AMC)
"""Engines whose candidates are put in from outside, by `baselines` and by an agent: samplers propose nothing for them."""
ENGINES = ("tpe", "nsga2", "nsga3", "random", *LISTS)
"""Who proposes candidates."""
IN_A_ROW = 200
"""Candidates that cost no training, as they break a limit or were known, before a study ends."""
FAILURES = 5
"""Candidates in a row that cannot be made before a study ends."""


class Trier(Protocol):
    """What a study wants of a `Subject`."""

    @property
    def dense(self) -> Prices:
        """Of the network as it is."""
        ...

    @property
    def steps(self) -> int:
        """Of training that a candidate takes."""
        ...

    def prices(self, candidate: Candidate) -> Prices:
        """What the candidate costs before training, remembered."""
        ...

    def tried(
        self,
        candidate: Candidate,
        objectives: Objectives,
        *,
        hopeless: Callable[[int, float], bool],
        folder: Path | None,
    ) -> Outcome:
        """The candidate priced, and trained if no limit on its prices is broken."""
        ...


@dataclass(frozen=True)
class Pace:
    """In seconds: between the beats of a trial, how long one may stay away, between looks at what others do."""

    beat: float = 20.0
    grace: float = 120.0
    look: float = 2.0


class Study:
    """A study of `space` for `objectives`. `identity` says what it is of, part by part; a study of that name with another
    identity is refused, with ValueError.

    `first` are candidates that whoever begins the study puts in front, by who thought of them.
    """

    def __init__(
        self,
        storage: str,
        name: str,
        space: Space,
        objectives: Objectives,
        identity: Mapping[str, str],
        *,
        engine: str = "tpe",
        seed: int = 0,
        pace: Pace | None = None,
    ):
        check_installed()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = space
        self.objectives = objectives
        self.identity = dict(identity)
        self.engine = engine
        self._seed = seed
        self._pace = pace or Pace()
        self._watch = Watch(self._pace.grace)
        self._storage = open_storage(storage)
        self._sampler = _sampler(engine, seed)
        self.began = False
        """Whether it was not there before."""
        self._study = self._joined(name)

    def _joined(self, name: str) -> "optuna.Study":
        import optuna

        def begun() -> "optuna.Study":
            return optuna.create_study(
                storage=self._storage,
                study_name=name,
                directions=list(self.objectives.directions),
                sampler=self._sampler,
            )

        try:
            study = patiently(begun)
            with (
                only_our_messages()
            ):  # names, which optuna-dashboard shows, are called experimental
                patiently(lambda: study.set_metric_names(list(self.objectives.goals)))
            patiently(lambda: study.set_user_attr(IDENTITY, self.identity))
            self.began = True
            return study
        except optuna.exceptions.DuplicatedStudyError:
            pass
        study = patiently(
            lambda: optuna.load_study(study_name=name, storage=self._storage, sampler=self._sampler)
        )
        check_identity(name, identity_of(study, self._pace.look), self.identity)
        return study

    def close(self) -> None:
        """Give back the connections to the storage."""
        close_storage(self._storage)

    def note_dense(self, prices: Prices, accuracy: float) -> None:
        """Keep what the network as it is takes and gives, for tables and pictures."""
        noted = {"prices": asdict(prices), "accuracy": accuracy}
        patiently(lambda: self._study.set_user_attr(DENSE, noted))

    @property
    def dense(self) -> tuple[Prices, float] | None:
        """What was noted of the network as it is."""
        noted = patiently(lambda: self._study.user_attrs).get(DENSE)
        return None if noted is None else (Prices(**noted["prices"]), noted["accuracy"])

    def note_asked(self, asked: Mapping[str, Any]) -> None:
        """Keep how the study is to go on where a worker does not say: engine, seed, budget."""
        patiently(lambda: self._study.set_user_attr(ASKED, dict(asked)))

    def put_first(self, candidates: Sequence[Candidate], origin: str) -> None:
        """Let these be tried before what samplers propose; what the space does not hold is left out."""
        there = [
            proposed(trial) for trial in self._trials() if not trial.user_attrs.get(notes.WITHDRAWN)
        ]
        for candidate in candidates:
            answers = answers_of(self.space, candidate)
            if answers is not None and answers not in there:
                there.append(answers)
                self._enqueue(answers, {notes.ORIGIN: origin})

    def _enqueue(self, answers: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
        patiently(lambda: self._study.enqueue_trial(dict(answers), user_attrs=dict(kept)))

    def results(self) -> list[Tried]:
        """All that was tried, in the order of their numbers."""
        found = [tried_of(trial) for trial in self._trials()]
        return [each for each in found if each is not None]

    def work(
        self,
        trier: Trier,
        budget: Budget,
        *,
        store: Store | None = None,
        folder: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> str:
        """Try candidates until the budget of the study is spent, by whomever; why it ended.

        `store` takes checkpoints, `folder` copies of those that lie elsewhere. Raises ValueError where the storage stays
        away or candidates cannot be made.
        """
        free, failed = 0, 0
        while True:
            self.rescue()
            everything = self._trials()
            waiting = any(trial.state.name == "WAITING" for trial in everything)
            if not budget.allows(spent_by(everything, trier.steps), trier.steps):
                if not any(
                    trial.state.name == "RUNNING" or is_orphan(trial, everything)
                    for trial in everything
                ):
                    return "the budget is spent"
                progress("the budget is given out: waiting for other workers")
                time.sleep(self._pace.look)
                continue
            if self.engine in LISTS and not waiting:
                return "all candidates were tried"  # those of others, too, or they are being tried
            tried = self._try_one(trier, budget, store, folder, progress)
            if tried is None:
                continue
            failed = failed + 1 if tried.state == "failed" else 0
            free = free + 1 if tried.steps == 0 else 0
            if failed >= FAILURES:
                raise ValueError(f"{failed} candidates in a row cannot be made: {tried.said}")
            if free >= IN_A_ROW:
                return f"{free} candidates in a row were known or broke a limit"

    def judged(
        self,
        candidate: Candidate,
        origin: str,
        trier: Trier,
        budget: Budget,
        *,
        store: Store | None = None,
        folder: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Tried | None:
        """What becomes of one candidate of the space, tried by us or by another worker; None where the budget is spent.

        Raises ValueError where the space does not hold it or it cannot be made.
        """
        if answers_of(self.space, candidate) is None:
            raise ValueError(f"the space does not hold {candidate.text}")
        known = self._known(candidate, -1, origin)
        if known is not None:
            return known
        self.put_first([candidate], origin)
        while True:
            self.rescue()
            if self._may_pop(trier, budget):
                tried = self._try_one(trier, budget, store, folder, progress)
                if tried is not None and tried.state == "failed":
                    raise ValueError(f"{candidate.text} cannot be made: {tried.said}")
            known = self._known(candidate, -1, origin)
            runs = any(trial.state.name == "RUNNING" for trial in self._trials())
            if known is not None or not (runs or self._may_pop(trier, budget)):
                return known
            if runs:
                time.sleep(self._pace.look)

    def _may_pop(self, trier: Trier, budget: Budget) -> bool:
        """Whether a candidate waits for which there is budget."""
        everything = self._trials()
        waits = any(trial.state.name == "WAITING" for trial in everything)
        return waits and budget.allows(spent_by(everything, trier.steps), trier.steps)

    def rescue(self) -> list[int]:
        """Give up trials whose workers are dead and let them be tried again; their numbers."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        everything = self._trials()
        found: list[int] = []
        watched = [
            trial
            for trial in everything
            if trial.state == TrialState.RUNNING or is_orphan(trial, everything)
        ]
        for trial in self._watch.lost(watched):
            if trial.state == TrialState.RUNNING:
                try:
                    patiently(lambda trial=trial: self._fail(trial._trial_id, lost=True))  # pyright: ignore[reportPrivateUsage]
                except UpdateFinishedTrialError:
                    continue  # it ended, or another worker was faster
            if not trial.user_attrs.get(notes.WITHDRAWN):
                self._retry(trial)
                found.append(trial.number)
        return found

    def _fail(self, trial_id: int, *, lost: bool) -> None:
        from optuna.trial import TrialState

        if lost:
            self._storage.set_trial_user_attr(trial_id, notes.LOST, True)
        self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def _retry(self, trial: "FrozenTrial") -> None:
        retries = int(trial.user_attrs.get(notes.RETRIES, 0))
        if retries >= notes.MAX_RETRIES:
            return
        kept = {
            notes.ORIGIN: trial.user_attrs.get(notes.ORIGIN, self.engine),
            notes.RETRY_OF: trial.number,
            notes.RETRIES: retries + 1,
        }
        self._enqueue(proposed(trial), kept)

    def _trials(self) -> list["FrozenTrial"]:
        return patiently(lambda: self._study.get_trials(deepcopy=False))

    def _try_one(
        self,
        trier: Trier,
        budget: Budget,
        store: Store | None,
        folder: Path | None,
        progress: Callable[[str], None],
    ) -> Tried | None:
        """Ask for a trial and run it; None where it was not ours to run."""
        from optuna.exceptions import UpdateFinishedTrialError

        with only_our_messages():
            trial = patiently(self._study.ask)
        try:
            patiently(lambda: trial.set_user_attr(notes.OWNER, ourselves()))
            everything = self._trials()
            before = [each for each in everything if each.number < trial.number]
            # Of workers that ask at the same moment those with the lower numbers go first, and one has the last of a list.
            listed = "fixed_params" in everything[trial.number].system_attrs
            again = is_tried_again(trial, before)
            allowed = budget.allows(spent_by(before, trier.steps), trier.steps)
            if again or not allowed or (self.engine in LISTS and not listed):
                patiently(lambda: trial.set_user_attr(notes.WITHDRAWN, True))
                patiently(lambda: self._fail(trial._trial_id, lost=False))  # pyright: ignore[reportPrivateUsage]
                if listed and not again:  # it waits for those who have more to spend
                    names = (notes.ORIGIN, notes.RETRY_OF, notes.RETRIES)
                    kept = {
                        name: trial.user_attrs[name] for name in names if name in trial.user_attrs
                    }
                    self._enqueue(proposed(everything[trial.number]), kept)
                return None
            with self._beating(trial):
                tried = self._run(trial, trier, store, folder, progress)
            return tried
        except UpdateFinishedTrialError:
            return None  # another worker took us for dead and tries it again
        except BaseException:
            with suppress(Exception):  # what went wrong first is to be told
                self._fail(trial._trial_id, lost=True)  # pyright: ignore[reportPrivateUsage]
                self._retry(self._trials()[trial.number])
            raise

    @contextmanager
    def _beating(self, trial: "Trial") -> Generator[None]:
        """Says every few seconds that we live."""
        done = threading.Event()

        def beat() -> None:
            count = 0
            while not done.wait(self._pace.beat):
                count += 1
                with suppress(Exception):  # the storage may be away; the next beat tells
                    self._storage.set_trial_user_attr(trial._trial_id, notes.BEAT, count)  # pyright: ignore[reportPrivateUsage]

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _run(
        self,
        trial: "Trial",
        trier: Trier,
        store: Store | None,
        folder: Path | None,
        progress: Callable[[str], None],
    ) -> Tried:
        from optuna.trial import TrialState

        with only_our_messages():
            candidate = self.space.choose(_Ask(trial))
        origin = str(trial.user_attrs.get(notes.ORIGIN, self.engine))
        patiently(lambda: trial.set_user_attr(notes.ORIGIN, origin))
        patiently(lambda: trial.set_user_attr(notes.CANDIDATE, candidate.text))
        progress(f"candidate {trial.number}")
        tried = self._known(candidate, trial.number, origin)
        if tried is None:
            tried = self._new(candidate, trial.number, origin, trier, store, folder, progress)
        noted = tried.as_attribute
        patiently(lambda: trial.set_user_attr(notes.RESULT, noted))
        state, values = TrialState.FAIL, None
        if tried.state == "stopped":
            state = TrialState.PRUNED
        elif tried.state != "failed":
            state = TrialState.COMPLETE
            values = [tried.value(goal) for goal in self.objectives.goals]
            for name, excess in self._excesses(tried, trier.dense).items():
                patiently(lambda name=name, excess=excess: _constrain(trial, name, excess))
        with only_our_messages():
            patiently(
                lambda: self._study.tell(trial, values, state, skip_if_finished=True)
            )  # patient: it may have been told as the connection broke
        progress(_line(tried, self.objectives))
        return tried

    def _excesses(self, tried: Tried, dense: Prices) -> dict[str, float]:
        """Each limit with by how much it is broken, 0 or less where it is kept."""
        assert tried.prices is not None
        return {
            limit.text: limit.excess(
                tried.value(limit.metric),
                0.0 if limit.metric == "accuracy" else dense.of(limit.metric),
            )
            for limit in self.objectives.limits
        }

    def _known(self, candidate: Candidate, number: int, origin: str) -> Tried | None:
        """What became of the same candidate before: trying it again gives the same."""
        for each in self.results():
            if bare(each.candidate) == bare(candidate) and each.state in (
                "finished",
                "stopped",
                "refused",
            ):
                return Tried(
                    number,
                    each.state,
                    candidate,
                    origin,
                    each.prices,
                    each.accuracy,
                    0,
                    each.said,
                    each.curve,
                )
        return None

    def _new(
        self,
        candidate: Candidate,
        number: int,
        origin: str,
        trier: Trier,
        store: Store | None,
        folder: Path | None,
        progress: Callable[[str], None],
    ) -> Tried:
        curve: dict[int, float] = {}
        key = checksum(f"{sorted(self.identity.items())}\n{candidate.text}".encode())[:24]
        place = None if store is None else store.folder(key, folder or Path())
        finished = [
            Finished(each.prices, each.curve)
            for each in self.results()
            if each.state == "finished" and each.prices is not None
        ]

        def hopeless(steps: int, accuracy: float) -> bool:
            curve[steps] = accuracy
            progress(f"candidate {number}: {steps:,} of {trier.steps:,} steps, {accuracy:.4f}")
            if store is not None and place is not None:
                store.push(key, place)
            return is_hopeless(self.objectives, trier.prices(candidate), steps, accuracy, finished)

        try:
            outcome = trier.tried(candidate, self.objectives, hopeless=hopeless, folder=place)
        except ValueError as error:
            return Tried(number, "failed", candidate, origin, said=str(error), curve=curve)
        if store is not None and place is not None:
            store.drop(key, place)
        state = "refused" if outcome.refused else "stopped" if outcome.stopped else "finished"
        return Tried(
            number,
            state,
            candidate,
            origin,
            outcome.prices,
            outcome.accuracy,
            outcome.steps,
            outcome.refused,
            curve,
        )


class _Ask:
    """Answers what a space asks by a trial."""

    def __init__(self, trial: "Trial"):
        self._trial = trial

    def category(self, name: str, values: Sequence[str]) -> str:
        """As the sampler proposes."""
        return patiently(lambda: str(self._trial.suggest_categorical(name, list(values))))

    def ratio(self, name: str, low: float, high: float) -> float:
        """As the sampler proposes."""
        return patiently(lambda: self._trial.suggest_float(name, low, high))


def _sampler(engine: str, seed: int) -> "optuna.samplers.BaseSampler":
    if engine not in ENGINES:
        raise ValueError(f"there is no engine '{engine}', known: {', '.join(ENGINES)}")
    from sparsec.search.samplers import Seeded

    return Seeded(engine, seed)


def _constrain(trial: "Trial", name: str, excess: float) -> None:
    with only_our_messages():  # it warns where it was set before the connection broke
        trial.set_constraint(name, excess)


def _line(tried: Tried, objectives: Objectives) -> str:
    """What became of a candidate, on one line."""
    if tried.state in ("refused", "failed"):
        return f"candidate {tried.number} {tried.state}: {tried.said}"
    figures = ", ".join(
        f"{goal} {tried.value(goal):.4f}"
        if goal == "accuracy"
        else f"{goal} {tried.value(goal):,.0f}"
        for goal in objectives.goals
    )
    return f"candidate {tried.number} {tried.state}: {figures}"
