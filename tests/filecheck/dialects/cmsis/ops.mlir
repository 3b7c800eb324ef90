// SPDX-License-Identifier: Apache-2.0

// RUN: ROUNDTRIP

func.func @ops(%x : memref<1x5x5x2xi8>, %w : memref<4x3x3x2xi8>, %dw : memref<1x3x3x4xi8>, %b : memref<4xi32>, %i : memref<1x2x2x4xi8>, %y : memref<1x2x2x4xi8>, %s : memref<72xi8>) {
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <input_zp = 3, output_zp = -4, clamp = [-4, 127]> window <strides = [2, 2]> into %y scratch %s : memref<72xi8> {layer = "conv1"} : memref<1x5x5x2xi8>, memref<4x3x3x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>
  cmsis.depthwise_conv_wrapper_s8 %x, %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y : memref<1x5x5x2xi8>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>
  cmsis.max_pool_s8 %i pool <strides = [2, 2], kernel = [2, 2], padding = [1, 1, 1, 1]> <> into %y : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  cmsis.avgpool_s8 %i pool <kernel = [1, 1]> <clamp = [0, 127]> into %y scratch %s : memref<72xi8> : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  cmsis.elementwise_add_s8 %i, %i <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> into %y : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  cmsis.elementwise_mul_s8 %i, %i <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> into %y : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  cmsis.softmax_s8 %i <multiplier = 1717986918, shift = 23, diff_min = -248> into %y : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  func.return
}

// CHECK:      func.func @ops
// CHECK-NEXT: cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <input_zp = 3, output_zp = -4, clamp = [-4, 127]> window <strides = [2, 2]> into %y scratch %s : memref<72xi8> {layer = "conv1"} : memref<1x5x5x2xi8>, memref<4x3x3x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>
// CHECK-NEXT: cmsis.depthwise_conv_wrapper_s8 %x, %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y : memref<1x5x5x2xi8>, memref<1x3x3x4xi8>, {{.*}}memref<1x2x2x4xi8>
// CHECK-NEXT: cmsis.max_pool_s8 %i pool <strides = [2, 2], padding = [1, 1, 1, 1], kernel = [2, 2]> <> into %y : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
// CHECK-NEXT: cmsis.avgpool_s8 %i pool <> <clamp = [0, 127]> into %y scratch %s : memref<72xi8> : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
// CHECK-NEXT: cmsis.elementwise_add_s8 %i, %i <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> into %y
// CHECK-NEXT: cmsis.elementwise_mul_s8 %i, %i <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> into %y : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
// CHECK-NEXT: cmsis.softmax_s8 %i <multiplier = 1717986918, shift = 23, diff_min = -248> into %y

// -----

func.func @fully_connected(%x : memref<2x3xi8>, %w : memref<4x3xi8>, %b : memref<4xi32>, %y : memref<2x4xi8>) {
  cmsis.fully_connected_s8 %x, %w, %b requant(1073741824, -3) <input_zp = 1> into %y : memref<2x3xi8>, memref<4x3xi8>, memref<4xi32>, memref<2x4xi8>
  func.return
}

// CHECK:      func.func @fully_connected
// CHECK-NEXT: cmsis.fully_connected_s8 %x, %w, %b requant(1073741824, -3) <input_zp = 1> into %y : memref<2x3xi8>, memref<4x3xi8>, memref<4xi32>, memref<2x4xi8>
