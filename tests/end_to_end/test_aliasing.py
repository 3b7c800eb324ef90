# SPDX-License-Identifier: Apache-2.0
"""Splits and concatenations without a copy: the same bytes as with all copies, in a smaller arena."""

import pytest

from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.ir import rt
from tests.backends.lowering import lower, parse
from tests.end_to_end.conftest import FindModel
from tests.end_to_end.road import compile_module, expect_exact, extreme_and_random

HALVES = """
builtin.module attributes {sparsec.name = "halves"} {
  func.func @main(%x : tensor<1x16x6x4xi8> {qnn.quantization = #nn.quantization<scales = [0.05]>})
      -> (tensor<1x48xi8> {qnn.quantization = #nn.quantization<scales = [0.05]>}) {
    %w = qnn.constant dense<WEIGHTS> : tensor<16x1x1x4xi8>
    %b = qnn.constant dense<[0, 9, -8, 7, 6, -5, 4, 3, 0, 9, -8, 7, 6, -5, 4, 3]> : tensor<16xi32>
    %m = qnn.constant dense<1573741824> : tensor<16xi32>
    %s = qnn.constant dense<-4> : tensor<16xi32>
    %low = qnn.slice %x <begin = [0, 0, 0, 0], strides = [1, 1, 1, 1]> : tensor<1x16x6x4xi8> -> tensor<1x8x6x4xi8>
    %high = qnn.slice %x <begin = [0, 8, 0, 0], strides = [1, 1, 1, 1]> : tensor<1x16x6x4xi8> -> tensor<1x8x6x4xi8>
    %p = qnn.conv2d %low, %w, %b requant(%m, %s) <> window <> : tensor<1x8x6x4xi8>, tensor<16x1x1x4xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x8x6x16xi8>
    %q = qnn.conv2d %high, %w, %b requant(%m, %s) <output_zp = 3> window <> : tensor<1x8x6x4xi8>, tensor<16x1x1x4xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x8x6x16xi8>
    %c = qnn.concat %q, %p axis 1 : tensor<1x8x6x16xi8>, tensor<1x8x6x16xi8> -> tensor<1x16x6x16xi8>
    %a = qnn.avg_pool2d %c pool <kernel = [16, 6]> <> : tensor<1x16x6x16xi8> -> tensor<1x1x1x16xi8>
    %f = qnn.reshape %a : tensor<1x1x1x16xi8> -> tensor<1x16xi8>
    %v = qnn.constant dense<DENSE> : tensor<16x16xi8>
    %g = qnn.linear %f, %v, %b requant(%m, %s) <> : tensor<1x16xi8>, tensor<16x16xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x16xi8>
    %h = qnn.linear %g, %v, %b requant(%m, %s) <> : tensor<1x16xi8>, tensor<16x16xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x16xi8>
    %y = qnn.concat %g, %h, %f axis 1 : tensor<1x16xi8>, tensor<1x16xi8>, tensor<1x16xi8> -> tensor<1x48xi8>
    func.return %y : tensor<1x48xi8>
  }
}
"""

TWICE = """
builtin.module attributes {sparsec.name = "twice"} {
  func.func @main(%x : tensor<1x8xi8>) -> tensor<1x32xi8> {
    %p = qnn.pad %x, 21 <low = [0, 2], high = [0, 2]> {layer = "pad"} : tensor<1x8xi8> -> tensor<1x12xi8>
    %y = qnn.concat %x, %p, %p axis 1 {layer = "concat"} : tensor<1x8xi8>, tensor<1x12xi8>, tensor<1x12xi8> -> tensor<1x32xi8>
    func.return %y : tensor<1x32xi8>
  }
}
"""


def text() -> str:
    weights = [[[[(7 * o + 5 * c) % 23 - 11 for c in range(4)]]] for o in range(16)]
    dense = [[(5 * o + 11 * c) % 37 - 18 for c in range(16)] for o in range(16)]
    return HALVES.replace("WEIGHTS", str(weights)).replace("DENSE", str(dense))


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_halves_are_computed_in_their_place(cpu: str, find_model: FindModel) -> None:
    compiled = compile_module(parse(text()), cpu, "--weights=dense")
    inputs = extreme_and_random(compiled.input_shapes, random=3, seed=2)
    expect_exact(compiled, cpu, inputs)

    aliased = planned_function(compiled.compilation.module)
    copied = planned_function(lower(compiled.quantized, cpu))
    assert aliased is not None and copied is not None
    moves = [op for op in copied.kernels if isinstance(op, rt.SliceOp | rt.ConcatenateOp)]
    assert len(moves) == 7
    assert not [op for op in aliased.kernels if isinstance(op, rt.SliceOp | rt.ConcatenateOp)]
    assert aliased.arena_bytes < copied.arena_bytes


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_a_part_is_copied_to_another_part(cpu: str) -> None:
    """What a concatenation has twice lies in one place of it and is copied to the other."""
    compiled = compile_module(parse(TWICE), cpu)
    expect_exact(compiled, cpu, extreme_and_random(compiled.input_shapes, random=3, seed=2))
    planned = planned_function(compiled.compilation.module)
    assert planned is not None
    assert len([op for op in planned.kernels if isinstance(op, rt.ConcatenateOp)]) == 2
