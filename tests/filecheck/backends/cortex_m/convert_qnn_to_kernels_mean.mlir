// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts 2>/dev/null | filecheck %s

func.func @main(%x : tensor<1x4x3x2xi8>) -> tensor<1x1x1x2xi8> {
  %y = qnn.mean %x <input_zp = 3, multiplier = 1431655765, shift = -3> {layer = "gap"} : tensor<1x4x3x2xi8> -> tensor<1x1x1x2xi8>
  func.return %y : tensor<1x1x1x2xi8>
}

// CHECK: rt.mean_s8 {{.*}} <input_zp = 3, multiplier = 1431655765, shift = -3> into {{.*}} {layer = "gap", op = "mean"} : memref<1x4x3x2xi8>, memref<1x1x1x2xi8>
