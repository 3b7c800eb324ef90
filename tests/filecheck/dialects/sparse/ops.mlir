// SPDX-License-Identifier: Apache-2.0

// RUN: ROUNDTRIP

func.func @formats() {
  %a = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<delta4>>
  %b = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<bitmap>>
  %c = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<csr>>
  %d = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<dcsr>>
  %e = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<nm, n = 2, m = 4>>
  %f = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1>>
  %g = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<block-rle, size = 1>>
  %h = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1, bits = 16>>
  %i = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1, bits = 8>>
  func.return
}

// A group of four columns with at most two non-zeros, and the last one of one column.
func.func @nm() {
  %w = qnn.constant dense<[[1, 0, 0, 2, 3], [0, 4, 5, 0, 0]]> : tensor<2x5xi8, #sparse.encoding<nm, n = 2, m = 4>>
  func.return
}

// CHECK:      func.func @formats() {
// CHECK-NEXT: %a = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<delta4>>
// CHECK-NEXT: %b = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<bitmap>>
// CHECK-NEXT: %c = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<csr>>
// CHECK-NEXT: %d = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<dcsr>>
// CHECK-NEXT: %e = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<nm, n = 2, m = 4>>
// CHECK-NEXT: %f = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1>>
// CHECK-NEXT: %g = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<block-rle, size = 1>>
// CHECK-NEXT: %h = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1, bits = 16>>
// CHECK-NEXT: %i = qnn.constant dense<0> : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1>>
// CHECK:      func.func @nm() {
// CHECK-NEXT: %w = qnn.constant dense<{{.*}}> : tensor<2x5xi8, #sparse.encoding<nm, n = 2, m = 4>>
