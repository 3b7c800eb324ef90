# SPDX-License-Identifier: Apache-2.0
"""The cost model on layers that it was not fitted to."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from sparsec.calibration.fit import relative_fit
from sparsec.calibration.grid import grid
from sparsec.calibration.held_out import (
    CYCLES_ERROR,
    convolution,
    depthwise,
    errors,
    held_out,
    linear,
)
from sparsec.kernels.convolve_packed import strips_of
from sparsec.kernels.cost import CALIBRATED, Cost, costs
from sparsec.kernels.library import COSTED, kernel_cost, loops_of
from sparsec.kernels.loops import product
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.run import cmsis_nn
from sparsec.targets.cpu import CPUS, LIKELY_GATHERS, PESSIMISTIC_GATHERS

MEAN_CYCLES_ERROR = 0.05
"""Of the estimated cycles, over the layers of a kernel."""

CORES = tuple(CYCLES_ERROR)


@pytest.mark.qemu
@pytest.mark.parametrize("core", CORES)
def test_the_costs_of_other_layers(core: str) -> None:
    if cmsis_nn.locate() is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    # The decoders are plain C, which two cores are enough for: make bench-choices has them all.
    decoders = core in ("cortex-m4", "cortex-m55")
    cases = [
        case for case in held_out(core) if decoders or not case.kernel.startswith("sparsec_decode")
    ]
    cycles: defaultdict[str, list[float]] = defaultdict(list)
    for error in errors(core, cases):
        assert error.is_small, (error.measured, error.predicted)
        cycles[error.measured.case.kernel].append(abs(error.cycles))
    assert {
        kernel: each for kernel, each in cycles.items() if np.mean(each) > MEAN_CYCLES_ERROR
    } == {}


def test_no_held_out_layer_is_in_the_grid() -> None:
    fitted = {case.work for case in (*grid("dsp"), *grid("mve"))}
    assert not [case for core in CORES for case in held_out(core) if case.work in fitted]


def test_every_kernel_is_measured_and_held_out() -> None:
    assert {case.kernel for case in (*grid("dsp"), *grid("mve"))} == set(COSTED)
    cases = (*held_out("cortex-m4"), *held_out("cortex-m55"))
    assert {case.kernel for case in cases} == set(COSTED)


def test_every_core_has_costs_of_every_kernel_it_runs() -> None:
    assert set(costs()) == set(CALIBRATED)
    for cpu in CPUS.values():
        for case in grid(cpu.vector_unit):
            cost = kernel_cost(cpu.name, case.kernel, case.work, Stored(1000))
            assert cost.instructions > 0 and cost.cycles > 0, case


def test_cortex_m85_and_the_host_take_the_costs_of_others() -> None:
    work = convolution(6, 6, 32, 32, 3, 1)
    for cpu, measured in (("cortex-m85", "cortex-m55"), ("host", "cortex-m3")):
        assert kernel_cost(cpu, "arm_convolve_wrapper_s8", work) == kernel_cost(
            measured, "arm_convolve_wrapper_s8", work
        )


def test_what_has_no_cost() -> None:
    work = convolution(6, 6, 32, 32, 3, 1)
    with pytest.raises(ValueError, match="no cost of sparsec_slice_s8 on cortex-m4"):
        kernel_cost("cortex-m4", "sparsec_slice_s8", work)
    with pytest.raises(ValueError, match="no cost of sparsec_convolve_packed_s8 on cortex-m55"):
        kernel_cost("cortex-m55", "sparsec_convolve_packed_s8", work, Stored(100))
    with pytest.raises(ValueError, match="unknown target 'cortex-m99'"):
        kernel_cost("cortex-m99", "arm_convolve_wrapper_s8", work)


def test_the_strips_of_a_layer() -> None:
    rows = replace(convolution(8, 6, 4, 5, 3, 1), strip=3)
    assert rows.parts() == Counter(
        Workload("convolution", (read, 6, 4), (3, 3), (1, 1), (written, 6, 5))
        for read, written in ((4, 3), (5, 3), (3, 2))
    )
    pixels = replace(convolution(5, 3, 4, 5, 1, 1), strip=4)
    assert pixels.parts() == Counter(
        {
            Workload("convolution", (n, 1, 4), (1, 1), (1, 1), (n, 1, 5)): times
            for n, times in ((4, 3), (3, 1))
        }
    )


def test_strips_cost_more_than_the_layer_and_the_less_the_larger_they_are() -> None:
    for core in CORES:
        for work in (convolution(24, 24, 8, 16, 1, 1), convolution(8, 8, 64, 64, 3, 1)):
            whole = kernel_cost(core, "arm_convolve_wrapper_s8", work)
            costs = [
                kernel_cost(core, "sparsec_convolve_strips_s8", replace(work, strip=strip))
                for strip in (4, 2, 1)
            ]
            instructions = [cost.instructions for cost in (whole, *costs)]
            assert instructions == sorted(instructions) and len(set(instructions)) == 4


def test_more_entries_cost_more() -> None:
    work = convolution(25, 5, 64, 64, 1, 1)
    for core in CORES[:3]:
        packed = [
            kernel_cost(core, "sparsec_convolve_packed_s8", work, Stored(n)).instructions
            for n in (0, 400, 2000)
        ]
        assert 0 < packed[0] < packed[1] < packed[2]
        # kernels.md of the study: 9.9 instructions for each entry and strip of 8 pixels, 16 strips; 11.9 on the M7.
        assert 8.5 < (packed[2] - packed[1]) / (1600 * 16) < 12.5


def test_blocks_cost_less_than_their_entries() -> None:
    work = convolution(25, 5, 64, 64, 1, 1)
    kernel = "sparsec_convolve_packed_s8"
    apart = kernel_cost("cortex-m4", kernel, work, Stored(400))
    together = kernel_cost("cortex-m4", kernel, work, Stored(400, blocks=100))
    assert together.instructions < apart.instructions


def test_sums_that_are_shifted_to_the_left_are_not_rounded() -> None:
    """CMSIS-NN spares 6 instructions for a result of two windows at once, 12 for another one; Helium none."""
    for work, spared in (
        (convolution(8, 8, 16, 24, 1, 1), 6),
        (convolution(8, 8, 16, 24, 3, 1), 12),
    ):
        for core in ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"):
            right, left = (
                kernel_cost(core, "arm_convolve_wrapper_s8", work, Stored(left=count))
                for count in (0, 24)
            )
            saved = (right.instructions - left.instructions) / (8 * 8 * 24)
            assert saved == pytest.approx(0 if core == "cortex-m55" else spared, abs=0.6)
            assert left.cycles <= right.cycles


@pytest.mark.parametrize(
    ("cpu", "work", "path"),
    [
        ("cortex-m4", convolution(4, 4, 8, 8, 1, 1), "point"),
        ("cortex-m4", convolution(4, 4, 8, 8, 1, 2), "point"),
        ("cortex-m4", convolution(4, 4, 8, 8, 3, 1), "window"),
        ("cortex-m55", convolution(4, 4, 8, 8, 3, 1), "window"),
        ("cortex-m55", Workload("convolution", (1, 9, 8), (1, 3), (1, 1), (1, 9, 4)), "row"),
        # One channel and a stride of 1: not a whole word, so CMSIS-NN gathers windows.
        ("cortex-m55", Workload("convolution", (1, 9, 1), (1, 3), (1, 1), (1, 9, 4)), "window"),
        ("cortex-m4", Workload("convolution", (1, 9, 8), (1, 3), (1, 1), (1, 9, 4)), "window"),
        # A 1x1 window with padding is not taken for a point.
        ("cortex-m4", Workload("convolution", (4, 4, 8), (1, 1), (1, 1), (6, 6, 8)), "window"),
    ],
)
def test_the_path_of_a_convolution(cpu: str, work: Workload, path: str) -> None:
    assert loops_of(cpu, "arm_convolve_wrapper_s8", work)[0] == path


@pytest.mark.parametrize(
    ("cpu", "work", "path"),
    [
        ("cortex-m4", depthwise(8, 8, 8, 3, 1), "3x3"),
        ("cortex-m3", depthwise(8, 8, 8, 3, 1), "3x3"),
        ("cortex-m55", depthwise(8, 8, 8, 3, 1), "blocks"),
        ("cortex-m4", depthwise(8, 8, 8, 5, 1), "window"),
        ("cortex-m3", depthwise(8, 8, 8, 5, 1), "any"),
        ("cortex-m4", Workload("depthwise", (8, 8, 2), (3, 3), (1, 1), (8, 8, 16)), "multiplier"),
        ("cortex-m55", Workload("depthwise", (8, 8, 2), (3, 3), (1, 1), (8, 8, 6)), "any"),
    ],
)
def test_the_path_of_a_depthwise_convolution(cpu: str, work: Workload, path: str) -> None:
    assert loops_of(cpu, "arm_depthwise_conv_wrapper_s8", work)[0] == path


def test_padding_is_what_the_last_window_needs() -> None:
    assert convolution(8, 8, 1, 1, 3, 1).padding == (1, 1, 1, 1)
    assert convolution(8, 7, 1, 1, 3, 2).padding == (0, 1, 1, 1)
    assert Workload("convolution", (8, 8, 1), (3, 3), (1, 1), (6, 6, 1)).padding == (0, 0, 0, 0)


def test_taps_inside_and_outside() -> None:
    work = convolution(4, 5, 2, 3, 3, 1)
    inside = sum(
        0 <= y + dy < 4 and 0 <= x + dx < 5
        for y in range(4)
        for x in range(5)
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    )
    assert work.inner_taps == inside
    assert work.outer_taps == 4 * 5 * 9 - inside
    assert work.cut_columns == 2
    assert work.columns == 18


def test_the_loops_of_a_product() -> None:
    loops = product("dsp", rows=5, columns=39, outputs=7)
    assert loops["output pairs"] == 3
    assert loops["two rows, sixteens"] == 3 * 2 * 2
    assert loops["two rows, fours"] == 3 * 2 * 1
    assert loops["two rows, last columns"] == 3 * 2 * 3
    assert loops["odd row"] == 3
    assert loops["odd output, columns"] == 5 * 39
    helium = product("mve", rows=5, columns=39, outputs=7, calls=2)
    assert helium["four rows, vectors"] == 2 * 7 * 3
    assert helium["one row, last outputs"] == 2 * 3


def test_strips() -> None:
    assert list(strips_of(13)) == [4, 4, 3, 2]
    assert list(strips_of(11)) == [4, 4, 3]
    assert list(strips_of(1)) == [1]


def test_a_relative_fit_finds_coefficients_and_none_below_zero() -> None:
    rng = np.random.default_rng(1)
    passes = rng.integers(1, 100, (12, 3)).astype(float)
    exact = passes @ np.array([3.0, 0.5, 20.0])
    np.testing.assert_allclose(relative_fit(passes, exact, exact), [3.0, 0.5, 20.0])
    # The best fit would subtract the second.
    odd = passes @ np.array([3.0, -0.1, 20.0])
    fitted = relative_fit(passes, odd, odd)
    assert fitted[1] == 0 and (fitted >= 0).all()


def test_gathers_by_another_price() -> None:
    cost = Cost(instructions=10, cycles=30, gathered=16)
    assert cost.under(LIKELY_GATHERS) == cost
    assert cost.under(PESSIMISTIC_GATHERS) == Cost(10, 38, 16)
    assert (3 * cost + cost).under(PESSIMISTIC_GATHERS) == Cost(40, 152, 64)


def test_a_cost_is_whole() -> None:
    cost = kernel_cost("cortex-m4", "arm_fully_connected_s8", linear(64, 10))
    assert cost == Cost(int(cost.instructions), int(cost.cycles))
