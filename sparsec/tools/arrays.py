# SPDX-License-Identifier: Apache-2.0
"""Arrays that a user gives as .npy files; what is pickled is never read."""

import warnings
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.lib.npyio import NpzFile

from sparsec.tools.errors import UserError

Array: TypeAlias = np.ndarray[Any, Any]


def read_array(file: str) -> Array:
    """The array in a .npy file. UserError when there is none."""
    try:
        # numpy leaves damaged files open, and warns of old ones.
        with open(file, "rb") as stream, warnings.catch_warnings(action="ignore"):
            array: object = np.load(stream, allow_pickle=False)
    except Exception as error:  # a damaged header raises nearly anything, TokenError and all
        reason = error.strerror if isinstance(error, OSError) else None
        raise UserError(
            f"cannot read {file}: {reason or 'it is no .npy file of numbers'}"
        ) from error
    if not isinstance(array, np.ndarray):
        cast(NpzFile, array).close()
        raise UserError(f"{file} holds several arrays: give one .npy file for each")
    return cast(Array, array)
