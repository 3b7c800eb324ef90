# SPDX-License-Identifier: Apache-2.0
"""Patterns and masks: what goes, how much of it, and that storage formats hold what stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.pruning.masks import (
    Weights,
    check_stores,
    global_masks,
    local_masks,
    threshold_masks,
    zeros_of,
)
from sparsec.pruning.patterns import (
    Blocks,
    Geometry,
    Kernels,
    NOfM,
    Pattern,
    Rows,
    Tiles,
    Units,
    Unstructured,
    parse_pattern,
)

ALL = [
    *(Unstructured(), Blocks(4, 1), Blocks(1, 4), Blocks(1, 16), Kernels(2, 4)),
    *(NOfM(2, 4), Tiles(), Rows()),
]


def random(
    rows: int, columns: int, seed: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.abs(np.random.default_rng(seed).normal(size=(rows, columns)))


@pytest.mark.parametrize("pattern", ALL, ids=lambda pattern: pattern.label)
def test_labels_are_read_back(pattern: Units) -> None:
    assert parse_pattern(pattern.label) == pattern


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tiles", "there is no pattern 'tiles', known: unstructured, block"),
        ("nm(4:2)", "keeps more weights than there are"),
        ("nm(4:4)", "n of nm with m = 4 is a whole number in 1..3"),
        ("block(0x4)", "rows of block is a whole number in 1..256"),
    ],
)
def test_what_is_no_pattern(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        parse_pattern(text)


@given(
    st.integers(1, 70), st.integers(1, 9), st.integers(1, 40), st.floats(0, 0.99), st.integers(0, 9)
)
def test_formats_hold_what_masks_leave(
    rows: int, taps: int, channels: int, ratio: float, seed: int
) -> None:
    """Of every pattern that the layer can have; no unit is cut, and no more goes than was asked for."""
    importance = random(rows, taps * channels, seed)
    for pattern in ALL:
        try:
            pattern.check(Geometry(rows, taps * channels, taps))
        except ValueError:
            continue
        (mask,) = local_masks([Weights(importance, pattern, taps)], ratio)
        check_stores(mask, pattern, taps)
        assert mask.any()
        if isinstance(pattern, Units):
            assert np.count_nonzero(~mask) <= zeros_of(ratio, mask.size)


def test_exactly_as_many_as_asked_for_and_ties_by_position() -> None:
    (mask,) = local_masks([Weights(np.ones((10, 10)), Unstructured())], 0.38)
    assert np.array_equal(np.flatnonzero(~mask), np.arange(1, 39))  # the first of the best stays


def test_blocks_are_scored_by_magnitude() -> None:
    weights = np.array([[5.0, -5.0, 1.0, 1.0]])
    (mask,) = local_masks([Weights(np.abs(weights), Blocks(1, 2))], 0.5)
    assert mask.tolist() == [[True, True, False, False]]


def test_global_takes_from_where_it_matters_least_and_never_all() -> None:
    small, large = random(4, 8) / 100, random(4, 8) + 1
    masks = global_masks([Weights(small, Unstructured()), Weights(large, Unstructured())], 0.5)
    assert [int(np.count_nonzero(~mask)) for mask in masks] == [31, 1]
    masks = local_masks([Weights(small, Unstructured()), Weights(large, Unstructured())], 0.5)
    assert [int(np.count_nonzero(~mask)) for mask in masks] == [16, 16]


@pytest.mark.parametrize("pattern", [p for p in ALL if p != Rows()], ids=lambda p: p.label)
def test_rows_that_are_results_keep_something(pattern: Pattern) -> None:
    """However little they are worth; as many others go as without that, as long as there are any."""
    importance = random(10, 64)
    importance[4:8] /= 100
    emptied: list[int] = []
    for keeps_rows in (False, True):
        layer = Weights(importance, pattern, keeps_rows=keeps_rows)
        for (mask,) in (local_masks([layer], 0.75), threshold_masks([layer], 0.1)):
            emptied.append(int((~mask.any(axis=1)).sum()))
            assert isinstance(pattern, NOfM) or np.count_nonzero(~mask) <= 480
    assert emptied[2:] == [0, 0]
    assert sum(emptied[:2]) > 0 or isinstance(pattern, NOfM | Tiles)
    (few,) = local_masks([Weights(importance, Blocks(1, 16), keeps_rows=True)], 0.95)
    assert np.count_nonzero(few) == 10 * 16 and few.any(axis=1).all()


def test_a_threshold_takes_what_is_below_it() -> None:
    layer = Weights(np.array([[0.1, 0.2, 0.3]]), Unstructured())
    assert threshold_masks([layer], 0.2)[0].tolist() == [[False, True, True]]
    assert threshold_masks([layer], 9)[0].tolist() == [[False, False, True]]
    with pytest.raises(ValueError, match="a threshold is at least 0, not -1"):
        threshold_masks([layer], -1)


def test_n_of_m_keeps_the_best_of_each_group() -> None:
    mask = NOfM(1, 4).mask(np.array([[1.0, 3.0, 3.0, 2.0, 0.0, 0.0]]))
    assert mask.tolist() == [[False, True, False, False, True, False]]


def test_tiles_lie_within_a_tap() -> None:
    units = Tiles().units(Geometry(65, 2 * 40, 2))
    assert units.max() == 7
    assert len(set(units[0, :32])) == 1 and units[0, 32] == units[0, 39] != units[0, 40]
    assert units[64, 0] == units[0, 79] + 1
    assert Tiles().format(Geometry(65, 80, 2)).label == "block(64x8)"


def test_kernels_go_with_all_their_taps() -> None:
    units = Kernels(2, 3).units(Geometry(3, 2 * 5, 2))
    assert units.tolist() == [[0, 0, 0, 1, 1] * 2] * 2 + [[2, 2, 2, 3, 3] * 2]
    assert Kernels(2, 3).format(Geometry(3, 12, 2)).label == "block(2x3)"
    one = Geometry(5, 7)
    assert np.array_equal(Kernels(2, 3).units(one), Blocks(2, 3).units(one))


def test_other_masks_are_told() -> None:
    mask = np.ones((4, 8), np.bool_)
    mask[0, 0] = False
    with pytest.raises(ValueError, match=r"parts of units of block\(1x4\)"):
        check_stores(mask, Blocks(1, 4))
    with pytest.raises(ValueError, match="non-zeros in columns"):
        check_stores(np.ones((1, 4), np.bool_), NOfM(2, 4))


@pytest.mark.parametrize(
    ("pattern", "shape", "message"),
    [
        (Blocks(4, 1), (2, 8), r"block\(4x1\) is larger than the layer, which has 2 rows of 8"),
        (Blocks(1, 16), (2, 8), r"block\(1x16\) is larger than the layer"),
        (Kernels(1, 9), (2, 8), r"kernels\(1x9\) is larger than the layer, which has 2 output and 8 in"),
        (NOfM(2, 4), (2, 3), r"nm\(2:4\) is larger than the layer, whose rows have 3 weights"),
    ],
)  # fmt: skip
def test_patterns_larger_than_the_layer(
    pattern: Units, shape: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        local_masks([Weights(np.ones(shape), pattern)], 0.5)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_ratios_without_sense(ratio: float) -> None:
    with pytest.raises(ValueError, match="a ratio of zeros is at least 0 and below 1"):
        local_masks([Weights(np.ones((2, 2)), Unstructured())], ratio)
