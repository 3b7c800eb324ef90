# SPDX-License-Identifier: Apache-2.0
"""Studies with a network that is never trained: budgets, limits, resuming, lost trials."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna_dashboard import wsgi  # pyright: ignore[reportUnknownVariableType]

from sparsec.search import trials as notes
from sparsec.search.answers import answers_of
from sparsec.search.baselines import uniform
from sparsec.search.hopeless import Finished, is_hopeless
from sparsec.search.identity import stored
from sparsec.search.objectives import Objectives, parse_objectives
from sparsec.search.space import Candidate, parse_candidate
from sparsec.search.spending import Budget
from sparsec.search.storages import shown, storage_url
from sparsec.search.study import ENGINES, LISTS, Pace, Study
from sparsec.search.trials import Watch
from tests.search.fakes import EPOCH, SPACE, STEPS, Fake

BOTH = parse_objectives("accuracy,cycles", ["flash<=16000"])
FAST = Pace(beat=0.05, grace=60.0, look=0.05)


@pytest.fixture(params=["sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both kinds of files."""
    return storage_url(
        {"sqlite": f"{tmp_path}/s.db", "journal": f"journal:{tmp_path}/s.log"}[request.param]
    )


def study(
    storage: str,
    engine: str = "tpe",
    objectives: Objectives = BOTH,
    name: str = "s",
    model: str = "m",
) -> Study:
    return Study(storage, name, SPACE, objectives, {"model": model}, engine=engine, pace=FAST)


@pytest.mark.parametrize("engine", [each for each in ENGINES if each not in LISTS])
def test_an_engine_proposes_and_is_resumed(engine: str, tmp_path: Path) -> None:
    """Two runs of half the budget give what one run gives."""
    texts: list[list[str]] = []
    for name, halves in (("one", (24,)), ("two", (11, 24))):
        storage = storage_url(f"journal:{tmp_path}/{name}")
        for trials in halves:
            opened = study(storage, engine)
            assert opened.work(Fake(), Budget(trials=trials)) == "the budget is spent"
        results = study(storage, engine).results()
        assert [each.number for each in results] == list(range(24))
        texts.append([f"{each.state} {each.candidate.text}" for each in results])
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 12


def test_what_breaks_a_limit_is_refused_and_told(storage: str) -> None:
    fake = Fake()
    opened = study(storage, "random")
    opened.work(fake, Budget(trials=20))
    results = opened.results()
    refused = [each for each in results if each.state == "refused"]
    assert refused and all(each.steps == 0 and each.said == "flash <= 16000" for each in refused)
    assert all(fake.prices(each.candidate).flash > 16000 for each in refused)
    assert not {each.candidate.text for each in refused} & set(fake.trained)
    stored = optuna.load_study(study_name="s", storage=opened._storage)  # pyright: ignore[reportPrivateUsage]
    assert stored.metric_names == ["accuracy", "cycles"]
    assert {t.number for t in stored.best_trials}.isdisjoint(each.number for each in refused)


def test_steps_are_the_budget(storage: str) -> None:
    opened = study(storage, "random", parse_objectives("accuracy"))
    opened.work(Fake(), Budget(steps=10 * STEPS + EPOCH))
    results = opened.results()
    spent = sum(each.steps for each in results)
    assert 9 * STEPS + EPOCH < spent <= 10 * STEPS + EPOCH
    assert {each.state for each in results} >= {"finished", "stopped"}
    stopped = [each for each in results if each.state == "stopped"]
    assert all(0 < each.steps < STEPS for each in stopped)
    assert (
        len([each for each in results if each.steps]) > 10
    )  # what was stopped left steps for others


def test_a_list_is_tried_and_no_more(storage: str) -> None:
    opened = study(storage, "uniform")
    opened.put_first(
        [*uniform(SPACE), Candidate({})], "uniform"
    )  # the last one is not in the space
    assert opened.work(Fake(), Budget(trials=2)) == "the budget is spent"
    assert len(opened.results()) == 2  # the others wait
    assert opened.work(Fake(), Budget(trials=50)) == "all candidates were tried"
    results = opened.results()
    assert [each.candidate.text for each in results] == [
        each.text for each in uniform(SPACE) if answers_of(SPACE, each)
    ]
    assert {each.origin for each in results} == {"uniform"} and len(results) >= 3


def test_the_same_candidate_is_not_trained_twice(storage: str) -> None:
    opened, fake = study(storage, "random"), Fake()
    candidate = uniform(SPACE, [0.5])[0]
    opened.put_first([candidate], "x")
    opened.work(fake, Budget(trials=1))
    opened._study.enqueue_trial(answers_of(SPACE, candidate) or {})  # pyright: ignore[reportPrivateUsage]
    opened.work(fake, Budget(trials=2))
    first, second = opened.results()
    assert fake.trained == [candidate.text]
    assert second.accuracy == first.accuracy and (first.steps, second.steps) == (STEPS, 0)


def test_a_study_of_something_else_is_refused(storage: str) -> None:
    study(storage)
    with pytest.raises(ValueError, match="study 's' is of another model: choose another name"):
        study(storage, model="other")
    assert stored(storage, "s") == ({"model": "m"}, {})
    assert stored(storage, "none") is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://host", "not redis://"),
        (
            "postgresql://me:secret@127.0.0.1:1/none",
            "cannot reach the storage postgresql\\+psycopg://me:\\*\\*\\*@127.0.0.1:1/none",
        ),
        ("postgresql://me:se@cret:x@127.0.0.1:none/none", "no URL of PostgreSQL"),
        ("/dev/null/study.db", "cannot reach the storage"),
        ("journal:/dev/null/x", "cannot open the journal"),
    ],
)
def test_a_storage_that_is_not_there(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        study(storage_url(url))
    assert (
        "secret" not in str(error.value)
        and "cret" not in str(error.value)
        and "\n" not in str(error.value)
    )
    assert "secret" not in shown(url)


def test_interrupted_work_is_tried_again(storage: str) -> None:
    """Ctrl-C in mid-trial: what was finished stays, the trial comes again with its candidate, and counts once."""
    fake, interrupted = Fake(), [3]

    def interrupt(candidate: Candidate) -> None:
        interrupted[0] -= 1
        if not interrupted[0]:
            raise KeyboardInterrupt

    fake.began = interrupt
    opened = study(storage, "random")
    with pytest.raises(KeyboardInterrupt):
        opened.work(fake, Budget(trials=8))
    done = [each.candidate for each in opened.results()]
    again = study(storage, "random")
    again.work(fake, Budget(trials=8))
    results = again.results()
    assert len(results) == 8 and [each.candidate for each in results[: len(done)]] == done
    frozen = again._trials()  # pyright: ignore[reportPrivateUsage]
    lost = [each for each in frozen if each.user_attrs.get(notes.LOST)]
    retried = [each for each in frozen if each.user_attrs.get(notes.RETRY_OF) == lost[0].number]
    assert len(lost) == len(retried) == 1 and lost[0].params == retried[0].params


def test_a_lost_trial_comes_again_once_though_two_workers_found_it(tmp_path: Path) -> None:
    storage = f"journal:{tmp_path}/s"
    opened, fake = study(storage, "random"), Fake()
    opened.work(fake, Budget(trials=2))
    trial = opened._study.ask()  # pyright: ignore[reportPrivateUsage]
    trial.set_user_attr(notes.OWNER, [notes.ourselves()[0], "1", "never"])
    for _ in range(2):
        other = study(storage, "random")
        found = other._trials()[2]  # pyright: ignore[reportPrivateUsage]
        if not found.state.is_finished():
            assert other.rescue() == [2]
            assert other.rescue() == []
        other._retry(found)  # pyright: ignore[reportPrivateUsage]
    again = study(storage, "random")
    again.work(fake, Budget(trials=4))
    assert [each.number for each in again.results()] == [0, 1, 3, 6]
    states = [bool(each.user_attrs.get(notes.WITHDRAWN)) for each in again._trials()]  # pyright: ignore[reportPrivateUsage]
    assert states == [False, False, False, False, True, True, False]


def test_a_worker_that_is_gone_is_noticed_by_its_beats() -> None:
    now = [0.0]
    watch = Watch(10.0, lambda: now[0])

    def trial(owner: list[str] | None, beat: int) -> optuna.trial.FrozenTrial:
        made = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
        made.set_user_attr(notes.BEAT, beat)
        if owner is not None:
            made.set_user_attr(notes.OWNER, owner)
        return made

    elsewhere = ["another machine", "1", "5"]
    assert watch.lost([trial(elsewhere, 1)]) == []
    now[0] = 9.0
    assert watch.lost([trial(elsewhere, 1)]) == []
    assert watch.lost([trial(elsewhere, 2)]) == []
    now[0] = 18.0
    assert watch.lost([trial(elsewhere, 2)]) == []
    now[0] = 19.0
    assert len(watch.lost([trial(elsewhere, 2)])) == 1
    machine, process, _ = notes.ourselves()
    assert (
        len(watch.lost([trial([machine, process, "1"], 3)])) == 1
    )  # a process of that number, born later
    assert watch.lost([trial(notes.ourselves(), 3)]) == []


def test_several_goals_are_stopped_by_those_that_dominate() -> None:
    fake = Fake()
    prices = fake.prices(parse_candidate("a: unstructured 0.5"))
    cheaper = [
        Finished(replace(prices, cycles=prices.cycles - each), {10: 0.5 + each / 100})
        for each in range(3)
    ]
    assert is_hopeless(BOTH, prices, 10, 0.505, cheaper)
    assert not is_hopeless(BOTH, prices, 10, 0.51, cheaper)
    assert not is_hopeless(BOTH, prices, 20, 0.1, cheaper)  # nobody was seen there
    assert not is_hopeless(BOTH, prices, 10, 0.1, cheaper[:2])
    assert not is_hopeless(BOTH, replace(prices, cycles=1), 10, 0.1, cheaper)  # they cost more
    assert is_hopeless(parse_objectives("accuracy"), replace(prices, cycles=1), 10, 0.1, cheaper)
    assert not is_hopeless(parse_objectives("cycles"), prices, 10, 0.1, cheaper)


def test_a_study_is_shown_by_the_dashboard(storage: str) -> None:
    opened = study(storage, "random")
    opened.work(Fake(), Budget(trials=3))
    said: list[str] = []

    def start(status: str, headers: object, trouble: object = None) -> Any:
        said.append(status)

    environment: dict[str, Any] = {"PATH_INFO": "/api/studies/1"}
    if storage.startswith("journal"):
        environment = {"PATH_INFO": "/api/studies/0"}
    setup_testing_defaults(environment)
    shown = json.loads(b"".join(wsgi(opened._storage)(environment, start)))  # pyright: ignore[reportPrivateUsage]
    assert said == ["200 OK"]
    assert shown["directions"] == ["maximize", "minimize"] and len(shown["trials"]) == 3
    assert all(notes.CANDIDATE in str(each["user_attrs"]) for each in shown["trials"])


RATIO = st.floats(0.0, 0.9)


@given(RATIO, RATIO.filter(lambda each: each >= 0.2) | st.none())
def test_a_candidate_of_the_space_is_answered(a: float, b: float | None) -> None:
    """What is asked by name gives the candidate back."""
    parts = [
        f"a: unstructured {a!r}",
        *([] if b is None else [f"b: unstructured {b!r}"]),
        "c: nm(2:4)",
    ]
    candidate = parse_candidate("; ".join(parts))
    answers = answers_of(SPACE, candidate)
    assert answers is not None

    class Known:
        def category(self, name: str, values: object) -> str:
            return str(answers[name])

        def ratio(self, name: str, low: float, high: float) -> float:
            return float(answers[name])

    assert SPACE.choose(Known()) == candidate
