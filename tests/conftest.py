# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: what it may need besides Python, which random examples it draws, what it costs.

The rule: the suite gives the same result every time, on every machine. Random search is `make fuzz`.
"""

import os
import random
import shutil
import sys

import pytest
from hypothesis import HealthCheck, settings

from sparsec.run import cmsis_nn
from sparsec.run.toolchain import COMPILERS
from tests.clang import use_clang
from tests.cpu_time import CpuTime
from tests.fuzz import Search

# Before numpy and torch are imported, which read it once: how sums are split would depend on the machine, and threads
# that wait for each other at small matrices take twice the CPU time.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

NEEDS = {
    "builds": ("gcc",),
    "qemu": ("gcc", "arm-none-eabi-gcc", "qemu-system-arm"),
    "clang": ("gcc", "arm-none-eabi-gcc", "qemu-system-arm", "clang-22"),
}
"""Programs by marker; each of these tests needs CMSIS-NN too."""

# Whole networks are large and slow to draw, and how slow depends on the machine: no test fails for it.
UNHURRIED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("suite", UNHURRIED, derandomize=True, database=None)
settings.register_profile("fuzz", UNHURRIED, print_blob=True)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", type=int, default=0, help="list the N tests that cost most CPU time")
    parser.addoption("--cc", choices=COMPILERS, default="gcc", help="what builds for Cortex-M")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--cc") == "clang":
        use_clang()
    config.pluginmanager.register(CpuTime(config), "cpu-time")
    config.pluginmanager.register(Search(), "random-search")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, tools in NEEDS.items():
        if item.get_closest_marker(marker) is None:
            continue
        missing = [tool for tool in tools if shutil.which(tool) is None]
        if missing:
            pytest.skip(f"{' and '.join(missing)} not installed")
        if cmsis_nn.locate() is None:
            pytest.skip("no CMSIS-NN: set CMSIS_NN_DIR or run python -m sparsec.run.cmsis_nn")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Generators that nobody seeds begin the same in every test, whichever ran before in this process."""
    random.seed(0)
    if "numpy" in sys.modules:  # else the test does not use it
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
