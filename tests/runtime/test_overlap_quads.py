# SPDX-License-Identifier: Apache-2.0
"""Helium convolutions of four pixels at a time with the output over the dying input, as far as they claim: 0 differing bytes.

What they claim is what any order of channels within four pixels allows, so that one byte more need not differ.
"""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sparsec.ir import rt
from sparsec.ir.rt.quads import QuadConvolutionOp
from sparsec.layouts.linear_rows import RowNumbers
from sparsec.layouts.quads import Windows, pack_blocks, pack_runs
from sparsec.planning.overlap import apart
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from tests.runtime.overlap_cases import (
    Buffers,
    Case,
    CaseProject,
    case_library,
    case_project,
    expect_allowed,
    run,
)

KERNELS: dict[type[QuadConvolutionOp], int] = {
    rt.ConvolveRunsOp: 0,
    rt.Convolve1x16Op: 16,
    rt.Convolve1x4Op: 4,
}
SAME = Window(padding=(1, 1, 1, 1))
LAYERS = [
    ((3, 5, 16), 16, 1, Window()),
    ((2, 5, 16), 24, 1, Window()),
    ((3, 3, 20), 7, 1, Window()),
    ((1, 2, 16), 8, 1, Window()),
    ((5, 5, 16), 20, 1, Window((2, 2))),
    ((5, 5, 16), 8, 3, Window()),
    ((5, 4, 16), 16, 3, SAME),
    ((7, 6, 16), 12, 3, Window((2, 2), (1, 1, 1, 1))),
    ((6, 3, 16), 5, 3, SAME),
]


def cases() -> Iterator[Case]:
    for number, (image, outputs, kernel, window) in enumerate(LAYERS):
        size = window.output_size(image[:2], (kernel, kernel))
        windows = Windows(window, image, size, (kernel, kernel))
        rng = np.random.default_rng(number)
        matrix = rng.choice([-100, 0, 100], (outputs, kernel * kernel * image[2])).astype(np.int8)
        numbers = RowNumbers(
            rng.integers(-500, 500, outputs).astype(np.int32),
            np.full(outputs, 2**30, np.int32),
            np.full(outputs, -9, np.int32),
        )
        for op, block in KERNELS.items():
            if block:
                rows = pack_blocks(matrix, numbers, windows, block)
                scratch_bytes = windows.scratch_of_blocks(block)
            else:
                runs = 1 if windows.packs(outputs) else windows.runs[0]
                rows = pack_runs(matrix, numbers, runs)
                scratch_bytes = windows.scratch_of_runs(outputs)
            b = Buffers()
            x, y = b.buffer(1, *image), b.buffer(1, *size, outputs)
            scratch = b.buffer(scratch_bytes)
            call = op(x, b.constant(rows), y, scratch, Requant(), window, (kernel, kernel))
            yield Case(f"quads_{block}_{number}", call, y, x, b.constants, scratch)


CASES = list(cases())


@pytest.fixture(scope="module")
def library(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return case_library(CASES, (), cmsis_nn_dir, tmp_path_factory.mktemp("overlap"))


def test_a_claim_holds_wherever_it_allows(library: ctypes.CDLL) -> None:
    for case in CASES:
        expect_allowed(library, case)


def test_what_is_claimed() -> None:
    found = {case.name: case.claim.bytes(*case.sizes) for case in CASES}
    # All but four pixels; the whole image, of which each band is copied; nothing.
    assert found["quads_0_0"] == 3 * 5 * 16 - 4 * 16
    assert found["quads_0_8"] == 6 * 3 * 5
    assert found["quads_0_3"] == 0
    case = CASES[0]
    assert case.scratch is not None
    assert case.op.safe_overlap(case.scratch, case.input) == apart(case.scratch_bytes, 240)


@pytest.fixture(scope="module")
def project(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> CaseProject:
    return case_project(CASES, cmsis_nn_dir, tmp_path_factory.mktemp("overlap_project"))


@pytest.mark.qemu
def test_a_claim_holds_on_helium(
    library: ctypes.CDLL, project: CaseProject, cmsis_nn_dir: Path
) -> None:
    for case, distance, found in project.run("cortex-m55", cmsis_nn_dir):
        expected = run(library, case, case.sizes[1] + 32)
        np.testing.assert_array_equal(found, expected, err_msg=f"{case.name} at {distance}")
