# SPDX-License-Identifier: Apache-2.0
"""Observers: they see calibration data batch by batch and answer with a range.

The rule: the answer does not depend on how the data is cut into batches, nor on their order.
"""

import math

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Float64Array, Int64Array
from sparsec.quantization.ranges import activation_qparams


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


class Histogram:
    """Counts of values in 8192 bins over [-limit, limit), whatever they are.

    The limit is a power of two and doubles when a value is beyond it, which merges bins pairwise, so the counts are exact.
    """

    _HALF = 4096

    def __init__(self) -> None:
        self.extremes = MinMaxObserver()
        self._limit = 2.0**-20
        self.counts: Int64Array = np.zeros(2 * self._HALF, np.int64)

    @property
    def width(self) -> float:
        """Of a bin."""
        return self._limit / self._HALF

    @property
    def edges(self) -> Float64Array:
        """The lower edges of the bins."""
        return np.arange(-self._HALF, self._HALF, dtype=np.float64) * np.float64(self.width)

    def update(self, values: npt.ArrayLike) -> None:
        """See `values`, of any shape. Raises ValueError if one is not finite."""
        array = np.asarray(values, np.float64).ravel()
        if array.size == 0:
            return
        self.extremes.update(array)
        self._grow(float(np.abs(array).max()))
        bins = np.floor(array * (self._HALF / self._limit)).astype(np.int64)
        # The product is exact, but for a number next to 0 that becomes 0.
        bins[(array < 0) & (bins == 0)] = -1
        self.counts += np.bincount(bins + self._HALF, minlength=2 * self._HALF)

    def _grow(self, magnitude: float) -> None:
        """Double the limit until it exceeds `magnitude`."""
        if magnitude < self._limit:
            return
        doublings = math.frexp(magnitude / self._limit)[1]
        bins = (np.arange(-self._HALF, self._HALF) >> min(doublings, 62)) + self._HALF
        merged = np.zeros_like(self.counts)
        np.add.at(merged, bins, self.counts)
        self.counts = merged
        self._limit = math.ldexp(self._limit, doublings)


class PercentileObserver:
    """The range between the (100 - percentile)-th and the percentile-th value seen, up to one bin of a histogram.

    The range is widened to the bins' outer edges, and never beyond the smallest and largest value. Raises ValueError for
    a percentile outside (50, 100].
    """

    def __init__(self, percentile: float) -> None:
        if not 50 < percentile <= 100:
            raise ValueError(f"a percentile must lie in (50, 100], got {percentile}")
        self._percentile = percentile
        self._seen = Histogram()

    def update(self, values: npt.ArrayLike) -> None:
        """See `values`, of any shape. Raises ValueError if one is not finite."""
        self._seen.update(values)

    def range(self) -> tuple[float, float]:
        """(lo, hi). Raises ValueError if no value was seen."""
        smallest, largest = self._seen.extremes.range()
        cumulative = np.cumsum(self._seen.counts)
        total = int(cumulative[-1])
        # 100 - 99.9 is a little less than 0.1, and must not cost a value.
        excluded = math.floor(total * (100 - self._percentile) / 100 + 1e-6)
        low_bin = int(np.searchsorted(cumulative, excluded, side="right"))
        high_bin = int(np.searchsorted(cumulative, total - excluded, side="left"))
        edges, width = self._seen.edges, self._seen.width
        return max(smallest, float(edges[low_bin])), min(largest, float(edges[high_bin]) + width)


class MseObserver:
    """The range whose int8 numbers have the least mean squared error, of what is cut off and of rounding.

    Both ends are pulled in from the smallest and largest value in turns, each to the best of 64 steps with the other as it
    is, until neither moves: the search of Banner et al., "Post training 4-bit quantization" (2019), on a histogram.
    """

    _STEPS = 64
    _TURNS = 4

    def __init__(self) -> None:
        self._seen = Histogram()

    def update(self, values: npt.ArrayLike) -> None:
        """See `values`, of any shape. Raises ValueError if one is not finite."""
        self._seen.update(values)

    def range(self) -> tuple[float, float]:
        """(lo, hi). Raises ValueError if no value was seen."""
        smallest, largest = self._seen.extremes.range()
        used = np.flatnonzero(self._seen.counts)
        counts = self._seen.counts[used].astype(np.float64)
        # The values of the outer bins are no farther out than the extremes.
        centers = np.clip(self._seen.edges[used] + self._seen.width / 2, smallest, largest)

        def error(low: float, high: float) -> float:
            scale, zero = activation_qparams(low, high)
            clipped = np.clip(np.rint(centers / scale) + zero, -128, 127)
            return float(counts @ ((clipped - zero) * scale - centers) ** 2)

        # A range has 0 in it, and ends that are 0 stay.
        least, most = min(smallest, 0.0), max(largest, 0.0)
        low, high = least, most
        parts = [step / self._STEPS for step in range(self._STEPS, 0, -1)]
        for _ in range(self._TURNS):
            before = low, high
            low = min((least * part for part in parts), key=lambda end: error(end, high))
            high = min((most * part for part in parts), key=lambda end: error(low, end))
            if (low, high) == before:
                break
        return max(low, smallest), min(high, largest)
