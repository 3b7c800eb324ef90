# SPDX-License-Identifier: Apache-2.0
"""Holding statistic.yml to what the tensors say: a list of the bytes that each operation reads and writes."""

from collections.abc import Sequence

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tensor_folder.writer import Sizes


def compare_sizes(computed: Sequence[Sizes], listed: Sequence[Sequence[int]]) -> str:
    """How many entries are left when each operation has had its own, which is 0 where all is right.

    Of an entry the first two numbers are compared where the operation has one input. Raises FrontendError where they differ,
    or the list is too short.
    """
    for number, sizes in enumerate(computed):
        if number >= len(listed):
            raise FrontendError(
                f"statistic.yml has {len(listed)} entries, and none for '{sizes.layer}', operation {number}"
            )
        read, written = listed[number][:2]
        if sizes.read is not None and (read, written) != (sizes.read, sizes.written):
            raise FrontendError(
                f"statistic.yml: entry {number} has {read} and {written} bytes, and '{sizes.layer}' reads {sizes.read} and "
                f"writes {sizes.written}"
            )
    left = len(listed) - len(computed)
    return f"Remaining size list count: {left} (0 is correct)"
