// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts 2>/dev/null | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=cortex-m3}" --verify-diagnostics 2>/dev/null | filecheck %s --check-prefix ERROR

// The kernel that was chosen for a layer runs it, and no other one.

func.func @main(%x : tensor<1x5x4x2xi8>) -> (tensor<1x5x4x2xi8>, tensor<1x5x4x2xi8>) {
  %w = qnn.constant named "d.weight" dense<[[[[1, 0], [0, 0], [0, 2]], [[0, 0], [0, 3], [0, 0]], [[0, 0], [0, 0], [4, 0]]]]> : tensor<1x3x3x2xi8>
  %b = qnn.constant dense<[5, 6]> : tensor<2xi32>
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %s = qnn.constant dense<-3> : tensor<2xi32>
  %y = qnn.depthwise_conv2d %x, %w, %b requant(%m, %s) <input_zp = 3> window <padding = [1, 1, 1, 1]> {layer = "dw", sparsec.kernel = "sparsec_depthwise_convolve_3x3_s8"} : tensor<1x5x4x2xi8>, tensor<1x3x3x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x5x4x2xi8>
  %z = qnn.depthwise_conv2d %x, %w, %b requant(%m, %s) <input_zp = 3> window <padding = [1, 1, 1, 1]> {layer = "other"} : tensor<1x5x4x2xi8>, tensor<1x3x3x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x5x4x2xi8>
  func.return %y, %z : tensor<1x5x4x2xi8>, tensor<1x5x4x2xi8>
}

// CHECK:      qnn.constant named "d.weight.rows" dense<{{.*}}> : tensor<19xi32>
// CHECK:      [[S:%.*]] = memref.alloc() {alignment = 8 : i64} : memref<168xi8>
// CHECK:      rt.depthwise_convolve_3x3_s8 {{.*}} <input_zp = 3> window <padding = [1, 1, 1, 1]> into {{.*}} scratch [[S]] {layer = "dw", op = "depthwise_conv2d"}
// CHECK:      cmsis.depthwise_conv_wrapper_s8

// ERROR:      layer 'dw' (qnn.depthwise_conv2d): sparsec_depthwise_convolve_3x3_s8 is no kernel on cortex-m3
