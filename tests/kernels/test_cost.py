# SPDX-License-Identifier: Apache-2.0
"""The cost model on layers that it was not fitted to."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from sparsec.calibration.calls import MeasuredCase, measure
from sparsec.calibration.cases import Case, random_weights
from sparsec.calibration.fit import relative_fit
from sparsec.calibration.grid import (
    dense_linear,
    grid,
    odd_convolutions,
    odd_depthwise,
    odd_linear,
    slow_cases,
    sparse_convolutions,
    sparse_linear,
    sums,
)
from sparsec.kernels.convolve_packed import strips_of
from sparsec.kernels.cost import CALIBRATED, Cost, costs
from sparsec.kernels.decoders import decoder_of
from sparsec.kernels.kernel import Kernel
from sparsec.kernels.library import COSTED, kernel_cost, loops_of
from sparsec.kernels.loops import product
from sparsec.kernels.stored import Stored, stored_for_decoder
from sparsec.kernels.workload import Workload
from sparsec.run import cmsis_nn
from sparsec.targets.cpu import CPUS, cpu_named

ERROR = 0.10
"""Of the instructions of every layer."""

CYCLES_ERROR = {"cortex-m4": 0.08, "cortex-m7": 0.08, "cortex-m33": 0.08, "cortex-m55": 0.10}
"""Of the estimated cycles of every layer."""

FEW = 100
"""Cycles, fewer of which are no error: some ten branches that a core has not seen yet."""

MEAN_CYCLES_ERROR = 0.05
"""Of the estimated cycles, over the layers of a kernel."""

ODD_SEED, ODD = 3, 12

CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")


def convolution(
    height: int, width: int, inputs: int, outputs: int, kernel: int, stride: int
) -> Workload:
    """Padded to keep the size over the stride."""
    pixels = (-(-height // stride), -(-width // stride), outputs)
    return Workload(
        "convolution", (height, width, inputs), (kernel, kernel), (stride, stride), pixels
    )


def depthwise(height: int, width: int, channels: int, kernel: int, stride: int) -> Workload:
    pixels = (-(-height // stride), -(-width // stride), channels)
    return Workload(
        "depthwise", (height, width, channels), (kernel, kernel), (stride, stride), pixels
    )


def linear(inputs: int, outputs: int) -> Workload:
    return Workload("fully-connected", (1, 1, inputs), (1, 1), (1, 1), (1, 1, outputs))


# The workloads of the kernel study, and layers of MLPerf Tiny: DS-CNN, ResNet8, MobileNetV1 0.25 (some of half the size).
CONVOLUTIONS = (
    convolution(25, 5, 64, 64, 1, 1),
    convolution(6, 6, 128, 128, 1, 1),
    convolution(3, 3, 256, 256, 1, 1),
    convolution(8, 8, 64, 64, 3, 1),
    Workload("convolution", (49, 10, 1), (10, 4), (2, 2), (25, 5, 64)),
    convolution(16, 16, 16, 16, 3, 1),
    convolution(32, 32, 3, 16, 3, 1),
    convolution(16, 16, 16, 32, 3, 2),
    convolution(16, 16, 16, 32, 1, 2),
    convolution(16, 16, 32, 64, 1, 2),
    convolution(24, 24, 3, 8, 3, 2),
    convolution(24, 24, 8, 16, 1, 1),
    convolution(3, 3, 128, 256, 1, 1),
    convolution(9, 9, 19, 13, 3, 2),
)
SPARSITIES = (0.75, 0.9, 0.5, 0.95)
DEPTHWISE = (
    depthwise(25, 5, 64, 3, 1),
    depthwise(24, 24, 8, 3, 1),
    depthwise(24, 24, 16, 3, 2),
    depthwise(6, 6, 128, 3, 1),
    depthwise(3, 3, 256, 3, 1),
    depthwise(10, 8, 30, 5, 1),
    depthwise(7, 7, 48, 7, 2),
    Workload("depthwise", (10, 10, 4), (3, 3), (1, 1), (10, 10, 32)),
    Workload("depthwise", (12, 12, 3), (3, 3), (2, 2), (6, 6, 9)),
)
FEW_CHANNELS = (depthwise(10, 9, 3, 3, 1), depthwise(11, 8, 2, 3, 2), depthwise(48, 20, 6, 3, 2))
STRIPS = tuple(
    replace(work, strip=strip)
    for work, strip in (
        (convolution(25, 5, 64, 64, 1, 1), 8),
        (convolution(24, 24, 8, 16, 1, 1), 48),
        (convolution(6, 6, 128, 128, 1, 1), 3),
        (convolution(8, 8, 64, 64, 3, 1), 3),
        (convolution(32, 32, 3, 16, 3, 1), 1),
        (convolution(24, 24, 3, 8, 3, 2), 4),
        (convolution(16, 16, 32, 64, 1, 2), 1),
    )
)
DEPTHWISE_STRIPS = tuple(
    replace(work, strip=strip)
    for work, strip in (
        (depthwise(25, 5, 64, 3, 1), 4),
        (depthwise(24, 24, 16, 3, 2), 1),
        (depthwise(10, 8, 30, 5, 1), 2),
        (Workload("depthwise", (10, 10, 4), (3, 3), (1, 1), (10, 10, 32)), 3),
    )
)
ELEMENTS = (77, 512, 2050, 5000)
ODD_CONVOLUTIONS = tuple(odd_convolutions(ODD_SEED, ODD))
ODD_DEPTHWISE = tuple(odd_depthwise(ODD_SEED, ODD))
ODD_LINEAR = tuple(odd_linear(ODD_SEED, ODD))
LINEAR = (linear(64, 10), linear(128, 128), linear(256, 12), linear(640, 128), linear(121, 37))


def held_out(core: str) -> list[Case]:
    """The layers by every kernel that `core` has."""
    cases = [Case("arm_convolve_wrapper_s8", work) for work in CONVOLUTIONS]
    cases += [Case("arm_convolve_s8", work) for work in CONVOLUTIONS if not work.is_point]
    cases += [Case("arm_depthwise_conv_wrapper_s8", work) for work in DEPTHWISE]
    cases += [Case("sparsec_convolve_strips_s8", work) for work in STRIPS]
    cases += [Case("sparsec_depthwise_conv_strips_s8", work) for work in DEPTHWISE_STRIPS]
    unit = cpu_named(core).vector_unit
    cases += [Case(kernel, work) for work in LINEAR for kernel in dense_linear(unit)]
    for i, work in enumerate(CONVOLUTIONS):
        cases += sparse_convolutions(work, SPARSITIES[i % len(SPARSITIES)], unit)
    cases += [Case("sparsec_convolve_delta8_strips_s8", work, 0.75) for work in STRIPS]
    if unit == "dsp":
        cases += [Case("sparsec_convolve_packed_strips_s8", work, 0.75) for work in STRIPS]
    for i, work in enumerate(DEPTHWISE):
        sparsity = (0.0, *SPARSITIES)[i % 5]
        cases.append(Case("sparsec_depthwise_convolve_delta8_s8", work, sparsity))
    if unit == "dsp":
        cases += [
            Case("sparsec_depthwise_convolve_3x3_s8", work, slow_rows)
            for work in (*DEPTHWISE, *FEW_CHANNELS)
            if work.kernel == (3, 3) and work.image[2] == work.outputs[2]
            for slow_rows in (0.0, 0.2, 1.0)
        ]
    for i, work in enumerate(LINEAR):
        cases += sparse_linear(work, SPARSITIES[i % len(SPARSITIES)], i)
    cases += sums(ELEMENTS)
    cases += slow_cases(cases)
    for i, work in enumerate(ODD_CONVOLUTIONS):
        cases.append(Case("arm_convolve_wrapper_s8", work))
        cases += sparse_convolutions(work, SPARSITIES[i % len(SPARSITIES)], unit)
    for i, work in enumerate(ODD_DEPTHWISE):
        cases.append(Case("arm_depthwise_conv_wrapper_s8", work))
        sparsity = SPARSITIES[i % len(SPARSITIES)]
        cases.append(Case("sparsec_depthwise_convolve_delta8_s8", work, sparsity))
    for i, work in enumerate(ODD_LINEAR):
        cases += [Case(kernel, work) for kernel in dense_linear(unit)]
        cases += sparse_linear(work, SPARSITIES[i % len(SPARSITIES)], i)
    # The decoders are plain C, which two cores are enough for.
    decoders = core in ("cortex-m4", "cortex-m55")
    return [case for case in cases if decoders or not case.kernel.startswith("sparsec_decode")]


def errors(core: str, measured: MeasuredCase) -> tuple[int, int]:
    """Predicted less measured instructions and cycles."""
    case, stored = measured.case, measured.stored
    found = kernel_cost(core, case.kernel, case.work, stored) + decoder_cost(core, case)
    cost = measured.cost
    return found.instructions - cost.instructions, found.cycles - cost.cycles


def decoder_cost(core: str, case: Case) -> Cost:
    """Of what decodes the weights of a kernel that is given a decoder."""
    kernel, encoding = COSTED[case.kernel], case.format
    if not isinstance(kernel, Kernel) or not kernel.decodes or encoding is None:
        return Cost(0, 0)
    decoder, weights = decoder_of(encoding), random_weights(case)
    assert decoder is not None
    stored = stored_for_decoder(encoding, encoding.pack(weights), weights)
    return kernel_cost(core, decoder.function, case.work, stored)


def is_near(core: str, measured: MeasuredCase) -> bool:
    """Whether the errors are within the limits."""
    instructions, cycles = errors(core, measured)
    most = max(FEW, CYCLES_ERROR[core] * measured.cost.cycles)
    return abs(cycles) <= most and abs(instructions) <= ERROR * measured.cost.instructions


@pytest.mark.qemu
@pytest.mark.parametrize("core", CORES)
def test_the_costs_of_other_layers(core: str) -> None:
    if cmsis_nn.locate() is None:
        pytest.skip("no CMSIS-NN: run python -m sparsec.run.cmsis_nn")
    cycles: defaultdict[str, list[float]] = defaultdict(list)
    for measured in measure(core, held_out(core)):
        found = errors(core, measured)
        assert is_near(core, measured), (measured, found)
        cycles[measured.case.kernel].append(abs(found[1]) / measured.cost.cycles)
    assert {
        kernel: errors for kernel, errors in cycles.items() if np.mean(errors) > MEAN_CYCLES_ERROR
    } == {}


def test_no_held_out_layer_is_in_the_grid() -> None:
    fitted = {case.work for case in grid("dsp")}
    assert not [case for core in CORES for case in held_out(core) if case.work in fitted]


def test_every_kernel_is_measured_and_held_out() -> None:
    assert {case.kernel for case in grid("dsp")} == set(COSTED)
    assert {case.kernel for case in held_out("cortex-m4")} == set(COSTED)


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
    np.testing.assert_allclose(relative_fit(passes, exact), [3.0, 0.5, 20.0])
    # The best fit would subtract the second.
    fitted = relative_fit(passes, passes @ np.array([3.0, -0.1, 20.0]))
    assert fitted[1] == 0 and (fitted >= 0).all()


def test_a_cost_is_whole() -> None:
    cost = kernel_cost("cortex-m4", "arm_fully_connected_s8", linear(64, 10))
    assert cost == Cost(int(cost.instructions), int(cost.cycles))
