# SPDX-License-Identifier: Apache-2.0
"""Convolutions that CMSIS-NN's wrappers hand to the wrong variant: exact, on the cores concerned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsec.backends.c.folder import write_project
from sparsec.backends.cortex_m.legalize import row_is_exact
from sparsec.backends.cortex_m.project import emit_project
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import cmsis, rt
from sparsec.ir.shapes import shape_of
from sparsec.run.execute import run_project
from sparsec.targets.cmsis_nn import REVISIONS, Release, read_release
from tests.backends.convolution_rows import rows
from tests.backends.lowering import lower, parse

CONVOLUTION = """
func.func @main(%x : tensor<1x{height}x{width}x{channels}xi8>) -> tensor<1x{out_height}x{out_width}x4xi8> {{
  %w = qnn.constant dense<{weights}> : tensor<{kernel}xi8>
  %b = qnn.constant dense<[100, -200, 300, 0]> : tensor<4xi32>
  %m = qnn.constant dense<1373741824> : tensor<4xi32>
  %s = qnn.constant dense<-4> : tensor<4xi32>
  %y = qnn.{op} %x, %w, %b requant(%m, %s) <input_zp = 17, output_zp = -9> window <strides = {strides}, padding = {padding}>
      : tensor<1x{height}x{width}x{channels}xi8>, tensor<{kernel}xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x{out_height}x{out_width}x4xi8>
  func.return %y : tensor<1x{out_height}x{out_width}x4xi8>
}}
"""


def convolution(
    op: str,
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: list[int],
    padding: list[int],
) -> str:
    """A module with one convolution of 4 channels."""
    shape = (4, *kernel, 4) if op == "conv2d" else (1, *kernel, 4)
    weights: Any = np.random.default_rng(1).integers(-99, 99, shape).tolist()
    out_height, out_width = (
        (n + padding[i] + padding[i + 2] - k) // s + 1
        for i, (n, k, s) in enumerate(zip(size, kernel, strides, strict=True))
    )
    return CONVOLUTION.format(
        op=op,
        height=size[0],
        width=size[1],
        channels=4,
        weights=weights,
        kernel="x".join(map(str, shape)),
        strides=strides,
        padding=padding,
        out_height=out_height,
        out_width=out_width,
    )


CASES = {
    "1x1 with bottom padding": ("conv2d", (4, 4), (1, 1), [1, 1], [0, 0, 1, 0]),
    "1x1 with right padding": ("conv2d", (4, 5), (1, 1), [2, 2], [0, 0, 0, 2]),
    "depthwise beyond the right": ("depthwise_conv2d", (5, 4), (3, 3), [1, 1], [1, 0, 1, 2]),
    "depthwise on one column": ("depthwise_conv2d", (5, 1), (3, 3), [1, 1], [1, 0, 1, 3]),
    "row, uneven padding": ("conv2d", (1, 9), (1, 3), [1, 1], [0, 2, 0, 0]),
    "row, unused columns": ("conv2d", (1, 11), (1, 3), [3, 3], [0, 0, 0, 0]),
    "row, shorter than the kernel": ("conv2d", (1, 3), (1, 5), [1, 1], [0, 2, 0, 2]),
    "row, padding above": ("conv2d", (1, 6), (1, 3), [1, 1], [1, 1, 0, 1]),
    "row that is exact": ("conv2d", (1, 9), (1, 3), [1, 1], [0, 1, 0, 1]),
}


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("case", CASES)
def test_every_byte(case: str, target: str, cmsis_nn: Path, tmp_path: Path) -> None:
    module = parse(convolution(*CASES[case]))
    height, width = CASES[case][1]
    x = np.random.default_rng(2).integers(-128, 128, (1, height, width, 4)).astype(np.int8)
    (expected,) = interpret(module, [x])
    lowered = lower(module, target, "dense", read_release(cmsis_nn / "Include"))
    assert np.array_equal(interpret(lowered, [x])[0], expected)
    write_project(emit_project(lowered, cmsis_nn / "Include", "net"), tmp_path / "p")
    result = run_project(
        tmp_path / "p", target, [x.reshape(1, -1)], cmsis_nn=cmsis_nn, counting=False
    )
    assert np.array_equal(result.outputs[0].reshape(expected.shape), expected)


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("seed", range(2))
def test_every_byte_of_random_rows(seed: int, cmsis_nn: Path, tmp_path: Path) -> None:
    """By the release in use; with `row_is_exact` of v5 some of these are wrong on all newer ones."""
    rng = np.random.default_rng(seed)
    module = rows(rng, 40)
    shapes = [shape_of(argument.type) for argument in main_function(module).body.block.args]
    inputs = [rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes]
    lowered = lower(module, "cortex-m55", "dense", read_release(cmsis_nn / "Include"))
    write_project(emit_project(lowered, cmsis_nn / "Include", "net"), tmp_path / "p")
    flat = [x.reshape(1, -1) for x in inputs]
    result = run_project(tmp_path / "p", "cortex-m55", flat, cmsis_nn=cmsis_nn, counting=False)
    for found, expected in zip(result.outputs, interpret(module, inputs), strict=True):
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("release", REVISIONS)
def test_a_row_of_one_channel_is_a_convolution_from_v7_on(release: Release) -> None:
    """A depthwise convolution with more outputs than its one channel, padded unevenly."""
    text = convolution("depthwise_conv2d", (1, 11), (1, 4), [1, 4], [0, 2, 0, 0])
    one_channel = parse(text.replace("1x1x11x4x", "1x1x11x1x"))
    lowered = lower(one_channel, "cortex-m55", release=release)
    (op,) = (op for op in lowered.walk() if isinstance(op, cmsis.DepthwiseConvOp))
    turned = shape_of(op.weights.type)[1:3] == (4, 1)
    assert turned == (release == "v7")
    x = np.arange(-5, 6, dtype=np.int8).reshape(1, 1, 11, 1)
    assert np.array_equal(interpret(lowered, [x])[0], interpret(one_channel, [x])[0])


@pytest.mark.parametrize(
    ("case", "target", "pads"),
    [
        ("1x1 with bottom padding", "cortex-m4", 1),
        ("depthwise beyond the right", "cortex-m4", 1),
        ("depthwise beyond the right", "cortex-m55", 0),
        ("row, padding above", "cortex-m4", 0),
        ("row, padding above", "cortex-m55", 1),
        ("row, uneven padding", "cortex-m55", 0),
    ],
)
def test_only_what_has_to_be_is_rewritten(case: str, target: str, pads: int) -> None:
    lowered = lower(parse(convolution(*CASES[case])), target, "dense")
    assert sum(isinstance(op, rt.PadOp) for op in lowered.walk()) == pads


@pytest.mark.parametrize(
    ("columns", "width", "out_columns", "stride", "padding", "exact", "since_v6"),
    [
        (9, 3, 9, 1, 1, True, True),
        (9, 3, 7, 1, 0, True, True),
        (10, 3, 4, 2, 0, True, False),  # one unused column
        (11, 3, 3, 3, 0, False, False),  # two
        (9, 3, 9, 1, 2, False, False),  # 2 left, 0 right
        (9, 4, 9, 1, 1, True, True),  # 1 left, 2 right
        (3, 5, 3, 1, 2, False, False),
        (
            9,
            5,
            5,
            2,
            2,
            True,
            False,
        ),  # the last window has two columns of padding, and so none with one
        (7, 3, 4, 2, 1, True, True),
    ],
)
def test_row_is_exact(
    columns: int,
    width: int,
    out_columns: int,
    stride: int,
    padding: int,
    exact: bool,
    since_v6: bool,
) -> None:
    row = (columns, width, out_columns, stride, padding)
    assert row_is_exact(*row) == row_is_exact(*row, "v5") == exact
    assert row_is_exact(*row, "v6") == row_is_exact(*row, "v7") == since_v6
