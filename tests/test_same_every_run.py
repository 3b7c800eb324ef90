# SPDX-License-Identifier: Apache-2.0
"""The suite draws the same examples in every run, and `make fuzz` others."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import SEED, shard


def drawn() -> list[int]:
    """Ten examples of a property test with the seed of part 3."""
    values: list[int] = []

    @shard(3)
    @settings(max_examples=10)
    @given(st.integers())
    def collect(value: int) -> None:
        values.append(value)

    collect()
    return values


def test_no_test_depends_on_luck_or_the_clock(request: pytest.FixtureRequest) -> None:
    found = settings()
    assert found.deadline is None
    searching = request.config.getoption("hypothesis_profile", None) == "fuzz"
    assert found.derandomize is not searching
    assert (found.database is None) is not searching


def test_a_part_has_its_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SEED, raising=False)
    first = drawn()
    assert drawn() == first
    monkeypatch.setenv(SEED, "1")
    assert drawn() != first


def test_sums_are_not_split_among_threads() -> None:
    """Asked of a process of its own: training sets the number for its whole process."""
    code = "import tests.conftest, sys; assert 'numpy' not in sys.modules; import torch; print(torch.get_num_threads())"
    environment = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout == "1\n"


@pytest.mark.parametrize("again", [False, True])
def test_generators_begin_the_same_in_every_test(again: bool) -> None:
    assert random.random() == random.Random(0).random()
    assert np.random.rand() == np.random.RandomState(0).rand()
    if "torch" in sys.modules:
        import torch

        assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(0))
