// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fuse-rows --split-input-file | filecheck %s
// RUN: sparsec-opt %s -p "fuse-rows{target=cortex-m55}" --split-input-file | filecheck %s --check-prefix HELIUM
// RUN: sparsec-opt %s -p "fuse-rows{layers=\"dw\"},fuse-rows" --split-input-file --verify-diagnostics | filecheck %s --check-prefix NAMED

// Three rows of 6 pixels of 8 channels are kept of the image between.

func.func @main(%x : memref<1x8x6x4xi8>, %y : memref<1x4x3x8xi8> {sparsec.result}) {
  %w = memref.get_global @w : memref<8x1x1x4xi8>
  %dw = memref.get_global @dw : memref<1x3x3x8xi8>
  %b = memref.get_global @b : memref<8xi32>
  %between = memref.alloc() : memref<1x8x6x8xi8>
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <output_zp = 2> window <> into %between {layer = "pw", op = "conv2d"} : memref<1x8x6x4xi8>, memref<8x1x1x4xi8>, memref<8xi32>, memref<8xi32>, memref<8xi32>, memref<1x8x6x8xi8>
  %s = memref.alloc() {alignment = 8 : i64} : memref<144xi8>
  cmsis.depthwise_conv_wrapper_s8 %between, %dw, %b requant(%b, %b) <input_zp = 2> window <strides = [2, 2], padding = [0, 0, 1, 1]> into %y scratch %s : memref<144xi8> {layer = "dw", op = "depthwise_conv2d"} : memref<1x8x6x8xi8>, memref<1x3x3x8xi8>, memref<8xi32>, memref<8xi32>, memref<8xi32>, memref<1x4x3x8xi8>
  func.return
}

// CHECK:      %b = memref.get_global @b
// CHECK-NEXT: [[S:%.*]] = memref.alloc() {alignment = 8 : i64} : memref<144xi8>
// CHECK-NEXT: rt.point_depthwise_s8 %x point %w, %b requant(%b, %b) <output_zp = 2> depthwise %dw, %b requant(%b, %b) <input_zp = 2> window <strides = [2, 2], padding = [0, 0, 1, 1]> into %y scratch [[S]] {layer = "pw+dw", op = "conv2d+depthwise_conv2d"}
// CHECK-NEXT: func.return
// HELIUM:     memref.alloc() {alignment = 8 : i64} : memref<4608xi8>
// NAMED:      rt.point_depthwise_s8

// -----

// A second reader, an input that is written in between, a window that is no pixel, and an image of the caller.

func.func @main(%x : memref<1x4x4x4xi8>, %t : memref<256xi8>, %y : memref<1x4x4x4xi8> {sparsec.result}, %z : memref<1x4x4x4xi8> {sparsec.result}, %u : memref<1x4x4x4xi8> {sparsec.result}) {
  %w = memref.get_global @w : memref<4x1x1x4xi8>
  %w3 = memref.get_global @w3 : memref<4x3x3x4xi8>
  %dw = memref.get_global @dw : memref<1x3x3x4xi8>
  %b = memref.get_global @b : memref<4xi32>
  %p = memref.alloc() : memref<1x4x4x4xi8>
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <> window <> into %p : memref<1x4x4x4xi8>, memref<4x1x1x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x4x4x4xi8>
  %q = memref.alloc() : memref<1x4x4x4xi8>
  cmsis.depthwise_conv_wrapper_s8 %p, %dw, %b requant(%b, %b) <> window <padding = [1, 1, 1, 1]> into %q : memref<1x4x4x4xi8>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x4x4x4xi8>
  rt.maximum_s8 %p, %q into %y : memref<1x4x4x4xi8>, memref<1x4x4x4xi8>, memref<1x4x4x4xi8>
  %r = memref.alloc() : memref<1x4x4x4xi8>
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <> window <> into %r : memref<1x4x4x4xi8>, memref<4x1x1x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x4x4x4xi8>
  rt.lookup_s8 %y, %t into %x : memref<1x4x4x4xi8>, memref<256xi8>, memref<1x4x4x4xi8>
  cmsis.depthwise_conv_wrapper_s8 %r, %dw, %b requant(%b, %b) <> window <padding = [1, 1, 1, 1]> into %z : memref<1x4x4x4xi8>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x4x4x4xi8>
  %v = memref.alloc() : memref<1x4x4x4xi8>
  cmsis.convolve_wrapper_s8 %x, %w3, %b requant(%b, %b) <> window <padding = [1, 1, 1, 1]> into %v : memref<1x4x4x4xi8>, memref<4x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x4x4x4xi8>
  cmsis.depthwise_conv_wrapper_s8 %v, %dw, %b requant(%b, %b) <> window <padding = [1, 1, 1, 1]> into %z : memref<1x4x4x4xi8>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x4x4x4xi8>
  cmsis.convolve_wrapper_s8 %x, %w, %b requant(%b, %b) <> window <> into %u : memref<1x4x4x4xi8>, memref<4x1x1x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x4x4x4xi8>
  cmsis.depthwise_conv_wrapper_s8 %u, %dw, %b requant(%b, %b) <> window <padding = [1, 1, 1, 1]> into %z : memref<1x4x4x4xi8>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x4x4x4xi8>
  func.return
}

// CHECK-NOT:  rt.point_depthwise_s8
// CHECK:      func.return
// NAMED:      layer 'dw' is no depthwise convolution by CMSIS-NN right behind a 1x1 convolution, which could be fused with it; such layers are: none
