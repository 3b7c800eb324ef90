// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts 2>/dev/null | filecheck %s
// RUN: sparsec-opt %s -p convert-qnn-to-kernels{target=cortex-m55},reconcile-unrealized-casts 2>/dev/null | filecheck %s

// The runtime on every core, with the bias as it is.

func.func @main(%x : tensor<1x3x3x2xi8>) -> tensor<1x6x6x1xi8> {
  %w = qnn.constant dense<3> : tensor<1x2x2x2xi8>
  %b = qnn.constant dense<7> : tensor<1xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<-5> : tensor<1xi32>
  %y = qnn.transpose_conv2d %x, %w, %b requant(%m, %s) <input_zp = 3, output_zp = 4> window <strides = [2, 2]> {layer = "up"} : tensor<1x3x3x2xi8>, tensor<1x2x2x2xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x6x6x1xi8>
  func.return %y : tensor<1x6x6x1xi8>
}

// CHECK: %b = qnn.constant dense<7>
// CHECK: rt.transpose_conv_s8 {{.*}} <input_zp = 3, output_zp = 4> window <strides = [2, 2]> into {{.*}} {layer = "up", op = "transpose_conv2d"} : memref<1x3x3x2xi8>, memref<1x2x2x2xi8>, memref<1xi32>, memref<1xi32>, memref<1xi32>, memref<1x6x6x1xi8>
