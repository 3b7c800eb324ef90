# SPDX-License-Identifier: Apache-2.0
"""Masks: which weights of one or several layers stay.

The rules: as many weights are zero as were asked for, to the last one where a unit is one weight; of equally important
ones the first in their order go; no layer loses its last unit, nor one whose rows are results the last unit of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sparsec.pruning.patterns import Array, Geometry, Mask, NOfM, Pattern, Rows, Units


@dataclass(frozen=True, eq=False)
class Weights:
    """The importance [rows, columns] of the weights of a layer, and the pattern that its zeros are to have. With `keeps_rows`
    no row loses all of its weights, unless the pattern is of whole rows."""

    importance: Array
    pattern: Pattern
    taps: int = 1
    keeps_rows: bool = False

    @property
    def geometry(self) -> Geometry:
        """The shape."""
        rows, columns = self.importance.shape
        return Geometry(rows, columns, self.taps)


def check_ratio(ratio: float) -> None:
    """ValueError unless a share `ratio` of the weights can go."""
    if not 0 <= ratio < 1:
        raise ValueError(f"a ratio of zeros is at least 0 and below 1, not {ratio:g}")


def check_threshold(threshold: float) -> None:
    """ValueError unless weights can be below `threshold` or not."""
    if not threshold >= 0:
        raise ValueError(f"a threshold is at least 0, not {threshold:g}")


def zeros_of(ratio: float, count: int) -> int:
    """How many of `count` weights are a share of `ratio`, rounded half up, but never all of them."""
    return min(int(Fraction(str(float(ratio))) * count + Fraction(1, 2)), count - 1)


def local_masks(layers: Sequence[Weights], ratio: float) -> list[Mask]:
    """A share `ratio` of each layer goes; N:M patterns have their own, unless nothing goes."""
    check_ratio(ratio)
    return [_fewest([each], ratio)[0] for each in layers]


def global_masks(layers: Sequence[Weights], ratio: float) -> list[Mask]:
    """A share `ratio` of all weights goes, from wherever they matter least; N:M patterns have their own share, unless nothing
    goes.

    Importances of different layers are compared as they are.
    """
    check_ratio(ratio)
    return _fewest(layers, ratio)


def threshold_masks(layers: Sequence[Weights], threshold: float) -> list[Mask]:
    """What is worth less than `threshold` goes; what a unit is worth is the mean of its weights."""
    check_threshold(threshold)
    masks: list[Mask] = []
    for each in layers:
        if isinstance(each.pattern, NOfM):
            masks.append(_checked(each).mask(each.importance))
            continue
        units = _units(each)
        worth = _worth(units, each.importance)
        stays = worth >= threshold
        stays[_last(each, units, worth)] = True
        masks.append(stays[units])
    return masks


def _fewest(layers: Sequence[Weights], ratio: float) -> list[Mask]:
    """As many of the least important units of all layers as fit into the share that goes."""
    if ratio == 0:
        return [np.ones(each.importance.shape, np.bool_) for each in layers]
    masks: list[Mask | None] = [
        _checked(each).mask(each.importance) if isinstance(each.pattern, NOfM) else None
        for each in layers
    ]
    open_layers = [index for index, mask in enumerate(masks) if mask is None]
    units = [_units(layers[index]) for index in open_layers]
    worth = [
        _worth(of, layers[index].importance) for of, index in zip(units, open_layers, strict=True)
    ]
    sizes = [np.bincount(of.reshape(-1)) for of in units]
    last = [
        _last(layers[index], of, worth_of)
        for index, of, worth_of in zip(open_layers, units, worth, strict=True)
    ]
    stays = _taken(
        worth, sizes, last, zeros_of(ratio, sum(map(int, map(np.sum, sizes)))) if sizes else 0
    )
    for index, of, staying in zip(open_layers, units, stays, strict=True):
        masks[index] = staying[of]
    return [mask for mask in masks if mask is not None]


def _last(layer: Weights, units: NDArray[np.int64], worth: Array) -> NDArray[np.int64]:
    """The units that stay whatever happens: that of most worth, of the layer or of each row."""
    if layer.keeps_rows and not isinstance(layer.pattern, Rows):
        best = np.argmax(worth[units], axis=1)
        return np.unique(units[np.arange(len(units)), best])
    return np.array([np.argmax(worth)])


def _taken(
    worth: Sequence[Array], sizes: Sequence[Array], last: Sequence[Array], zeros: int
) -> list[NDArray[np.bool_]]:
    """Which units stay when those of least worth go, but for the `last`, as long as no more than `zeros` weights go with
    them."""
    starts = np.cumsum([0, *(len(each) for each in worth)])
    values, counts = (
        np.concatenate(worth) if worth else np.zeros(0),
        np.concatenate(sizes) if sizes else np.zeros(0, int),
    )
    held = [start + each for start, each in zip(starts[:-1], last, strict=True)]
    order = np.argsort(values, kind="stable")
    order = order[~np.isin(order, np.concatenate(held) if held else [])]
    gone = order[np.cumsum(counts[order]) <= zeros]
    stays = np.ones(len(values), np.bool_)
    stays[gone] = False
    return [stays[start:end] for start, end in pairwise(starts)]


def _checked(layer: Weights) -> NOfM:
    assert isinstance(layer.pattern, NOfM)
    layer.pattern.check(layer.geometry)
    return layer.pattern


def _units(layer: Weights) -> NDArray[np.int64]:
    assert isinstance(layer.pattern, Units)
    layer.pattern.check(layer.geometry)
    return layer.pattern.units(layer.geometry)


def _worth(units: NDArray[np.int64], importance: Array) -> Array:
    """The mean importance of each unit."""
    flat = units.reshape(-1)
    return np.bincount(flat, importance.reshape(-1).astype(np.float64)) / np.bincount(flat)


def check_stores(mask: Mask, pattern: Pattern, taps: int = 1) -> None:
    """ValueError where the storage format of `pattern` does not hold weights that are zero by `mask` at no more than the
    bytes of the units that stay: the mask has another pattern then."""
    rows, columns = mask.shape
    geometry = Geometry(rows, columns, taps)
    format = pattern.format(geometry)
    weights = mask.astype(np.int8)
    if isinstance(pattern, Units):
        units = pattern.units(geometry)
        count = np.bincount(units.reshape(-1))
        kept = np.bincount(units.reshape(-1), mask.reshape(-1))
        if ((kept != 0) & (kept != count)).any():
            raise ValueError(f"the mask leaves parts of units of {pattern.label}")
    if format is None:
        return
    components = format.pack(weights)
    if not np.array_equal(format.unpack(components, mask.shape), weights):
        raise ValueError(f"{format.label} does not store what the mask leaves")
