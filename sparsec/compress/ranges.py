# SPDX-License-Identifier: Apache-2.0
"""A program from a file that sees calibration data, as many samples at once as it is for."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from sparsec.compress.quantization import Prepared, prepare_ptq
from sparsec.frontends.programs import Program
from sparsec.frontends.tensors import Array

AT_ONCE = 64
"""Samples at a time where the batch is open."""


def ranges_from(
    program: Program,
    arrays: Sequence[Array],
    observer: str = "histogram",
    report: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """What saw inputs [N, ..], one array for each input, ready to be converted.

    A program for a fixed batch sees whole batches alone. Raises ValueError for what does not fit.
    """
    given = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    given = [value.float() if value.is_floating_point() else value for value in given]
    fixed = program.batch
    if fixed is None and len(given[0]) == 1:
        given = [torch.cat([value, value]) for value in given]  # one example would fix the batch
    at_once, samples = fixed or AT_ONCE, len(given[0])
    report("preparing")
    examples = [value[: fixed or 2] for value in given]
    prepared = prepare_ptq(program, examples, observer=observer, open_batch=fixed is None)
    with torch.no_grad():
        for first in range(0, samples - (fixed or 1) + 1, at_once):
            report(f"calibrating, {first} of {samples} samples")
            prepared.module(*(value[first : first + at_once] for value in given))
    return prepared
