# SPDX-License-Identifier: Apache-2.0
"""A format of lit tests that runs our tools inside lit's own process, where starting each would cost more than its work.

The rule: a RUN line means what it means to lit. It is parsed by lit, a pipeline fails where one command of it does, and
a line with anything that is not known here is left to lit's shell.
"""

import contextlib
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Generator, Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import filecheck.main
import lit.formats
import lit.Test
import lit.TestRunner
from lit.ShCommands import GlobItem
from lit.ShUtil import ShParser

from sparsec.tools import sparsec_interpret, sparsec_opt

TEST_RUNNER: Any = lit.TestRunner  # which has no types
PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "sparsec-opt": sparsec_opt.main,
    "sparsec-interpret": sparsec_interpret.main,
    "filecheck": lambda arguments: filecheck.main.main(["filecheck", *arguments]),
}
"""What runs here; a program ends with SystemExit or returns."""


@dataclass(frozen=True)
class Ended:
    """How a program ended and what it wrote."""

    code: int
    stdout: bytes
    stderr: bytes


def exit_code(program: Callable[[list[str]], None], arguments: list[str]) -> int:
    """What Python would exit with."""
    try:
        program(arguments)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def replaced_stdin(content: bytes) -> Generator[None]:
    """`sys.stdin` reads `content`."""
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = before


@dataclass(frozen=True)
class Step:
    """A command of a pipeline: one of PROGRAMS."""

    program: str
    arguments: tuple[str, ...]
    negated: bool = False
    stderr: Literal["shown", "dropped", "merged"] = "shown"


def steps_of(line: str) -> list[Step] | None:
    """The commands of a RUN line, None where not all is known here."""
    parsed: Any = ShParser(line, False, True).parse()
    commands: list[Any] = getattr(parsed, "commands", [])  # a sequence of pipelines has none
    if not commands or parsed.negate:
        return None
    steps = [step_of(command.args, command.redirects) for command in commands]
    known = [step for step in steps if step is not None]
    return known if len(known) == len(steps) else None


def step_of(arguments: list[str | GlobItem], redirects: list[Any]) -> Step | None:
    """A command as lit parses it, None where it is not known here."""
    words = [word for word in arguments if isinstance(word, str)]
    negated = words[:1] == ["not"]
    program, *rest = words[negated:] or [""]
    if program not in PROGRAMS or len(words) < len(arguments):
        return None
    match redirects:
        case []:
            return Step(program, tuple(rest), negated)
        case [((">", 2), os.devnull)]:
            return Step(program, tuple(rest), negated, "dropped")
        case [((">&", 2), "1")]:
            return Step(program, tuple(rest), negated, "merged")
        case _:
            return None


def run_program(step: Step, stdin: bytes) -> Ended:
    """Run a command that reads `stdin`."""
    out, err = io.BytesIO(), io.BytesIO()
    stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    merged = step.stderr == "merged"
    stderr = stdout if merged else io.TextIOWrapper(err, encoding="utf-8", write_through=True)
    with replaced_stdin(stdin), redirect_stdout(stdout), redirect_stderr(stderr):
        code = exit_code(PROGRAMS[step.program], list(step.arguments))
    return Ended(code, out.getvalue(), err.getvalue())


def run_pipeline(steps: Iterable[Step]) -> tuple[bool, str]:
    """Run what is known; whether each command ended as it should, and what they printed on the terminal."""
    succeeded, stdin, printed = True, b"", ""
    for step in steps:
        ended = run_program(step, stdin)
        if step.stderr == "shown":
            printed += ended.stderr.decode(errors="replace")
        if (ended.code == 0) == step.negated:
            printed += f"# '{step.program}' ended with exit code {ended.code}\n"
            succeeded = False
        stdin = ended.stdout
    return succeeded, printed + stdin.decode(errors="replace")


class InProcess(lit.formats.ShTest):
    """Tests whose RUN lines are pipelines of our tools and filecheck; others run as lit runs them."""

    def execute(self, test: Any, litConfig: Any) -> Any:
        lines = None if test.config.unsupported or litConfig.noExecute else lines_of(test)
        pipelines = {line: steps_of(line) for line in lines or ()}
        if not pipelines or None in pipelines.values():
            return TEST_RUNNER.executeShTest(test, litConfig, useExternalSh=False)
        folder = Path(test.getExecPath()).parent
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(folder):
            for line, steps in pipelines.items():
                succeeded, printed = run_pipeline(steps or ())
                if not succeeded:
                    return lit.Test.Result(lit.Test.FAIL, f"RUN: {line}\n{printed}")
        return lit.Test.Result(lit.Test.PASS, "")


def lines_of(test: Any) -> list[str] | None:
    """The RUN lines of a test with everything substituted, None where lit finds that it cannot run."""
    script: Any = TEST_RUNNER.parseIntegratedTestScript(test)
    if isinstance(script, lit.Test.Result):
        return None
    substitutions: Any = TEST_RUNNER.getDefaultSubstitutions(test, *TEST_RUNNER.getTempPaths(test))
    limit: Any = test.config.recursiveExpansionLimit
    lines: list[str] = TEST_RUNNER.applySubstitutions(script, substitutions, recursion_limit=limit)
    # lit notes the place of each line in front of it.
    places = [re.fullmatch(TEST_RUNNER.kPdbgRegex, line) for line in lines]
    return [
        (line if place is None else place.group(2)).strip()
        for line, place in zip(lines, places, strict=True)
    ]
