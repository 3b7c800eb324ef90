// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=cortex-m3},reconcile-unrealized-casts" --split-input-file 2>/dev/null | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=cortex-m3},bufferize,plan-memory" --split-input-file 2>/dev/null | filecheck %s --check-prefix PLAN

// Formats without a kernel of their own are decoded in front of the delta8 kernel, whose weights are then in memory; a linear
// layer of one row decodes a few rows at a time.

func.func @main(%x : tensor<1x2x2x4xi8>, %rows : tensor<1x3x4xi8>, %row : tensor<1x4xi8>) -> (tensor<1x2x2x2xi8>, tensor<1x3x2xi8>, tensor<1x2xi8>) {
  %w = qnn.constant named "c.weight" dense<[[[[1, 0, 0, 0]]], [[[0, 2, 4, 0]]]]> : tensor<2x1x1x4xi8, #sparse.encoding<bitmap>>
  %d = qnn.constant named "r.weight" dense<[[1, 0, 0, 0], [0, 0, 4, 0]]> : tensor<2x4xi8, #sparse.encoding<delta8>>
  %k = qnn.constant named "k.weight" dense<0> : tensor<2x4xi8, #sparse.encoding<block, rows = 2, columns = 2>>
  %b = qnn.constant named "c.bias" dense<[5, 6]> : tensor<2xi32>
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %s = qnn.constant dense<-3> : tensor<2xi32>
  %0 = qnn.conv2d %x, %w, %b requant(%m, %s) <input_zp = 3> window <> {layer = "c"} : tensor<1x2x2x4xi8>, tensor<2x1x1x4xi8, #sparse.encoding<bitmap>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2x2x2xi8>
  %1 = qnn.linear %rows, %d, %b requant(%m, %s) <> {layer = "r"} : tensor<1x3x4xi8>, tensor<2x4xi8, #sparse.encoding<delta8>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x3x2xi8>
  %2 = qnn.linear %row, %k, %b requant(%m, %s) <> {layer = "k"} : tensor<1x4xi8>, tensor<2x4xi8, #sparse.encoding<block, rows = 2, columns = 2>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2xi8>
  func.return %0, %1, %2 : tensor<1x2x2x2xi8>, tensor<1x3x2xi8>, tensor<1x2xi8>
}

// CHECK:      qnn.constant named "c.weight.values" dense<[1, 2, 4]> : tensor<3xi8>
// CHECK:      qnn.constant named "c.weight.bits" dense<[1, 6]> : tensor<2xui8>
// CHECK:      [[E:%.*]] = memref.alloc() : memref<6xui8>
// CHECK-NEXT: [[C:%.*]] = memref.alloc() : memref<2xui16>
// CHECK-NEXT: rt.decode_bitmap_s8 {{.*}} as <bitmap> columns 4 into [[E]], [[C]] {layer = "c", op = "conv2d"} : memref<3xi8>, memref<2xui8>
// CHECK:      rt.convolve_delta8_s8 {{%.*}}, [[E]], [[C]], {{.*}} <input_zp = 3> kernel [1, 1]
// CHECK-NOT:  rt.decode
// CHECK:      rt.convolve_delta8_s8 {{.*}} {layer = "r", op = "linear"} : memref<1x3x1x4xi8>, memref<4xui8>, memref<2xui16>
// CHECK:      [[S:%.*]] = memref.alloc() {alignment = 8 : i64} : memref<4xi8>
// CHECK:      rt.fully_connected_decoded_s8 {{%.*}} weights({{.*}}) as <block, rows = 2, columns = 2> rows 2, {{.*}} scratch [[S]] {layer = "k", op = "linear"} : memref<1x4xi8>, (memref<0xi8>, memref<0xui8>, memref<1xui16>)

// The memory of the first layer's weights is free again for the next.
// PLAN-DAG: [[C1:%.*]] = memref.view %arena[{{%.*}}][] : memref<{{.*}}xi8> to memref<2xui16>
// PLAN-DAG: [[E1:%.*]] = memref.view %arena[{{%.*}}][] : memref<{{.*}}xi8> to memref<6xui8>
// PLAN:     rt.decode_bitmap_s8 {{.*}} into [[E1]], [[C1]]
// PLAN:     rt.convolve_delta8_s8 {{%.*}}, [[E1]], [[C1]],

// -----

func.func @main(%x : tensor<1x4xi8>) -> tensor<1x1xi8> {
  %w = qnn.constant named "w" dense<[[1, 2, 3, 0]]> : tensor<1x4xi8, #sparse.encoding<nm, n = 3, m = 4>>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%b, %b) <> : tensor<1x4xi8>, tensor<1x4xi8, #sparse.encoding<nm, n = 3, m = 4>>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  func.return %y : tensor<1x1xi8>
}

// CHECK:  rt.fully_connected_decoded_s8 {{.*}} as <nm, n = 3, m = 4> rows 1,
