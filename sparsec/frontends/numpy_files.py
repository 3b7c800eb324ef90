# SPDX-License-Identifier: Apache-2.0
"""Arrays that a user gives as .npy and .npz files: nothing is unpickled, and nothing is believed."""

import warnings
import zipfile
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from sparsec.frontends.archive import MAX_BYTES, check_inflated

Array: TypeAlias = np.ndarray[Any, Any]

_NO_NUMBERS = "it is no .npy or .npz file of numbers"


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of a file by name; that of a .npy file is called `arr_0`.

    Raises ValueError, a few words that say why, where there are none to read.
    """
    try:
        # numpy leaves damaged files open, and warns of old ones.
        with path.open("rb") as stream, warnings.catch_warnings(action="ignore"):
            if zipfile.is_zipfile(stream):
                with zipfile.ZipFile(stream) as archive:
                    check_inflated(archive.infolist(), path.stat().st_size)
            stream.seek(0)
            loaded: Any = np.load(stream, allow_pickle=False)
            found: dict[str, object] = (
                {"arr_0": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
            )
    except OSError as error:
        raise ValueError(error.strerror or _NO_NUMBERS) from error
    except Exception as error:  # a damaged header raises nearly anything, TokenError and all
        raise ValueError(_NO_NUMBERS) from error
    arrays: dict[str, Array] = {}
    for name, value in found.items():
        # What an archive holds that is no array comes as its bytes.
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
            raise ValueError(_NO_NUMBERS)
        arrays[name] = cast(Array, value)
        if arrays[name].nbytes > MAX_BYTES:
            raise ValueError(f"its arrays take over {MAX_BYTES >> 30} GiB")
    return arrays


def read_numbers(path: Path) -> Array:
    """The real numbers of a file that holds one array. Raises ValueError, a few words that say why, where it does not."""
    arrays = list(read_arrays(path).values())
    if len(arrays) != 1:
        raise ValueError(f"it holds {len(arrays)} arrays, not one")
    if arrays[0].dtype.kind == "c":
        raise ValueError("it holds complex numbers")
    return arrays[0]
