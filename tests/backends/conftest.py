# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from sparsec.run.cmsis_nn import locate


@pytest.fixture(scope="session")
def cmsis_nn() -> Path:
    directory = locate()
    if directory is None:
        pytest.skip("no CMSIS-NN: set CMSIS_NN_DIR or run python -m sparsec.run.cmsis_nn")
    return directory
