// SPDX-License-Identifier: Apache-2.0

// RUN: VERIFY_DIAG

func.func @f(%x : memref<1x5x5x2xi8>, %w : memref<4x3x3x3xi8>, %b : memref<4xi32>, %y : memref<1x3x3x4xi8>) {
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <> window <> into %y : memref<1x5x5x2xi8>, memref<4x3x3x3xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x3x3x4xi8>
  func.return
}
// CHECK: weights must have shape OxKHxKWx2, got memref<4x3x3x3xi8>

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %w : memref<4x3x3x2xi8>, %b : memref<4xi32>, %m : memref<1xi32>, %y : memref<1x3x3x4xi8>) {
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%m, %b) <> window <> into %y : memref<1x5x5x2xi8>, memref<4x3x3x2xi8>, memref<4xi32>, memref<1xi32>, memref<4xi32>, memref<1x3x3x4xi8>
  func.return
}
// CHECK: multiplier must have shape 4, got memref<1xi32>

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %w : memref<1x3x3x4xi8>, %b : memref<4xi32>, %y : memref<1x5x5x4xi8>) {
  cmsis.depthwise_conv_wrapper_s8 %x, %w, %b requant(%b, %b) <> window <> into %y : memref<1x5x5x2xi8>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x5x5x4xi8>
  func.return
}
// CHECK: result must have shape 1x3x3x4, got memref<1x5x5x4xi8>

// -----

func.func @f(%x : memref<1x5x5x2xi16>, %y : memref<1x5x5x2xi8>) {
  "cmsis.max_pool_s8"(%x, %y) <{pool = #nn.pool<>, requant = #qnn.requant<>}> : (memref<1x5x5x2xi16>, memref<1x5x5x2xi8>) -> ()
  func.return
}
// CHECK: operand 'input' at position 0 does not verify

// -----

func.func @f(%x : memref<1x3xi8>, %w : memref<4x3xi8>, %b : memref<4xi32>, %s : memref<3xi32>, %y : memref<1x4xi8>) {
  cmsis.fully_connected_s8 %x, %w, %s requant(1, 0) <> into %y : memref<1x3xi8>, memref<4x3xi8>, memref<3xi32>, memref<1x4xi8>
  func.return
}
// CHECK: bias must have shape 4, got memref<3xi32>

// -----

func.func @f(%x : memref<1x3xi8>, %y : memref<1x4xi8>) {
  cmsis.softmax_s8 %x <multiplier = 1, shift = 1, diff_min = -1> into %y : memref<1x3xi8>, memref<1x4xi8>
  func.return
}
// CHECK: output must have shape 1x3, got memref<1x4xi8>

// -----

func.func @f(%x : memref<1x2x3xi8>, %v : memref<3xi8>) {
  cmsis.elementwise_mul_s8 %x, %v <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> into %x : memref<1x2x3xi8>, memref<3xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: right-hand side must have shape 1x2x3, got memref<3xi8>
