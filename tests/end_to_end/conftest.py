"""Skips where tools are missing, and the models that several tests compile, exported once for all workers."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sparsec.run import cmsis_nn

QEMU_TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm")
EXAMPLES = Path(__file__).parents[2] / "examples"
SHIPPED = {"mnist": EXAMPLES / "mnist/model.pt", "kws_shipped": EXAMPLES / "kws/model.pt"}

FindModel = Callable[[str], Path]


def pytest_runtest_setup(item: pytest.Item) -> None:
    on_device = item.get_closest_marker("qemu") is not None
    missing = [tool for tool in ("gcc", *QEMU_TOOLS) if shutil.which(tool) is None]
    if missing and (on_device or "gcc" in missing):
        pytest.skip(f"{' and '.join(missing)} not installed")
    if cmsis_nn.locate() is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")


@pytest.fixture(scope="session")
def find_model(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> FindModel:
    """The file of a network: shipped, or of the zoo and exported when it is first asked for."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":  # the workers share the parent
        folder = folder.parent

    def find(name: str) -> Path:
        if name in SHIPPED:
            return SHIPPED[name]
        path = folder / "zoo" / f"{name}.pt"
        path.parent.mkdir(exist_ok=True)
        with open(path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                from examples.export import export_example  # torch takes a second to import

                export_example(name, path)
        return path

    return find
