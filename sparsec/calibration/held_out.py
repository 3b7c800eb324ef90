# SPDX-License-Identifier: Apache-2.0
"""Layers that the cost model is not fitted to, and how far off it is there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sparsec.calibration.calls import MeasuredCase, measure
from sparsec.calibration.cases import Case, random_weights
from sparsec.calibration.grid import (
    dense_linear,
    odd_convolutions,
    odd_depthwise,
    odd_linear,
    slow_cases,
    sparse_convolutions,
    sparse_linear,
    sums,
)
from sparsec.kernels.cost import Cost
from sparsec.kernels.decoders import decoder_of
from sparsec.kernels.kernel import Kernel
from sparsec.kernels.library import COSTED, kernel_cost
from sparsec.kernels.stored import stored_for_decoder
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import cpu_named

INSTRUCTIONS_ERROR = 0.10
"""Of the instructions of every layer, at most."""

CYCLES_ERROR = {"cortex-m4": 0.08, "cortex-m7": 0.08, "cortex-m33": 0.08, "cortex-m55": 0.10}
"""Of the estimated cycles of every layer, at most."""

FEW = 100
"""Cycles, fewer of which are no error: some ten branches that a core has not seen yet."""

ODD_SEED, ODD = 3, 12
"""Of the random layers of each kind."""


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
    if unit == "mve":
        cases += [
            Case("sparsec_depthwise_convolve_lanes_s8", work, sparsity=rounded)
            for work in (*DEPTHWISE, *FEW_CHANNELS)
            if work.image[2] == work.outputs[2]
            for rounded in (0, 1)
        ]
    for i, work in enumerate(LINEAR):
        cases += sparse_linear(work, SPARSITIES[i % len(SPARSITIES)], i, unit)
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
        cases += sparse_linear(work, SPARSITIES[i % len(SPARSITIES)], i, unit)
    return cases


@dataclass(frozen=True)
class Error:
    """A layer by a kernel on the core `core`, as predicted and as measured."""

    core: str
    measured: MeasuredCase

    @cached_property
    def predicted(self) -> Cost:
        """By the kernel, with what decodes its weights where it is given that."""
        case, stored = self.measured.case, self.measured.stored
        return kernel_cost(self.core, case.kernel, case.work, stored) + decoder_cost(
            self.core, case
        )

    @property
    def cycles(self) -> float:
        """As a share of the estimated cycles."""
        return self.predicted.cycles / self.measured.cost.cycles - 1

    @property
    def is_small(self) -> bool:
        """Whether the limits are kept."""
        cost = self.measured.cost
        cycles = abs(self.predicted.cycles - cost.cycles)
        instructions = abs(self.predicted.instructions - cost.instructions)
        return (
            cycles <= max(FEW, CYCLES_ERROR[self.core] * cost.cycles)
            and instructions <= INSTRUCTIONS_ERROR * cost.instructions
        )


def errors(core: str, cases: Sequence[Case]) -> list[Error]:
    """Measure the cases. Raises RunError as `measure` does."""
    return [Error(core, measured) for measured in measure(core, cases)]


def decoder_cost(core: str, case: Case) -> Cost:
    """Of what decodes the weights of a kernel that is given a decoder."""
    kernel, encoding = COSTED[case.kernel], case.format
    if not isinstance(kernel, Kernel) or not kernel.decodes or encoding is None:
        return Cost(0, 0)
    decoder, weights = decoder_of(encoding), random_weights(case)
    assert decoder is not None
    stored = stored_for_decoder(encoding, encoding.pack(weights), weights)
    return kernel_cost(core, decoder.function, case.work, stored)
