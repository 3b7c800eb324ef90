# SPDX-License-Identifier: Apache-2.0
"""How often buffers and constants are used: what is read for every pixel counts so often."""

from xdsl.dialects.func import FuncOp

from sparsec.analysis.memory.memory_uses import memory_uses
from sparsec.ir.kernel import KernelOp
from tests.backends.lowering import parse

NETWORK = """
"memref.global"() <{sym_name = "w", sym_visibility = "private", type = memref<2x1x1x4xi8>, initial_value = dense<1> : tensor<2x1x1x4xi8>, constant}> : () -> ()
"memref.global"() <{sym_name = "c", sym_visibility = "private", type = memref<2xi32>, initial_value = dense<1> : tensor<2xi32>, constant}> : () -> ()
func.func @main(%x : memref<1x3x3x4xi8>, %y : memref<1x3x3x2xi8> {sparsec.result}) {
  %w = memref.get_global @w : memref<2x1x1x4xi8>
  %c = memref.get_global @c : memref<2xi32>
  %b = memref.alloc() : memref<1x3x3x4xi8>
  rt.requantize_s8 %x <multiplier = 1073741824> into %b : memref<1x3x3x4xi8>, memref<1x3x3x4xi8>
  %s = memref.alloc() {alignment = 8 : i64} : memref<16xi8>
  cmsis.convolve_wrapper_s8 %b, %w, %c requant(%c, %c) <> window <> into %y scratch %s : memref<16xi8> : memref<1x3x3x4xi8>, memref<2x1x1x4xi8>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x3x3x2xi8>
  func.return
}
"""


def test_a_convolution() -> None:
    (main,) = (op for op in parse(NETWORK).ops if isinstance(op, FuncOp))
    requantize, convolve = (op for op in main.body.block.ops if isinstance(op, KernelOp))
    uses = memory_uses(main)
    pixels = 9
    assert uses.constants == {"w": pixels * 8, "c": pixels * 8}
    products = sum(uses.constants.values())
    scratch, output = convolve.written()[::-1]
    x, b = requantize.operands
    assert (uses.buffers[x], uses.buffers[b]) == (36, 36 + products)
    assert {uses.buffers[scratch], uses.buffers[output]} == {16 + products, 18}
