# SPDX-License-Identifier: Apache-2.0
"""Arrays that a user gives as .npy files; what is pickled is never read."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sparsec.frontends import numpy_files
from sparsec.tools.errors import UserError

Array: TypeAlias = np.ndarray[Any, Any]


def read_array(file: str) -> Array:
    """The array in a .npy file. UserError when there is none."""
    try:
        arrays = numpy_files.read_arrays(Path(file))
    except ValueError as error:
        raise UserError(f"cannot read {file}: {error}") from error
    if len(arrays) != 1:
        raise UserError(f"{file} holds several arrays: give one .npy file for each")
    return next(iter(arrays.values()))
