# SPDX-License-Identifier: Apache-2.0
"""Observers of calibration data."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sparsec.quantization.observers import MinMaxObserver, MseObserver, PercentileObserver
from sparsec.quantization.ranges import activation_qparams, dequantize, quantize

batches = st.lists(
    st.lists(st.floats(-1e9, 1e9), min_size=0, max_size=20), min_size=1, max_size=5
).filter(lambda lists: any(lists))


@given(batches)
def test_min_max(data: list[list[float]]):
    observer = MinMaxObserver()
    for batch in data:
        observer.update(batch)
    values = [value for batch in data for value in batch]
    assert observer.range() == (min(values), max(values))


# Half of the smallest number is 0, which lies in another bin than what is below 0.
@example(data=[[4096.0, -5e-324]], percentile=75.0)
@given(batches, st.floats(50, 100, exclude_min=True))
def test_percentile_depends_neither_on_batches_nor_on_order(
    data: list[list[float]], percentile: float
):
    values = [value for batch in data for value in batch]
    ranges: set[tuple[float, float]] = set()
    for order in (data, data[::-1], [values], [[value] for value in sorted(values)]):
        observer = PercentileObserver(percentile)
        for batch in order:
            observer.update(batch)
        ranges.add(observer.range())
    assert len(ranges) == 1


@given(batches)
def test_the_hundredth_percentile_is_min_max(data: list[list[float]]):
    all_values, extremes = PercentileObserver(100), MinMaxObserver()
    for batch in data:
        all_values.update(batch)
        extremes.update(batch)
    assert all_values.range() == extremes.range()


@pytest.mark.parametrize("percentile", [75.0, 99.0, 99.9])
def test_percentile_is_the_sorted_one_up_to_a_bin(percentile: float):
    values = np.random.default_rng(0).standard_normal(100_000)
    observer = PercentileObserver(percentile)
    for batch in np.split(values, 10):
        observer.update(batch)
    values.sort()
    excluded = round(values.size * (100 - percentile) / 100)
    lo, hi = observer.range()
    # The largest magnitude is between 4 and 8, so the limit is 8 and a bin 8 / 4096.
    assert 0 <= values[excluded] - lo <= 8 / 4096
    assert 0 <= hi - values[-1 - excluded] <= 8 / 4096


def test_an_outlier_is_cut():
    observer = PercentileObserver(99)
    observer.update(np.append(np.linspace(0, 1, 999), 1000.0))
    lo, hi = observer.range()
    assert lo == 0
    assert hi < 2


@pytest.mark.parametrize("observer", [MinMaxObserver(), PercentileObserver(99)])
def test_errors(observer: MinMaxObserver | PercentileObserver):
    with pytest.raises(ValueError, match="no calibration value"):
        observer.range()
    observer.update(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="not finite"):
        observer.update([1.0, float("nan")])
    with pytest.raises(ValueError, match="no calibration value"):
        observer.range()


@pytest.mark.parametrize("percentile", [50, 100.1, float("nan")])
def test_percentile_must_be_one(percentile: float):
    with pytest.raises(ValueError, match="percentile"):
        PercentileObserver(percentile)


def squared_error(values: np.ndarray, measured: tuple[float, float]) -> float:
    scale, zero = activation_qparams(*measured)
    return float(np.mean((dequantize(quantize(values, scale, zero), scale, zero) - values) ** 2))


@pytest.mark.parametrize("seed", range(4))
def test_the_least_squared_error_is_next_to_the_least_of_all_ranges(seed: int):
    generator = np.random.default_rng(seed)
    values = generator.laplace(size=40_000) * generator.uniform(1e-3, 1e3)
    values[values < 0] *= 0.1 if seed % 2 else 1.0
    observer, extremes = MseObserver(), MinMaxObserver()
    for batch in np.split(values, 4):
        observer.update(batch)
        extremes.update(batch)
    smallest, largest = extremes.range()
    of_all = min(
        squared_error(values, (smallest * low, largest * high))
        for low in np.linspace(0.2, 1, 9)
        for high in np.linspace(0.2, 1, 9)
    )
    found = squared_error(values, observer.range())
    assert found < 0.96 * squared_error(values, (smallest, largest))
    assert found < 1.03 * of_all


@given(batches)
def test_the_least_squared_error_is_none_of_a_wider_range_s(data: list[list[float]]):
    observer, extremes = MseObserver(), MinMaxObserver()
    for batch in data:
        observer.update(batch)
        extremes.update(batch)
    (low, high), (smallest, largest) = observer.range(), extremes.range()
    assert smallest <= low <= high <= largest
