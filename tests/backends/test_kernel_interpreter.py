# SPDX-License-Identifier: Apache-2.0
"""The interpreter of kernels works on one arena: a wrong plan gives wrong bytes."""

import re
from itertools import permutations

import numpy as np
import pytest

from sparsec.interpreters.run import interpret
from tests.backends.lowering import lower, parse

CHAIN = """
func.func @main(%x : tensor<1x2x2x4xi8>) -> tensor<1x2x2x4xi8> {
  %w = qnn.constant dense<1> : tensor<4x2x2x4xi8>
  %b = qnn.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
  %m = qnn.constant dense<1073741824> : tensor<4xi32>
  %s = qnn.constant dense<-2> : tensor<4xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <padding = [1, 1, 0, 0]> : tensor<1x2x2x4xi8>, tensor<4x2x2x4xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x2x2x4xi8>
  %z = qnn.add %x, %y <input1_zp = 0, input1_multiplier = 1073741824, input1_shift = 0, input2_zp = 0, input2_multiplier = 1073741824, input2_shift = 0, left_shift = 20, output_zp = 0, output_multiplier = 1073741824, output_shift = -18> : tensor<1x2x2x4xi8>
  func.return %z : tensor<1x2x2x4xi8>
}
"""


@pytest.fixture
def x() -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    return np.random.default_rng(0).integers(-128, 128, (1, 2, 2, 4)).astype(np.int8)


def test_the_plan_is_followed(x: np.ndarray[tuple[int, ...], np.dtype[np.int8]]) -> None:
    before = x.copy()
    (expected,) = interpret(parse(CHAIN), [x])
    (found,) = interpret(lower(parse(CHAIN)), [x])
    assert np.array_equal(found, expected)
    assert np.array_equal(x, before)


def test_any_two_buffers_on_top_of_each_other_change_the_result(
    x: np.ndarray[tuple[int, ...], np.dtype[np.int8]],
) -> None:
    (expected,) = interpret(parse(CHAIN), [x])
    text = str(lower(parse(CHAIN), format="dense"))
    # Room for the scratch buffer, 64 bytes, wherever it is moved.
    text = re.sub(r"%arena: memref<\d+xi8>", "%arena: memref<999xi8>", text)
    text = re.sub(r"memref<\d+xi8> to", "memref<999xi8> to", text)
    # Input, result of the convolution and scratch are live together.
    offsets = sorted(set(re.findall(r"arith.constant (\d+) : index", text)))
    assert len(offsets) == 3
    for old, new in permutations(offsets, 2):
        moved = text.replace(f"arith.constant {old} : index", f"arith.constant {new} : index")
        wrong = parse(moved.replace(f"{{offset = {old} :", f"{{offset = {new} :"))
        assert not np.array_equal(interpret(wrong, [x])[0], expected), (old, new)
