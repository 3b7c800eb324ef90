# SPDX-License-Identifier: Apache-2.0
"""The classes that samples have, from files."""

from typing import Any, TypeAlias

import numpy as np

from sparsec.tools.arrays import read_array
from sparsec.tools.errors import UserError

Array: TypeAlias = np.ndarray[Any, Any]


def take_labels(arrays: dict[str, Array], labels: str, path: object) -> Array:
    """The labels that --labels names: one of `arrays`, of the file `path`, out of which it is taken, or a .npy file.

    UserError where there are none.
    """
    if labels in arrays:
        return arrays.pop(labels)
    if not labels.endswith((".npy", ".npz")):
        raise UserError(
            f"--labels: {path} has no array '{labels}' of labels but {', '.join(arrays) or 'none'}, and a file ends in .npy"
        )
    return read_array(labels)


def check_labels(
    labels: Array, samples: int, classes: int, output: str = "the output", what: str = "--labels"
) -> None:
    """UserError unless `labels`, which the user knows as `what`, is one of so many classes of `output` for each sample."""
    if labels.dtype.kind not in "iu" or labels.shape != (samples,):
        raise UserError(
            f"{what} must be {samples} whole numbers, one for each sample, not {labels.dtype} of shape "
            f"{list(labels.shape)}"
        )
    if not samples:
        raise UserError(f"{what} has no samples")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise UserError(
            f"{what} goes from {low} to {high}, and {output} has the classes 0 to {classes - 1}"
        )
