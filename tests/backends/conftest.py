import shutil
from pathlib import Path

import pytest

from sparsec.run.cmsis_nn import locate


def pytest_runtest_setup(item: pytest.Item) -> None:
    tools = ("arm-none-eabi-gcc", "qemu-system-arm")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing and item.get_closest_marker("qemu") is not None:
        pytest.skip(f"{' and '.join(missing)} not installed")


@pytest.fixture(scope="session")
def cmsis_nn() -> Path:
    directory = locate()
    if directory is None:
        pytest.skip("no CMSIS-NN: set CMSIS_NN_DIR or run python -m sparsec.run.cmsis_nn")
    return directory
