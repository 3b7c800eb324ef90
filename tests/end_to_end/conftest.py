# SPDX-License-Identifier: Apache-2.0
"""The models that several tests compile, exported once for all workers."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SHIPPED = {"mnist": EXAMPLES / "mnist/model.pt", "ds_cnn": EXAMPLES / "fashion/ds_cnn.pt2"}

FindModel = Callable[[str], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.builds)


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
