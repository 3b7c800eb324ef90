# SPDX-License-Identifier: Apache-2.0
"""Layers in every way, and what counts as a wrong choice."""

import pytest

from benchmarks._layers import Layer
from benchmarks.choices import Row, Way, choice_of, figures_of, random_layers
from sparsec.kernels.cost import Cost
from sparsec.run.profile.profile import Cost as Measured


def way(label: str, predicted: int | None, actual: int) -> Way:
    cost = None if predicted is None else Cost(predicted, predicted)
    return Way(label, (label,), cost, Measured(actual, actual))


def test_wrong_choices_and_errors_are_counted() -> None:
    dense, sparse = way("dense", 110, 100), way("delta8", 98, 98)
    slow, unknown = way("csr", 90, 120), way("bitmap", None, 50)
    layer = Layer((1, 1, 8), 4)
    rows = [
        Row(layer, 50, (dense, sparse), dense),  # 2 % slower than the best
        Row(layer, 50, (dense, slow), slow),
        Row(layer, 50, (dense, unknown), dense),
    ]
    wrong, slowest, mean, *_ = figures_of("cortex-m4", rows)
    assert wrong.value == 2 and wrong.met
    assert slowest.value == 2
    assert mean.value == pytest.approx(100 * (0.1 + 0 + 0.1 - 0.25 + 0.1) / 5)
    assert not figures_of("cortex-m4", [*rows, rows[1]])[0].met


def test_every_way_of_a_layer_is_there_once() -> None:
    ways, chosen = choice_of("cortex-m4", Layer((4, 4, 8), 8), 90, seed=1)
    labels = [each.label for each in ways]
    # Each format is a way of its own: what it says is what is stored.
    assert labels[:2] == ["dense", "delta8"] and "nm(2:4)" in labels
    assert len(set(labels)) == len(labels)
    assert "bitmap" in labels and chosen in labels


def test_layers_are_odd_and_of_every_kind() -> None:
    layers = [layer for layer, _ in random_layers(1, 60)]
    assert (
        sum(layer.depthwise for layer in layers) == sum(layer.is_linear for layer in layers) == 15
    )
    assert any(layer.image[2] % 4 for layer in layers)
    assert random_layers(1, 60) == random_layers(1, 60) != random_layers(2, 60)
