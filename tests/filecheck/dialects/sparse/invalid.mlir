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

func.func @f(%w : tensor<1x65537xi8, #sparse.encoding<csr>>) {
  %v = sparse.component "values" %w : tensor<1x65537xi8, #sparse.encoding<csr>> -> tensor<6xi8>
  func.return
}
// CHECK: the coordinates of csr reach 65536 columns, this matrix has 65537

// -----

func.func @f(%w : tensor<4x3xi8>) {
  %e = sparse.component "entries" %w : tensor<4x3xi8> -> tensor<6xui8>
  func.return
}
// CHECK: tensor<4x3xi8> has no sparse encoding

// -----

func.func @f(%w : tensor<4x0xi8, #sparse.encoding<delta8>>) {
  %e = sparse.component "entries" %w : tensor<4x0xi8, #sparse.encoding<delta8>> -> tensor<6xui8>
  func.return
}
// CHECK: a sparse format stores a matrix [rows, columns], not a tensor of shape [4, 0]

// -----

func.func @f(%w : tensor<4x3xi8, "odd">) {
  %e = sparse.component "entries" %w : tensor<4x3xi8, "odd"> -> tensor<6xui8>
  func.return
}
// CHECK: "odd" is not a sparse encoding
