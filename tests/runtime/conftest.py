# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from sparsec.run.cmsis_nn import locate
from tests.runtime.kernel_library import KernelLibrary, build_cmsis_nn, build_runtime


@pytest.fixture(scope="session")
def cmsis_nn_dir() -> Path:
    directory = locate()
    if directory is None:
        pytest.skip("no CMSIS-NN: set CMSIS_NN_DIR or run python -m sparsec.run.cmsis_nn")
    return directory


@pytest.fixture(scope="session")
def runtime(
    cmsis_nn_dir: Path, cmsis_nn: KernelLibrary, tmp_path_factory: pytest.TempPathFactory
) -> KernelLibrary:
    output = tmp_path_factory.mktemp("runtime") / "runtime.so"
    return build_runtime(cmsis_nn_dir, output, cmsis_nn.path)


@pytest.fixture(scope="session")
def cmsis_nn(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> KernelLibrary:
    return build_cmsis_nn(cmsis_nn_dir, tmp_path_factory.mktemp("cmsis_nn") / "cmsis_nn.so")
