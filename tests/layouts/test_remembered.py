# SPDX-License-Identifier: Apache-2.0
"""What is asked for again is given again, by the content of the arrays."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsec.layouts.remembered import remembered


@dataclass(frozen=True)
class Found:
    numbers: NDArray[np.int32]


def test_equal_arguments_are_asked_for_once() -> None:
    asked: list[int] = []

    @remembered(2)
    def twice(array: NDArray[np.int32], more: int = 0) -> Found:
        asked.append(int(array.sum()) + more)
        return Found(2 * array + more)

    first = twice(np.arange(3, dtype=np.int32))
    assert twice(np.arange(3, dtype=np.int32)) is first and asked == [3]
    # Another content, shape, type or number is another question.
    others = [
        twice(np.arange(1, 4, dtype=np.int32)),
        twice(np.arange(3, dtype=np.int32).reshape(3, 1)),
        twice(np.arange(3).astype(np.int32), more=1),
    ]
    assert asked == [3, 6, 3, 4] and all(each is not first for each in others)
    twice(np.arange(3, dtype=np.int32))  # three others came between
    assert asked == [3, 6, 3, 4, 3]


def test_what_is_shared_cannot_be_written_to() -> None:
    @remembered(1)
    def doubled(array: NDArray[np.int32]) -> Found:
        return Found(2 * array)

    found = doubled(np.arange(3, dtype=np.int32))
    with pytest.raises(ValueError, match="read-only"):
        found.numbers[0] = 7


def test_an_error_is_raised_each_time() -> None:
    @remembered(1)
    def refuse(number: int) -> int:
        raise ValueError(f"not {number}")

    for _ in range(2):
        with pytest.raises(ValueError, match="not 5"):
            refuse(5)
