# SPDX-License-Identifier: Apache-2.0
"""A worker of a study as a process of its own, whose candidates wait where a test wants them to.

python -m tests.search.worker URL FOLDER NAME: it notes what it has tried in FOLDER/NAME.txt. `victim` stays in its first trial;
the others stay in trials behind GATED until FOLDER/gate is there.
"""

import sys
import time
from pathlib import Path

from sparsec.search.objectives import parse_objectives
from sparsec.search.space import Candidate
from sparsec.search.spending import Budget
from sparsec.search.study import Pace, Study
from tests.search.fakes import SPACE, Fake

TRIALS = 24
GATED = 2
"""Trials of each worker before it waits for the gate."""
VICTIM = "victim"


def main(url: str, folder: Path, name: str) -> None:
    """Work until the budget is spent."""
    fake = Fake()

    def began(candidate: Candidate) -> None:
        count = len(fake.trained)
        if name == VICTIM or count == GATED:
            folder.joinpath(f"{name}.waits").write_text(candidate.text)
            while name == VICTIM or not folder.joinpath("gate").exists():
                time.sleep(0.05)

    fake.began = began
    study = Study(
        url,
        "shared",
        SPACE,
        parse_objectives("accuracy,cycles"),
        {"model": "fake"},
        engine="random",
        pace=Pace(beat=0.2, grace=60.0, look=0.2),
    )
    study.work(fake, Budget(trials=TRIALS))
    folder.joinpath(f"{name}.txt").write_text("\n".join(fake.trained))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
