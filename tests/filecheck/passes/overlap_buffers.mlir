// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p overlap-buffers --split-input-file | filecheck %s --check-prefixes CHECK,FAST
// RUN: sparsec-opt %s -p "overlap-buffers{objective=ram}" --split-input-file | filecheck %s --check-prefixes CHECK,SMALL
// RUN: sparsec-opt %s -p "overlap-buffers{ram=1400}" --split-input-file | filecheck %s --check-prefixes CHECK,BUDGET
// RUN: sparsec-opt %s -p "overlap-buffers{objective=ram flash=7000}" --split-input-file | filecheck %s --check-prefixes CHECK,FAST

// Two pixels at a time are slow, sixteen of 64 cost five percent: what is too much, unless the budget asks for it.
// The code of the loop over strips has no place in 7,000 bytes.

func.func @main(%x : memref<1x8x8x16xi8>, %y : memref<1x8x8x16xi8> {sparsec.result}) {
  %w = memref.get_global @w : memref<16x1x1x16xi8>
  %b = memref.get_global @b : memref<16xi32>
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <> window <> into %y {layer = "pw"} : memref<1x8x8x16xi8>, memref<16x1x1x16xi8>, memref<16xi32>, memref<16xi32>, memref<16xi32>, memref<1x8x8x16xi8>
  func.return
}

// FAST:       func.func
// FAST:       cmsis.convolve_wrapper_s8 %x, %w
// SMALL:      rt.convolve_strips_s8 strip 2 of %x, %w, %b requant(%b, %b) <> window <> into %y {layer = "pw"}
// BUDGET:     rt.convolve_strips_s8 strip 16 of %x, %w
// CHECK-NEXT: func.return

// -----

// Where the input is read again, nothing can lie over it; where another layer needs more, nothing is gained.

func.func @main(%x : memref<1x8x8x16xi8>, %y : memref<1x8x8x16xi8> {sparsec.result}, %z : memref<1x8x8x16xi8> {sparsec.result}) {
  %w = memref.get_global @w : memref<16x1x1x16xi8>
  %b = memref.get_global @b : memref<16xi32>
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <> window <> into %y {layer = "first"} : memref<1x8x8x16xi8>, memref<16x1x1x16xi8>, memref<16xi32>, memref<16xi32>, memref<16xi32>, memref<1x8x8x16xi8>
  rt.maximum_s8 %x, %y into %z : memref<1x8x8x16xi8>, memref<1x8x8x16xi8>, memref<1x8x8x16xi8>
  func.return
}

// CHECK:      func.func
// CHECK:      cmsis.convolve_wrapper_s8 %x, %w
// CHECK-NEXT: rt.maximum_s8
// CHECK-NEXT: func.return

// -----

// The image between two layers need not exist, if memory is what counts.

func.func @main(%x : memref<1x8x6x4xi8>, %y : memref<1x4x3x8xi8> {sparsec.result}) {
  %w = memref.get_global @w : memref<8x1x1x4xi8>
  %dw = memref.get_global @dw : memref<1x3x3x8xi8>
  %b = memref.get_global @b : memref<8xi32>
  %between = memref.alloc() : memref<1x8x6x8xi8>
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <output_zp = 2> window <> into %between {layer = "pw"} : memref<1x8x6x4xi8>, memref<8x1x1x4xi8>, memref<8xi32>, memref<8xi32>, memref<8xi32>, memref<1x8x6x8xi8>
  cmsis.depthwise_conv_wrapper_s8 %between, %dw, %b requant(%b, %b) <input_zp = 2> window <strides = [2, 2], padding = [0, 0, 1, 1]> into %y {layer = "dw"} : memref<1x8x6x8xi8>, memref<1x3x3x8xi8>, memref<8xi32>, memref<8xi32>, memref<8xi32>, memref<1x4x3x8xi8>
  func.return
}

// CHECK:      func.func
// SMALL:      rt.point_depthwise_s8
// SMALL-NEXT: func.return

// -----

// Tensors are not for this pass.

func.func @main(%x : tensor<4xi8>) -> tensor<4xi8> {
  func.return %x : tensor<4xi8>
}

// CHECK:      func.func @main(%x: tensor<4xi8>) -> tensor<4xi8> {
