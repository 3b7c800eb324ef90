# SPDX-License-Identifier: Apache-2.0
"""Four workers on a PostgreSQL server: one is killed in mid-trial, the server is restarted once, nothing is lost."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sparsec.search import trials as notes
from sparsec.search.objectives import parse_objectives
from sparsec.search.storages import storage_url
from sparsec.search.study import Study
from tests.search.fakes import SPACE, Fake
from tests.search.postgres import programs, server
from tests.search.worker import GATED, TRIALS, VICTIM

NAMES = (VICTIM, "one", "two", "three")
ROOT = Path(__file__).parents[2]


def until(what: Callable[[], bool]) -> None:
    """Wait for something that happens, however slow the machine is."""
    for _ in range(2400):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_nothing_is_lost_and_nothing_counts_twice(tmp_path: Path) -> None:
    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with server(binaries) as running:
        url = storage_url(running.url)
        workers = {
            name: subprocess.Popen(
                [sys.executable, "-m", "tests.search.worker", url, str(tmp_path), name], cwd=ROOT
            )
            for name in NAMES
        }
        try:
            until(lambda: all((tmp_path / f"{name}.waits").exists() for name in NAMES))
            workers[VICTIM].kill()
            # All others are in mid-trial; they go on while the server is away.
            running.stop()
            (tmp_path / "gate").touch()
            time.sleep(1.0)
            running.start()
            assert [workers[name].wait(120) for name in NAMES] == [-9, 0, 0, 0]
        finally:
            for worker in workers.values():
                worker.kill()
        study = Study(url, "shared", SPACE, parse_objectives("accuracy,cycles"), {"model": "fake"})
        with closing(study):
            results, frozen = study.results(), study._trials()  # pyright: ignore[reportPrivateUsage]

    finished = sorted(each.candidate.text for each in results)
    trained = [
        text for name in NAMES[1:] for text in (tmp_path / f"{name}.txt").read_text().split("\n")
    ]
    assert len(results) == TRIALS and sorted(trained) == finished
    assert {each.state for each in results} <= {"finished", "stopped"}
    assert all(
        len((tmp_path / f"{name}.txt").read_text().split("\n")) > GATED for name in NAMES[1:]
    )
    fake = Fake()
    assert all(
        each.accuracy == fake.accuracy(each.candidate)
        for each in results
        if each.state == "finished"
    )
    lost = [each for each in frozen if each.user_attrs.get(notes.LOST)]
    assert len(lost) == 1
    killed = (tmp_path / f"{VICTIM}.waits").read_text()
    assert lost[0].user_attrs[notes.CANDIDATE] == killed and killed in finished
    again = [
        each
        for each in frozen
        if each.user_attrs.get(notes.RETRY_OF) == lost[0].number
        and not each.user_attrs.get(notes.WITHDRAWN)  # as two workers had found it
    ]
    assert [each.params for each in again] == [lost[0].params]
