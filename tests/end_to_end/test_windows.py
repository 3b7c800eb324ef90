# SPDX-License-Identifier: Apache-2.0
"""Windows at the borders of what CMSIS-NN's kernels can compute, side by side in a few networks.

Its wrappers choose a kernel by a few numbers and overlook others, the padding on the right above all.
The compiler must never emit a call that gives other bytes.
"""

from collections.abc import Iterator
from itertools import product
from typing import TypeAlias

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import SSAValue

from sparsec.ir import qnn
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from tests.end_to_end.building import Builder
from tests.end_to_end.road import compile_side_by_side, expect_exact, extreme_and_random

Size: TypeAlias = tuple[int, int]
Case: TypeAlias = tuple[Size, Size, Window]
"""Sizes of image and kernel, and the window."""

EVERYWHERE = [
    "host",
    *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m55")),
]


def cases(
    sizes: list[Size],
    kernels: list[Size],
    paddings: list[tuple[int, int, int, int]],
    strides: list[Size],
) -> Iterator[Case]:
    """All combinations whose kernel fits the padded image."""
    for size, kernel, padding, stride in product(sizes, kernels, paddings, strides):
        window = Window(stride, padding)
        try:
            window.output_size(size, kernel)
        except ValueError:
            continue
        yield size, kernel, window


BY_THREE = cases(
    [(3, columns) for columns in range(1, 6)],
    [(3, 3)],
    [(1, left, 1, right) for left, right in product(range(3), range(4))],
    [(1, 1), (1, 2), (2, 3)],
)
BY_ONE = cases(
    [(2, 3), (1, 4)],
    [(1, 1)],
    [*product(range(2), range(2), range(3), range(3))],
    [(1, 1), (2, 2)],
)
ROWS = cases(
    [(1, columns) for columns in (1, 2, 5, 8)],
    [(1, width) for width in (2, 3, 5)],
    [(0, left, 0, right) for left, right in product(range(3), range(4))] + [(1, 1, 1, 1)],
    [(1, 1), (1, 2)],
)
AT_ONCE = 35
"""Layers of a network: placing buffers of which all live at the end takes time with their number squared."""
SWEEPS = {
    "depthwise-3x3": (qnn.DepthwiseConv2dOp, 3, [*BY_THREE]),
    "1x1": (qnn.Conv2dOp, 4, [*BY_ONE]),
    "1xn": (qnn.Conv2dOp, 4, [*ROWS]),
}


def convolution(
    net: Builder,
    op: type[qnn.Conv2dOp | qnn.DepthwiseConv2dOp],
    x: SSAValue,
    channels: int,
    case: Case,
    rng: np.random.Generator,
) -> SSAValue:
    size, kernel, window = case
    outputs = 1 if op is qnn.DepthwiseConv2dOp else channels
    type = TensorType(i8, [1, *window.output_size(size, kernel), channels])
    return net.layer(
        op(
            x,
            net.constant(rng.integers(-128, 128, (outputs, *kernel, channels), np.int8)),
            net.constant(rng.integers(-500, 500, channels, np.int32)),
            net.constant(rng.integers(2**30, 2**31, channels, np.int32)),
            net.constant(rng.integers(-9, -7, channels, np.int32)),
            Requant(input_zp=17, output_zp=-5),
            window,
            type,
        )
    )


@pytest.mark.parametrize("cpu", EVERYWHERE)
@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_window(sweep: str, cpu: str):
    op, channels, all_cases = SWEEPS[sweep]
    assert len(all_cases) > 90
    rng = np.random.default_rng(0)
    for first in range(0, len(all_cases), AT_ONCE):
        net = Builder()
        some = all_cases[first : first + AT_ONCE]
        sizes = sorted({size for size, _, _ in some})
        images = {size: net.input((1, *size, channels)) for size in sizes}
        results = [convolution(net, op, images[case[0]], channels, case, rng) for case in some]
        compiled = compile_side_by_side(net.module(results), cpu, "--weights=dense")
        expect_exact(compiled, cpu, extreme_and_random(compiled.input_shapes, random=1, seed=3))
