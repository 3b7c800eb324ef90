# SPDX-License-Identifier: Apache-2.0
"""Layers by the packed kernel, or decoded where they have another format, give the bytes of their `qnn` operations: as interpreted, and as C on a Cortex-M4's instructions in
tests/runtime/test_convolve_packed.py."""

import numpy as np
import pytest

from sparsec.interpreters.run import interpret
from tests.backends.lowering import lower, parse

ENCODINGS = ("delta8", "nm, n = 2, m = 4", "block, rows = 1, columns = 4")
WEIGHTS = "dense<[[[[1, -128, 0, 0]], [[0, 3, -4, 0]]], [[[0, 0, 0, 0]], [[127, 0, 0, 0]]]]>"

CONVOLUTION = """
func.func @main(%x : tensor<1x5x4x4xi8>) -> tensor<1x3x5x2xi8> {{
  %w = qnn.constant {weights} : tensor<2x2x1x4xi8, #sparse.encoding<{encoding}>>
  %b = qnn.constant dense<[5, -600]> : tensor<2xi32>
  %m = qnn.constant dense<[1073741824, 2000000000]> : tensor<2xi32>
  %s = qnn.constant dense<[-7, -6]> : tensor<2xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <input_zp = 3, output_zp = -5, clamp = [-100, 90]> window <strides = [2, 1], padding = [1, 1, 0, 0]> : tensor<1x5x4x4xi8>, tensor<2x2x1x4xi8, #sparse.encoding<{encoding}>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x3x5x2xi8>
  func.return %y : tensor<1x3x5x2xi8>
}}
"""

LINEAR = """
func.func @main(%x : tensor<1x5x8xi8>) -> tensor<1x5x2xi8> {{
  %w = qnn.constant dense<[[1, -128, 0, 0, 0, 3, -4, 0], [0, 0, 0, 0, 127, 0, 0, 0]]> : tensor<2x8xi8, #sparse.encoding<{encoding}>>
  %b = qnn.constant dense<[5, -600]> : tensor<2xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<-6> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <input_zp = 3, output_zp = -5> : tensor<1x5x8xi8>, tensor<2x8xi8, #sparse.encoding<{encoding}>>, tensor<2xi32>, tensor<1xi32> -> tensor<1x5x2xi8>
  func.return %y : tensor<1x5x2xi8>
}}
"""


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("text", "shape"), [(CONVOLUTION, (1, 5, 4, 4)), (LINEAR, (1, 5, 8))], ids=("conv2d", "linear")
)
def test_same_bytes(text: str, shape: tuple[int, ...], encoding: str) -> None:
    module = parse(text.format(encoding=encoding, weights=WEIGHTS))
    x = np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
    lowered = lower(module, "cortex-m7")
    packed = (
        encoding == "delta8"
    )  # what the kernel is laid out for; others are decoded, and are what they say
    assert ("rt.convolve_packed_s8" in str(lowered)) == packed
    assert ("rt.decode" in str(lowered)) != packed
    (expected,), (found,) = interpret(module, [x]), interpret(lowered, [x])
    assert len(np.unique(expected)) > 4
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("target", ["cortex-m3", "cortex-m55", "host"])
def test_other_cores_keep_the_delta8_kernel(target: str) -> None:
    module = parse(CONVOLUTION.format(encoding="delta8", weights=WEIGHTS))
    assert "rt.convolve_delta8_s8" in str(lower(module, target))
