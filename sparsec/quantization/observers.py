# SPDX-License-Identifier: Apache-2.0
"""Observers: they see calibration data batch by batch and answer with a range.

The rule: the answer does not depend on how the data is cut into batches, nor on their order.
"""

import math

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Int64Array


class MinMaxObserver:
    """The smallest and largest value seen."""

    def __init__(self) -> None:
        self._lo = math.inf
        self._hi = -math.inf

    def update(self, values: npt.ArrayLike) -> None:
        """See `values`, of any shape. Raises ValueError if one is not finite."""
        array = np.asarray(values, np.float64)
        if not np.all(np.isfinite(array)):
            raise ValueError("a calibration value is not finite")
        self._lo = float(array.min(initial=self._lo))
        self._hi = float(array.max(initial=self._hi))

    def range(self) -> tuple[float, float]:
        """(lo, hi). Raises ValueError if no value was seen."""
        if self._lo > self._hi:
            raise ValueError("no calibration value was seen")
        return self._lo, self._hi


class PercentileObserver:
    """The range between the (100 - percentile)-th and the percentile-th value seen, up to one bin of a histogram.

    The histogram has 8192 bins over [-limit, limit); the limit is a power of two and doubles when a value is
    beyond it, which merges bins pairwise, so the counts are exact. The range is widened to the bins' outer edges,
    and never beyond the smallest and largest value. Raises ValueError for a percentile outside (50, 100].
    """

    _HALF = 4096

    def __init__(self, percentile: float) -> None:
        if not 50 < percentile <= 100:
            raise ValueError(f"a percentile must lie in (50, 100], got {percentile}")
        self._percentile = percentile
        self._extremes = MinMaxObserver()
        self._limit = 2.0**-20
        self._counts: Int64Array = np.zeros(2 * self._HALF, np.int64)

    def update(self, values: npt.ArrayLike) -> None:
        """See `values`, of any shape. Raises ValueError if one is not finite."""
        array = np.asarray(values, np.float64).ravel()
        if array.size == 0:
            return
        self._extremes.update(array)
        self._grow(float(np.abs(array).max()))
        bins = np.floor(array * (self._HALF / self._limit)).astype(np.int64)
        # The product is exact, but for a number next to 0 that becomes 0.
        bins[(array < 0) & (bins == 0)] = -1
        self._counts += np.bincount(bins + self._HALF, minlength=2 * self._HALF)

    def range(self) -> tuple[float, float]:
        """(lo, hi). Raises ValueError if no value was seen."""
        smallest, largest = self._extremes.range()
        cumulative = np.cumsum(self._counts)
        total = int(cumulative[-1])
        # 100 - 99.9 is a little less than 0.1, and must not cost a value.
        excluded = math.floor(total * (100 - self._percentile) / 100 + 1e-6)
        low_bin = int(np.searchsorted(cumulative, excluded, side="right"))
        high_bin = int(np.searchsorted(cumulative, total - excluded, side="left"))
        width = self._limit / self._HALF
        return max(smallest, (low_bin - self._HALF) * width), min(
            largest, (high_bin + 1 - self._HALF) * width
        )

    def _grow(self, magnitude: float) -> None:
        """Double the limit until it exceeds `magnitude`."""
        if magnitude < self._limit:
            return
        doublings = math.frexp(magnitude / self._limit)[1]
        bins = (np.arange(-self._HALF, self._HALF) >> min(doublings, 62)) + self._HALF
        merged = np.zeros_like(self._counts)
        np.add.at(merged, bins, self._counts)
        self._counts = merged
        self._limit = math.ldexp(self._limit, doublings)
