# SPDX-License-Identifier: Apache-2.0
"""Exact instructions and estimated cycles of one project, for every benchmark alike."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsec.run import cmsis_nn
from sparsec.run.errors import ToolchainError
from sparsec.run.profile.profile import Cost, profile_project


def cost_of(project: Path, core: str, inputs: Sequence[NDArray[np.int8]]) -> Cost:
    """What the entry of `project` takes on the first of `inputs`, int8 [N, bytes] each: itself and all it calls.

    Raises RunError as `profile_project` does.
    """
    directory = cmsis_nn.locate()
    if directory is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    _, profile = profile_project(project, core, inputs, cmsis_nn=directory)
    return profile.total
