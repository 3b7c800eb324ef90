// SPDX-License-Identifier: Apache-2.0

// RUN: VERIFY_DIAG

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<coo>>) {
  func.return
}
// CHECK: unknown sparse format 'coo', known: delta8, delta4, bitmap, csr, nm, block, dcsr, block-rle

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<delta8-fast>>) {
  func.return
}
// CHECK: unknown sparse format 'delta8-fast'

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<delta8, n = 2>>) {
  func.return
}
// CHECK: unknown field 'n'

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<nm, n = 2>>) {
  func.return
}
// CHECK: field 'm' is missing

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<nm, n = 4, m = 4>>) {
  func.return
}
// CHECK: n of nm with m = 4 is a whole number in 1..3, not 4

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1.5>>) {
  func.return
}
// CHECK: columns of block is a whole number in 1..256, not 1.5

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 2, bits = 16>>) {
  func.return
}
// CHECK: only blocks of one column and an even number of rows have 16 bits, not 4x2

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<block-rle, size = 0>>) {
  func.return
}
// CHECK: size of block-rle is a whole number in 1..256, not 0

// -----

func.func @f(%x : tensor<1x65537xi8>, %w : tensor<1x65537xi8, #sparse.encoding<csr>>, %n : tensor<1xi32>) {
  %y = qnn.linear %x, %w, %n requant(%n, %n) <> : tensor<1x65537xi8>, tensor<1x65537xi8, #sparse.encoding<csr>>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  func.return
}
// CHECK: the coordinates of csr reach 65536 columns, this matrix has 65537

// -----

func.func @f(%x : tensor<1x3xi8>, %w : tensor<4x3xi8, "odd">, %n : tensor<4xi32>) {
  %y = qnn.linear %x, %w, %n requant(%n, %n) <> : tensor<1x3xi8>, tensor<4x3xi8, "odd">, tensor<4xi32>, tensor<4xi32> -> tensor<1x4xi8>
  func.return
}
// CHECK: "odd" is not a sparse encoding

// -----

func.func @f(%w : tensor<1x65537xi8, #sparse.encoding<csr>>) {
  func.return
}
// CHECK: argument of type tensor<1x65537xi8, #sparse.encoding<csr>>: the coordinates of csr reach 65536 columns, this matrix has 65537

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<delta8>>) {
  func.return
}
// CHECK: argument of type tensor<4x3xi8, #sparse.encoding<delta8>>: only constants can be stored sparse

// -----

func.func @f(%x : tensor<4x3xi8>, %r : tensor<1x3xi8>, %n : tensor<4xi32>) {
  %w = builtin.unrealized_conversion_cast %x : tensor<4x3xi8> to tensor<4x3xi8, #sparse.encoding<delta8>>
  %y = qnn.linear %r, %w, %n requant(%n, %n) <> : tensor<1x3xi8>, tensor<4x3xi8, #sparse.encoding<delta8>>, tensor<4xi32>, tensor<4xi32> -> tensor<1x4xi8>
  func.return
}
// CHECK: tensor<4x3xi8, #sparse.encoding<delta8>> is computed: only constants can be stored sparse

// -----

func.func @f() {
  %w = qnn.constant named "fc.weight" dense<[[1, 0, 0, 2], [3, 4, 5, 0]]> : tensor<2x4xi8, #sparse.encoding<nm, n = 2, m = 4>>
  func.return
}
// CHECK: fc.weight cannot be stored as nm(2:4): row 1 has 3 non-zeros in columns 0 to 3, more than 2 of 4

// -----

// Depthwise weights are stored by channel: here the second has three taps in a row, although no pixel has.

func.func @f(%x : tensor<1x4x4x2xi8>, %c : tensor<2xi32>) {
  %w = qnn.constant dense<[[[[1, 2], [0, 3], [0, 4], [0, 0]]]]> : tensor<1x1x4x2xi8, #sparse.encoding<nm, n = 2, m = 4>>
  %y = qnn.depthwise_conv2d %x, %w, %c requant(%c, %c) <> window <> : tensor<1x4x4x2xi8>, tensor<1x1x4x2xi8, #sparse.encoding<nm, n = 2, m = 4>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x1x2xi8>
  func.return
}
// CHECK: a constant cannot be stored as nm(2:4): row 1 has 3 non-zeros in columns 0 to 3, more than 2 of 4

// -----

func.func @f() {
  %w = qnn.constant named "fc.weight" dense<1> : tensor<1x65536xi8, #sparse.encoding<delta8>>
  func.return
}
// CHECK: fc.weight cannot be stored as delta8: row 0 needs 65536 delta8 entries, more than 65535
