# SPDX-License-Identifier: Apache-2.0
"""Layers in every way, and what counts as a wrong choice."""

import pytest
from xdsl.passes import PassPipeline

from benchmarks._layers import Layer
from benchmarks._never_slower import passes
from benchmarks.choices import (
    SLOWER,
    Row,
    Way,
    choice_of,
    figures_of,
    held_out_figures,
    measured,
    random_layers,
)
from sparsec.calibration.calls import MeasuredCase
from sparsec.calibration.cases import Case
from sparsec.calibration.held_out import Error, linear
from sparsec.kernels.cost import Cost
from sparsec.kernels.library import kernel_cost
from sparsec.kernels.stored import Stored
from sparsec.run.profile.profile import Cost as Measured
from sparsec.tools.registry import available_passes


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


@pytest.mark.qemu
def test_every_way_is_run_on_the_core() -> None:
    """Also the kernels that compete for dense weights: each is the one that is called."""
    layers = [(Layer((6, 5, 12), 12, 3, 1, depthwise=True), 50), (Layer((4, 4, 8), 8), 90)]
    depthwise, point = measured("cortex-m4", layers, seed=3)
    kernels = {way.label: way.kernels for way in depthwise.ways}
    ours = "sparsec_depthwise_convolve_3x3_s8"
    assert kernels["dense"] == ("arm_depthwise_conv_wrapper_s8",)
    assert kernels[f"dense by {ours}"] == (ours,)
    assert all(way.actual.cycles > 0 for row in (depthwise, point) for way in row.ways)
    assert {"dense", "delta8", "bitmap"} <= {way.label for way in point.ways}


@pytest.mark.qemu
def test_a_large_linear_layer_with_many_zeros_is_run_by_what_is_fastest_on_an_m7() -> None:
    """Its branches follow the zeros, and those that are predicted wrongly decide."""
    [row] = measured("cortex-m7", [(Layer((1, 1, 256), 256), 75)], seed=1)
    assert row.ratio <= SLOWER, [(way.label, way.predicted, way.actual) for way in row.ways]


def test_a_prediction_that_is_too_far_off_is_counted() -> None:
    case = Case("sparsec_fully_connected_dense_s8", linear(64, 10))
    cost = kernel_cost("cortex-m7", case.kernel, case.work)
    found = [
        Error("cortex-m7", MeasuredCase(case, Stored(), Measured(cost.instructions, cycles)))
        for cycles in (cost.cycles, round(1.06 * cost.cycles), 2 * cost.cycles)
    ]
    far, mean = held_out_figures("cortex-m7", found)
    assert far.value == 1 and not far.met
    assert mean.value == pytest.approx(100 * (0 + 0.06 / 1.06 + 0.5) / 3, abs=0.1)


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
def test_the_passes_of_never_slower_exist(core: str) -> None:
    assert PassPipeline.parse_spec(available_passes(), ",".join(passes(core, "objective=latency")))


def test_layers_are_odd_and_of_every_kind() -> None:
    layers = [layer for layer, _ in random_layers(1, 60)]
    assert (
        sum(layer.depthwise for layer in layers) == sum(layer.is_linear for layer in layers) == 15
    )
    assert any(layer.image[2] % 4 for layer in layers)
    assert random_layers(1, 60) == random_layers(1, 60) != random_layers(2, 60)
