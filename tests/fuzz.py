# SPDX-License-Identifier: Apache-2.0
"""Random search for as long as it is given: the property tests of the suite on examples that nobody drew before.

`python -m tests.fuzz` runs them again and again, each round with the next seed, in an order of its own, until the time
is up. What it finds becomes an `@example` of the test that failed, and from then on is part of the suite.
"""

import argparse
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest

SEED = "SPARSEC_FUZZ_SEED"
END = "SPARSEC_FUZZ_END"
"""Environment of a run that searches: its seed, and when it has to start no further test, in seconds since 1970."""


def shard(number: int) -> Callable[[Any], Any]:
    """Gives a property test the examples of part `number`: the same in every run of the suite, new ones in a search."""
    return hypothesis.seed(number + 1_000_000 * int(os.environ.get(SEED, 0)))


class Search:
    """A plugin of pytest for runs that search; in others it does nothing."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if SEED in os.environ:  # the same order in all processes
            random.Random(int(os.environ[SEED])).shuffle(items)

    def pytest_runtest_setup(self) -> None:
        if time.time() > float(os.environ.get(END, "inf")):
            pytest.skip("the time is up")


def main() -> int:
    """Search; the exit code is 1 where a test failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="random search")
    parser.add_argument("--seconds", type=float, default=300, help="when to stop (300)")
    parser.add_argument("--seed", type=int, help="that of the first round; without it a new one")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("paths", nargs="*", default=["tests"], help="files or folders (all tests)")
    args = parser.parse_args()
    seed = secrets.randbelow(10**6) if args.seed is None else args.seed
    end = time.time() + args.seconds
    while time.time() < end:
        print(f"fuzz: seed {seed}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-r", "fE", "-m", "hypothesis or fuzz"]
        command += ["-n", str(args.jobs), "--dist", "worksteal", *args.paths]
        command += ["--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}"]
        environment = {**os.environ, SEED: str(seed), END: str(end)}
        if subprocess.run(command, env=environment, check=False).returncode not in (0, 5):
            print(
                f"fuzz: seed {seed} found something. To see it again: make fuzz FUZZ_SEED={seed}. Write each\n"
                "'Falsifying example' as @example(...) above its test, see it fail there, then mend its cause;\n"
                "where the arguments cannot be written down, write a test of the case instead."
            )
            return 1
        seed += 1
    print("fuzz: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
