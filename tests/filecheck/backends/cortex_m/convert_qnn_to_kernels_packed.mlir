// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts 2>/dev/null | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=cortex-m33},reconcile-unrealized-casts" 2>/dev/null | filecheck %s

// On cores with DSP instructions delta8 is laid out for the packed kernel, with the bias, in which is the input zero
// point, the multipliers and the shifts. Several rows of a linear layer are pixels. Other formats of single rows are what
// they say, and decoded.

func.func @main(%x : tensor<1x4x4x4xi8>, %rows : tensor<1x5x4xi8>) -> tensor<1x5x2xi8> {
  %w = qnn.constant named "c.weight" dense<[[[[1, 0, 0, 0]]], [[[0, 0, 4, 0]]]]> : tensor<2x1x1x4xi8, #sparse.encoding<delta8>>
  %n = qnn.constant named "n.weight" dense<[[[[1, 0, 0, 0]]], [[[0, 0, 4, 0]]]]> : tensor<2x1x1x4xi8, #sparse.encoding<nm, n = 1, m = 4>>
  %k = qnn.constant named "k.weight" dense<[[1, 0, 0, 0], [0, 0, 4, 0]]> : tensor<2x4xi8, #sparse.encoding<block, rows = 1, columns = 4>>
  %b = qnn.constant named "c.bias" dense<[5, 6]> : tensor<2xi32>
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %s = qnn.constant dense<-3> : tensor<2xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <input_zp = 3> window <strides = [2, 2]> {layer = "delta8"} : tensor<1x4x4x4xi8>, tensor<2x1x1x4xi8, #sparse.encoding<delta8>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2x2x2xi8>
  %z = qnn.conv2d %x, %n, %b requant(%m, %s) <> window <> {layer = "nm"} : tensor<1x4x4x4xi8>, tensor<2x1x1x4xi8, #sparse.encoding<nm, n = 1, m = 4>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x4x2xi8>
  %q = qnn.linear %rows, %k, %b requant(%m, %s) <> {layer = "block"} : tensor<1x5x4xi8>, tensor<2x4xi8, #sparse.encoding<block, rows = 1, columns = 4>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x5x2xi8>
  func.return %q : tensor<1x5x2xi8>
}

// CHECK:      qnn.constant named "c.weight.rows"
// CHECK:      [[S:%.*]] = memref.alloc() {alignment = 8 : i64} : memref<68xi8>
// CHECK:      rt.convolve_packed_s8 {{.*}} <input_zp = 3> kernel [1, 1] window <strides = [2, 2]> into {{.*}} scratch [[S]] {layer = "delta8", op = "conv2d"}
// CHECK:      qnn.constant named "n.weight.values" dense<[1, 4]> : tensor<2xi8>
// CHECK:      rt.decode_nm_s8 {{.*}} as <nm, n = 1, m = 4> columns 4
// CHECK:      rt.convolve_delta8_s8 {{.*}} {layer = "nm", op = "conv2d"}
// CHECK:      qnn.constant named "k.weight.entries"
// CHECK:      rt.decode_row_block_s8 {{.*}} as <block, rows = 1, columns = 4> columns 4
// CHECK:      rt.convolve_delta8_s8 {{.*}} {layer = "block", op = "linear"} : memref<1x5x1x4xi8>, {{.*}}, memref<1x5x1x2xi8>
