// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts 2>/dev/null | filecheck %s

// Reductions are of the axis in the middle of three.

func.func @main(%x : tensor<1x4x3x2xi8>) -> (tensor<1x1x1x2xi8>, tensor<1x4x1x2xi8>, tensor<1x4x3x1xi8>, tensor<1x1x1x1xi32>) {
  %y = qnn.mean %x <input_zp = 3, multiplier = 1431655765, shift = -3> {layer = "gap"} : tensor<1x4x3x2xi8> -> tensor<1x1x1x2xi8>
  %z = qnn.reduce_max %x : tensor<1x4x3x2xi8> -> tensor<1x4x1x2xi8>
  %u = qnn.reduce_min %x : tensor<1x4x3x2xi8> -> tensor<1x4x3x1xi8>
  %i = qnn.arg_min %x : tensor<1x4x3x2xi8> -> tensor<1x1x1x1xi32>
  func.return %y, %z, %u, %i : tensor<1x1x1x2xi8>, tensor<1x4x1x2xi8>, tensor<1x4x3x1xi8>, tensor<1x1x1x1xi32>
}

// CHECK: rt.mean_s8 {{.*}} <input_zp = 3, multiplier = 1431655765, shift = -3> into {{.*}} {layer = "gap", op = "mean"} : memref<1x12x2xi8>, memref<1x1x2xi8>
// CHECK: rt.reduce_max_s8 {{.*}} into {{.*}} {op = "reduce_max"} : memref<4x3x2xi8>, memref<4x1x2xi8>
// CHECK: rt.reduce_min_s8 {{.*}} into {{.*}} {op = "reduce_min"} : memref<12x2x1xi8>, memref<12x1x1xi8>
// CHECK: rt.arg_min_s8 {{.*}} into {{.*}} {op = "arg_min"} : memref<1x24x1xi8>, memref<1x1x1xi32>
