# SPDX-License-Identifier: Apache-2.0
"""The whole suite: `python -m tests` runs lit, then pytest, and says what they cost."""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def children_seconds() -> float:
    """CPU seconds, user and system, of all programs that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Run both; the exit code is 1 where one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests", description="the whole suite")
    parser.add_argument("--jobs", type=int, default=2, help="processes of each part (2)")
    jobs = str(parser.parse_args().jobs)
    lit = [Path(sys.executable).with_name("lit"), "-q", f"-j{jobs}", "tests/filecheck"]
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", jobs, "--dist", "worksteal"]
    # Hundreds of programs import the same modules: compiled once, whoever forbids to keep that.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    costs: list[str] = []
    failed = False
    for name, command in (("filecheck", lit), ("pytest", pytest)):
        before = children_seconds()
        failed |= subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0
        costs.append(f"{name} {children_seconds() - before:.1f}")
    print(f"CPU seconds: {', '.join(costs)}, together {children_seconds():.1f}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
