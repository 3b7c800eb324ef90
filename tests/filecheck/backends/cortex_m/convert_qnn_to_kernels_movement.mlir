// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts 2>/dev/null | filecheck %s

func.func @main(%x : tensor<1x4x3x2xi8>) -> tensor<1x2x2x1xi8> {
  %rows = qnn.constant dense<[0, 0, 3]> : tensor<3xui16>
  %columns = qnn.constant dense<[2, 1]> : tensor<2xui16>
  %y = qnn.resize_nearest %x, %rows, %columns {layer = "up"} : tensor<1x4x3x2xi8>, tensor<3xui16>, tensor<2xui16> -> tensor<1x3x2x2xi8>
  %z = qnn.slice %y <begin = [0, 2, 0, 1], strides = [1, -1, 1, 1]> {layer = "part"} : tensor<1x3x2x2xi8> -> tensor<1x3x2x1xi8>
  %g = qnn.gather %z, %columns axis 1 {layer = "turn"} : tensor<1x3x2x1xi8>, tensor<2xui16> -> tensor<1x2x2x1xi8>
  func.return %g : tensor<1x2x2x1xi8>
}

// CHECK: rt.resize_nearest_s8 {{.*}} into {{.*}} {layer = "up", op = "resize_nearest"} : memref<1x4x3x2xi8>, memref<3xui16>, memref<2xui16>, memref<1x3x2x2xi8>
// CHECK: rt.slice_s8 {{.*}} <begin = [0, 2, 0, 1], strides = [1, -1, 1, 1]> into {{.*}} {layer = "part", op = "slice"} : memref<1x3x2x2xi8>, memref<1x3x2x1xi8>
// CHECK: rt.gather_s8 {{.*}} axis 1 into {{.*}} {layer = "turn", op = "gather"} : memref<1x3x2x1xi8>, memref<2xui16>, memref<1x2x2x1xi8>
