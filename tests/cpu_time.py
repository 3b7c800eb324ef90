# SPDX-License-Identifier: Apache-2.0
"""CPU seconds of the tests, with those of the programs that they start: what they cost on a machine however busy it is."""

import os
from collections import defaultdict
from collections.abc import Generator, Mapping
from pathlib import PurePosixPath
from typing import Any

import pytest

KEY = "cpu_seconds"


def cpu_seconds() -> float:
    """Of this process and of the children it waited for, user and system."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class CpuTime:
    """A plugin of pytest that adds up CPU seconds by folder and prints them at the end.

    A session's fixtures count for the test that asks for them first. Processes of pytest-xdist
    report to the first one.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._begin = 0.0
        self._tests: dict[str, float] = {}
        self._workers = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self._begin = cpu_seconds()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "teardown":
            report.user_properties.append((KEY, cpu_seconds() - self._begin))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == KEY and report.when == "teardown":
                self._tests[report.nodeid] = float(str(value))

    def pytest_sessionfinish(self) -> None:
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[KEY] = cpu_seconds()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output: dict[str, float] = getattr(node, "workeroutput", {})
        self._workers += output.get(KEY, 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        total = self._workers or cpu_seconds()
        folders: defaultdict[str, float] = defaultdict(float)
        for name, seconds in self._tests.items():
            folders["/".join(PurePosixPath(name.partition("::")[0]).parts[:2])] += seconds
        folders["imports and the rest"] = total - sum(folders.values())
        terminalreporter.section("CPU seconds")
        for name, seconds in _costliest_first(folders):
            terminalreporter.line(f"{seconds:8.1f}  {name}")
        terminalreporter.line(f"{total:8.1f}  together")
        for name, seconds in _costliest_first(self._tests)[: self._config.getoption("--cpu")]:
            terminalreporter.line(f"{seconds:8.2f}  {name}")


def _costliest_first(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda each: (-each[1], each[0]))
