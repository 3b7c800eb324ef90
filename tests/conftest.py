"""What a test may need besides Python; where it is missing the test is skipped and says so."""

import shutil

import pytest

from sparsec.run import cmsis_nn

NEEDS = {"builds": ("gcc",), "qemu": ("gcc", "arm-none-eabi-gcc", "qemu-system-arm")}
"""Programs by marker; each of these tests needs CMSIS-NN too."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, tools in NEEDS.items():
        if item.get_closest_marker(marker) is None:
            continue
        missing = [tool for tool in tools if shutil.which(tool) is None]
        if missing:
            pytest.skip(f"{' and '.join(missing)} not installed")
        if cmsis_nn.locate() is None:
            pytest.skip("no CMSIS-NN: set CMSIS_NN_DIR or run python -m sparsec.run.cmsis_nn")
