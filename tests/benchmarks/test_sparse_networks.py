# SPDX-License-Identifier: Apache-2.0
"""What the benchmark of pruned networks calls pruned."""

import numpy as np
import pytest

from benchmarks._sparse_networks import pruned


@pytest.mark.parametrize("sparsity", [0, 50, 90, 100])
def test_the_least_magnitudes_go(sparsity: int) -> None:
    weights = np.random.default_rng(0).integers(-128, 128, (10, 3, 2, 5)).astype(np.int8)
    left = pruned(weights, sparsity)
    gone = (left == 0) & (weights != 0)
    assert np.count_nonzero(left == 0) >= weights.size * sparsity // 100
    assert np.array_equal(left[~gone], weights[~gone])
    magnitude = np.abs(weights.astype(int))
    assert magnitude[gone].max(initial=0) <= magnitude[left != 0].min(initial=128)


def test_runs_of_a_row_go_together() -> None:
    """The last one of a row is shorter."""
    weights = np.random.default_rng(0).integers(1, 128, (8, 5, 4)).astype(np.int8)
    left = pruned(weights, 75, run=8).reshape(8, 20)
    runs = [left[:, :8], left[:, 8:16], left[:, 16:]]
    zeros = [np.count_nonzero(part == 0, axis=1) / part.shape[1] for part in runs]
    assert {float(share) for part in zeros for share in part} == {0.0, 1.0}
    assert sum(float(part.sum()) for part in zeros) == 18
    assert np.array_equal(left[left != 0], weights.reshape(8, 20)[left != 0])


def test_zeros_that_are_there_count() -> None:
    weights = np.array([[0, 0, 3, -1]], np.int8)
    assert np.array_equal(pruned(weights, 50), weights)
