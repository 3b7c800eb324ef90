// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts --split-input-file 2>/dev/null | filecheck %s

// Blocks have kernels of their own; what a clamp or a shift forbids is not saturating.

func.func @main(%x : tensor<1x5xi8>) -> tensor<1x5xi8> {
  %r = qnn.constant named "row.weight" dense<[[1, 2, 3, 4, 5], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [-1, 0, 0, 0, 0]]> : tensor<5x5xi8, #sparse.encoding<block, rows = 1, columns = 4>>
  %c = qnn.constant named "column.weight" dense<[[1, 0, 0, 0, 0], [2, 0, 0, 0, 0], [3, 0, 0, 0, 0], [4, 0, 0, 0, 0], [0, 0, 0, 0, 5]]> : tensor<5x5xi8, #sparse.encoding<block, rows = 4, columns = 1>>
  %b = qnn.constant named "fc.bias" dense<[1, 2, 3, 4, 5]> : tensor<5xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<-3> : tensor<1xi32>
  %left = qnn.constant dense<1> : tensor<1xi32>
  %0 = qnn.linear %x, %r, %b requant(%m, %s) <input_zp = 2> : tensor<1x5xi8>, tensor<5x5xi8, #sparse.encoding<block, rows = 1, columns = 4>>, tensor<5xi32>, tensor<1xi32> -> tensor<1x5xi8>
  %1 = qnn.linear %0, %c, %b requant(%m, %s) <> : tensor<1x5xi8>, tensor<5x5xi8, #sparse.encoding<block, rows = 4, columns = 1>>, tensor<5xi32>, tensor<1xi32> -> tensor<1x5xi8>
  %2 = qnn.linear %1, %c, %b requant(%m, %s) <clamp = [0, 127]> : tensor<1x5xi8>, tensor<5x5xi8, #sparse.encoding<block, rows = 4, columns = 1>>, tensor<5xi32>, tensor<1xi32> -> tensor<1x5xi8>
  %3 = qnn.linear %2, %c, %b requant(%m, %left) <> : tensor<1x5xi8>, tensor<5x5xi8, #sparse.encoding<block, rows = 4, columns = 1>>, tensor<5xi32>, tensor<1xi32> -> tensor<1x5xi8>
  %w = qnn.constant named "wide.weight" dense<[[1, 0, 0, 0, 0], [2, 0, 0, 0, 0], [3, 0, 0, 0, 0], [4, 0, 0, 0, 0], [0, 0, 0, 0, 5]]> : tensor<5x5xi8, #sparse.encoding<block, rows = 4, columns = 1, bits = 16>>
  %4 = qnn.linear %3, %w, %b requant(%m, %s) <> : tensor<1x5xi8>, tensor<5x5xi8, #sparse.encoding<block, rows = 4, columns = 1, bits = 16>>, tensor<5xi32>, tensor<1xi32> -> tensor<1x5xi8>
  func.return %4 : tensor<1x5xi8>
}

// The last block of a row begins at column 1: [0, 0, 0, 5].
// CHECK:      qnn.constant named "row.weight.rows" dense<[[-29, 514, 1073741824], {{.*}}]> : tensor<5x3xi32>
// CHECK:      qnn.constant named "row.weight.places" dense<[0, 0, 1, 0, 0, 0]> : tensor<6xui8>
// CHECK:      qnn.constant named "row.weight.weights" dense<[67305985, 83886080, 255]> : tensor<3xi32>
// CHECK:      rt.fully_connected_1x4_s8 {{.*}} saturating <input_zp = 2> into
// CHECK:      qnn.constant named "column.weight.rows" {{.*}} : tensor<8x3xi32>
// CHECK:      rt.fully_connected_4x1_s8 {{.*}} saturating <> into
// CHECK:      rt.fully_connected_4x1_s8
// CHECK-NOT:  saturating
// CHECK-SAME: <clamp = [0, 127]> into
// CHECK:      rt.fully_connected_4x1_s8
// CHECK-NOT:  saturating
// CHECK-SAME: <> into
// CHECK:      qnn.constant named "wide.weight.groups"
// CHECK:      rt.fully_connected_4x1_w16_s8 {{.*}} saturating <> into
