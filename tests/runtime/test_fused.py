# SPDX-License-Identifier: Apache-2.0
"""sparsec_point_depthwise_s8 gives the bytes of both layers, also with its output over its dying input."""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsec.interpreters import qnn
from sparsec.ir import rt
from sparsec.planning.overlap import Overlap, apart
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from sparsec.targets import scratch
from sparsec.targets.cpu import VectorUnit
from tests.runtime.overlap_cases import (
    Buffers,
    Case,
    CaseProject,
    case_library,
    case_project,
    expect_claim,
    run,
)

UNITS: tuple[VectorUnit, ...] = ("scalar", "dsp", "mve")
HELPERS = (
    "arm_convolve*_s8*",
    "arm_depthwise_conv*_s8*",
    "arm_nn_mat_mul*_s8*",
    "arm_nn_depthwise*_s8",
    "arm_s8_to_s16_unordered_with_offset",
    "arm_q7_to_q15_with_offset",
    "arm_nn_vec_mat_mult_t_s8",
)


Numbers: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
"""Weights, bias, multiplier and shift."""


@dataclass(frozen=True)
class Fused:
    """`image` is the input, `channels` are those between, `kernel` and `window` the depthwise convolution's."""

    image: tuple[int, int, int]
    channels: int
    kernel: tuple[int, int]
    window: Window
    multiplier: int = 1

    def numbers(self, shape: tuple[int, ...], outputs: int) -> Numbers:
        """Those of a layer whose outputs spread over the int8 range."""
        rng = np.random.default_rng([*shape, *self.image])
        weights = rng.integers(1, 128, shape) * rng.choice([-1, 1], shape)
        scale = 0.4 / (74 * np.sqrt(weights.size / outputs)) * rng.uniform(0.5, 2, outputs)
        fractions, exponents = np.frexp(scale)
        return (
            weights.astype(np.int8),
            rng.integers(-3000, 3000, outputs).astype(np.int32),
            np.minimum(fractions * 2.0**31, 2**31 - 1).astype(np.int32),
            exponents.astype(np.int32),
        )

    @property
    def point(self) -> Numbers:
        return self.numbers((self.channels, 1, 1, self.image[2]), self.channels)

    @property
    def depthwise(self) -> Numbers:
        return self.numbers((1, *self.kernel, self.output[2]), self.output[2])

    @property
    def output(self) -> tuple[int, int, int]:
        size = self.window.output_size(self.image[:2], self.kernel)
        return *size, self.channels * self.multiplier

    def case(self, number: int) -> Case:
        b = Buffers()
        x, y = b.buffer(1, *self.image), b.buffer(1, *self.output)
        point, depthwise = (tuple(map(b.constant, n)) for n in (self.point, self.depthwise))
        between, weights = (1, *self.image[:2], self.channels), self.depthwise[0].shape
        sizes = [scratch.depthwise_convolve(u, self.window, between, weights) for u in UNITS]
        reach = min(self.image[0], (self.kernel[0] - 1) * self.window.dilations[0] + 1)
        lines = -(-reach * self.image[1] * self.channels // 8) * 8
        temporary = b.buffer(lines + max(sizes))
        op = rt.PointDepthwiseOp(
            x, point, depthwise, y, temporary, POINT_REQUANT, REQUANT, self.window
        )
        op.verify()
        assert op.line_bytes == lines
        # Where rows are read long before their bytes are written, no distance before the input is needed.
        exact = (op.safe_overlap(y, x).below > 0, True)
        return Case(f"fused_{number}", op, y, x, b.constants, temporary, exact)

    def expected(self, input: NDArray[np.int8]) -> NDArray[np.int8]:
        x = input.reshape(1, *self.image)
        between = qnn.convolve(x, *self.point, POINT_REQUANT, Window())
        return qnn.depthwise_convolve(between, *self.depthwise, REQUANT, self.window).reshape(-1)


POINT_REQUANT = Requant(-3, 5, (-90, 127))
REQUANT = Requant(5, -2, (-128, 100))
LAYERS = (
    # As a separable block: half as many rows, as many bytes of a row; then a wider one.
    Fused((8, 8, 8), 16, (3, 3), Window((2, 2), (0, 0, 1, 1))),
    Fused((9, 7, 5), 12, (3, 3), Window((1, 1), (1, 1, 1, 1))),
    Fused((9, 9, 6), 6, (3, 3), Window((2, 2), (1, 1, 1, 1))),
    Fused((8, 6, 4), 6, (5, 5), Window((1, 1), (2, 2, 2, 2))),
    Fused((7, 6, 3), 4, (2, 3), Window((3, 1), (0, 1, 0, 1))),
    Fused((9, 5, 4), 5, (1, 1), Window((4, 1))),
    Fused((9, 6, 4), 3, (3, 3), Window((1, 1), (2, 2, 2, 2), (2, 2))),
    Fused((6, 5, 4), 3, (3, 2), Window((1, 1), (1, 0, 1, 1)), 4),
    Fused((2, 9, 4), 8, (5, 3), Window((1, 1), (2, 1, 2, 1))),
)
CASES = [layer.case(number) for number, layer in enumerate(LAYERS)]


@pytest.fixture(scope="module")
def library(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return case_library(CASES, HELPERS, cmsis_nn_dir, tmp_path_factory.mktemp("fused"))


@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_both_layers_at_once(library: ctypes.CDLL, number: int) -> None:
    layer, case = LAYERS[number], CASES[number]
    for seed in range(3):
        expected = layer.expected(case.data(seed))
        assert len(np.unique(expected)) > 10, (
            "the case says little: its outputs are nearly constant"
        )
        found = run(library, case, case.sizes[1] + 32, seed)
        np.testing.assert_array_equal(found, expected)
    expect_claim(library, case)


def test_what_is_claimed() -> None:
    # A row of 64 bytes is written when three rows have been read, which no one reads again.
    assert CASES[0].claim == Overlap(0, 8 * 8 * 8)
    case = CASES[1]
    # Seven rows are written before the last one but one of the input is read.
    assert case.claim == Overlap(7 * 7 * 12 - 8 * 7 * 5, 9 * 7 * 5)
    assert case.scratch is not None
    assert case.op.safe_overlap(case.scratch, case.input) == apart(case.scratch_bytes, 315)


@pytest.fixture(scope="module")
def project(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> CaseProject:
    return case_project(CASES, cmsis_nn_dir, tmp_path_factory.mktemp("fused_project"))


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_both_layers_at_once_on_a_core(project: CaseProject, cmsis_nn_dir: Path, cpu: str) -> None:
    layers = {case.name: layer for case, layer in zip(CASES, LAYERS, strict=True)}
    for case, distance, found in project.run(cpu, cmsis_nn_dir):
        expected = layers[case.name].expected(case.data())
        np.testing.assert_array_equal(found, expected, err_msg=f"{case.name} at {distance}")
