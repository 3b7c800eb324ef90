// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts 2>/dev/null | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=cortex-m3},reconcile-unrealized-casts" 2>/dev/null | filecheck %s

// On every core a depthwise convolution in delta8 is one array of rows, with the bias, in which is the input zero point,
// the multipliers and the shifts; its places refer to the scratch memory.

func.func @main(%x : tensor<1x5x4x2xi8>) -> tensor<1x5x4x2xi8> {
  %w = qnn.constant named "d.weight" dense<[[[[1, 0], [0, 0], [0, 2]], [[0, 0], [0, 3], [0, 0]], [[0, 0], [0, 0], [4, 0]]]]> : tensor<1x3x3x2xi8, #sparse.encoding<delta8>>
  %b = qnn.constant dense<[5, 6]> : tensor<2xi32>
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %s = qnn.constant dense<-3> : tensor<2xi32>
  %y = qnn.depthwise_conv2d %x, %w, %b requant(%m, %s) <input_zp = 3> window <padding = [1, 1, 1, 1]> {layer = "dw"} : tensor<1x5x4x2xi8>, tensor<1x3x3x2xi8, #sparse.encoding<delta8>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x5x4x2xi8>
  func.return %y : tensor<1x5x4x2xi8>
}

// CHECK:      qnn.constant named "d.weight.rows" dense<{{.*}}> : tensor<10xi32>
// CHECK:      [[S:%.*]] = memref.alloc() {alignment = 8 : i64} : memref<192xi8>
// CHECK:      rt.depthwise_convolve_delta8_s8 {{.*}} <input_zp = 3> kernel [3, 3] window <padding = [1, 1, 1, 1]> into {{.*}} scratch [[S]] {layer = "dw", op = "depthwise_conv2d"}
