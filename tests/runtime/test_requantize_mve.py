# SPDX-License-Identifier: Apache-2.0
"""runtime/src/sparsec_requantize_mve.h on Helium against what requantization means, for every shift."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sparsec.quantization.requantize import requantize
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import Int8, Int32
from tests.runtime.kernel_project import KernelProject, struct

CLAMP = (-100, 101)
MOST, LEAST = 2**31 - 1, -(2**31)

FUNCTIONS = """
#if defined(ARM_MATH_MVEI)
#define FOURS(ONE) sparsec_narrow(ONE(0), ONE(1), ONE(2), ONE(3), offset)
#define RIGHT(i) sparsec_right_of_channel(vldrwq_s32(acc + 4 * i), *multiplier, *shift)
#define ANY(i) sparsec_any_of_channel(vldrwq_s32(acc + 4 * i), *multiplier, *shift, offset)
#define FUNCTION(NAME, STEP, STORE) \\
    static void NAME(const cmsis_nn_activation *clamp, const int32_t *acc, const int32_t *multiplier, \\
                     const int32_t *shift, int32_t count, int32_t offset, int8_t *output) { \\
        (void)clamp; \\
        for (; count > 0; count--, acc += 16, output += 16, multiplier += STEP, shift += STEP) { STORE; } \\
    }
FUNCTION(right_of_channel, 1, vstrbq_s8(output, FOURS(RIGHT)))
FUNCTION(any_of_channel, 1, vstrbq_s8(output, FOURS(ANY)))
FUNCTION(clamped, 1, vstrbq_s8(output, sparsec_clamp_vector(FOURS(RIGHT), clamp)))
FUNCTION(fours, 1, for (int i = 0; i < 4; i++) sparsec_store_x4(output + 4 * i, ANY(i), offset, clamp))
FUNCTION(right_of_channels, 16, vstrbq_s8(output, sparsec_right_of_16_channels(acc, multiplier, shift, offset)))
FUNCTION(any_of_channels, 16, vstrbq_s8(output, sparsec_any_of_16_channels(acc, multiplier, shift, offset)))
#endif
"""


@dataclass(frozen=True, eq=False)
class Case:
    """A call of one of the functions: accumulators [vectors, 16], multipliers and shifts [vectors, 1 or 16]."""

    function: str
    acc: Int32
    multiplier: Int32
    shift: Int32
    offset: int
    clamp: tuple[int, int] = (-128, 127)

    @property
    def expected(self) -> Int8:
        """The bytes in the order in which the function leaves them."""
        scaled = requantize(
            self.acc.reshape(-1, 1), self._each(self.multiplier), self._each(self.shift)
        )
        shifted = (scaled.reshape(self.acc.shape).astype(np.int64) + self.offset).astype(np.int32)
        found = shifted.clip(*self.clamp).astype(np.int8)
        if self.function != "fours":
            found = found.reshape(-1, 4, 4).transpose(0, 2, 1)
        return found.reshape(-1)

    def _each(self, numbers: Int32) -> Int32:
        return np.broadcast_to(numbers, self.acc.shape).reshape(-1, 1)


def accumulators(rng: np.random.Generator) -> Int32:
    """[6, 16]: extremes, what lies next to halves, and any others."""
    edges = [LEAST, LEAST + 1, -3, -2, -1, 0, 1, 2, 3, MOST - 1, MOST]
    halves = [s * 2**k + d for k in (1, 7, 15, 24) for s in (1, -1) for d in (-1, 0, 1)]
    others = (np.exp2(rng.uniform(0, 31, 61)) * rng.choice([-1, 1], 61)).astype(np.int64)
    found = np.array([*edges, *halves, *others.tolist()]).clip(LEAST, MOST)
    return rng.permutation(found).astype(np.int32).reshape(6, 16)


def cases() -> list[Case]:
    rng = np.random.default_rng(5)
    shifts = np.arange(-31, 31).astype(np.int32).repeat(6)
    acc = np.concatenate([accumulators(rng) for _ in range(62)])
    multiplier = rng.integers(2**30, 2**31, shifts.size).astype(np.int32)
    multiplier[::6], multiplier[1::6], multiplier[2::30] = 2**30, MOST, 0
    right = shifts < 0
    # Once with every lane by a channel of its own.
    one = multiplier[:, np.newaxis], shifts[:, np.newaxis]
    multipliers, of_lanes = (rng.permuted(np.broadcast_to(each, acc.shape), axis=0) for each in one)
    found: list[Case] = []
    for offset in (-128, -3, 127):
        few = acc[right], one[0][right], one[1][right]
        found += [
            Case("right_of_channel", *few, offset),
            Case("any_of_channel", acc, *one, offset),
            Case("clamped", *few, offset, CLAMP),
            Case("fours", acc, *one, offset, CLAMP),
            Case("right_of_channels", acc, multipliers, of_lanes.clip(None, -1), offset),
            Case("any_of_channels", acc, multipliers, of_lanes, offset),
        ]
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = KernelProject(['#include "sparsec_requantize_mve.h"', FUNCTIONS])
    for case in cases():
        arrays = [result.array(each) for each in (case.acc, case.multiplier, case.shift)]
        clamp = struct("cmsis_nn_activation", *case.clamp)
        numbers = [str(len(case.acc)), str(case.offset)]
        result.call(case.function, [clamp, *arrays, *numbers], case.acc.size)
    return result.write(tmp_path_factory.mktemp("requantize"), "sparsec_requantize_s8")


@pytest.mark.qemu
def test_every_shift(project: Path, cmsis_nn_dir: Path) -> None:
    unused = np.zeros((1, 1), np.int8)
    found = run_project(project, "cortex-m55", [unused], cmsis_nn=cmsis_nn_dir).outputs[0][0]
    np.testing.assert_array_equal(found, np.concatenate([case.expected for case in cases()]))
